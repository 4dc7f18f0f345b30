//! `[clients.<name>]`: which relying parties does the file register?

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use toml::Value;

use super::issuers::Draft;
use super::reader::{Section, nearest};
use crate::model::ClientMetadata;
use crate::model::registration::{IdFrom, Rules, Unknown, validate};
use crate::{deliver, dispatch};

/// A client that the file registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredClient {
    /// The table's name.
    pub name: String,
    /// The short name of its issuer.
    pub issuer: String,
    /// What it registers.
    pub metadata: ClientMetadata,
}

pub(super) fn read(
    root: &mut Section<'_>,
    issuers: &[Draft],
    delivery: &deliver::Settings,
    dispatch: &dispatch::Settings,
) -> Vec<RegisteredClient> {
    let longest_timeout = dispatch.lease.saturating_sub(dispatch.lease_margin);
    let clients = root.each("clients", |name, section| {
        let issuer = issuer_of(section, issuers);
        let rules = Rules {
            client_id: IdFrom::Default(name),
            unknown: Unknown::Refuse,
            allow_http: delivery.allow_http,
            algs: issuer.and_then(|draft| draft.algs.as_deref()),
            longest_timeout: Some(longest_timeout),
        };
        client(name, issuer, section, &rules)
    });
    clients.into_iter().flatten().collect()
}

/// The issuer it names, or the only one there is.
fn issuer_of<'a>(section: &mut Section<'_>, issuers: &'a [Draft]) -> Option<&'a Draft> {
    if let ([only], false) = (issuers, section.has("issuer")) {
        section.take::<String>("issuer");
        return Some(only);
    }
    let names = || issuers.iter().map(|draft| draft.issuer.name.as_str());
    let help = format!("name one of the issuers: {}", names().collect::<Vec<_>>().join(", "));
    let name: String = section.required("issuer", &help)?;
    let found = issuers.iter().find(|draft| draft.issuer.name == name);
    if found.is_none() {
        section.wrong("issuer", unknown_issuer(&name, names()));
    }
    found
}

/// What is said wherever a short name is none.
pub(super) fn unknown_issuer<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let hint = nearest(name, known.clone()).map_or_else(
        || format!("configured: {}", known.collect::<Vec<_>>().join(", ")),
        |known| format!("did you mean {known:?}?"),
    );
    format!("{name:?} is not the short name of an issuer; {hint}")
}

fn client(
    name: &str,
    issuer: Option<&Draft>,
    section: &mut Section<'_>,
    rules: &Rules<'_>,
) -> Option<RegisteredClient> {
    let id = section.take::<String>("client_id");
    let bad_id = section.was_wrong("client_id");
    let mut document: serde_json::Map<_, _> =
        section.rest().into_iter().map(|(key, value)| (key, json(value))).collect();
    if let Some(id) = id {
        document.insert("client_id".into(), id.into());
    }
    let metadata = match validate(&document.into(), rules) {
        Ok(metadata) => metadata,
        Err(errors) => {
            for error in errors {
                section.wrong_field(&error.field, error.message);
            }
            return None;
        }
    };
    check_files(&metadata, section);
    let issuer = issuer?;
    (!bad_id).then(|| RegisteredClient { name: name.into(), issuer: issuer.issuer.name.clone(), metadata })
}

/// TOML as JSON; a date, which no field takes, becomes its text.
fn json(value: Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(items) => items.into_iter().map(json).collect(),
        Value::Table(table) => serde_json::Value::Object(table.into_iter().map(|(k, v)| (k, json(v))).collect()),
    }
}

fn check_files(metadata: &ClientMetadata, section: &Section<'_>) {
    if let Some(Err(what)) = metadata.ca_file.as_deref().map(certificates) {
        section.wrong("ca_file", what);
    }
    if let Some(Err(what)) = metadata.client_certificate_file.as_deref().map(certificate_and_key) {
        section.wrong("client_certificate_file", what);
    }
}

/// The PEM of the certificates in this file.
pub(super) fn certificates(file: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(file)
        .map_err(|error| format!("{} cannot be read ({error}); mount it there or correct the path", file.display()))?;
    match CertificateDer::pem_slice_iter(&pem).next() {
        Some(Ok(_)) => Ok(pem),
        _ => Err(format!("{} holds no PEM certificate", file.display())),
    }
}

/// Whether this file holds a certificate and its key.
pub(super) fn certificate_and_key(file: &Path) -> Result<(), String> {
    let pem = certificates(file)?;
    let key = PrivateKeyDer::from_pem_slice(&pem);
    key.map(drop).map_err(|_| format!("{} holds no PEM private key beside its certificate", file.display()))
}
