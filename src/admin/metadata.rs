//! What does a client look like in JSON? Its registration metadata, and whose it is.

use serde_json::{Map, Value, json};

use super::problem::{Kind, Problem, Wrong};
use super::{InvalidMember, precondition};
use crate::model::client::alg_name;
use crate::model::{Client, Issuer, hashed};
use crate::store::views::ClientRecord;

/// Where a client is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The configuration file: read-only here.
    File,
    /// This API.
    Api {
        /// Of the store's row.
        version: i64,
    },
}

/// A registered client as shown.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) client_id: String,
    pub(crate) source: Source,
    pub(crate) etag: String,
    pub(crate) body: Value,
}

impl Shown {
    /// A client of the configuration file.
    pub(crate) fn from_file(issuer: &Issuer, client: &Client) -> Self {
        let body = with_names(of(client), issuer, &client.client_id, "file");
        let etag = format!("\"file-{}\"", hashed(&body.to_string()));
        Self { client_id: client.client_id.clone(), source: Source::File, etag, body }
    }

    /// A client of the store.
    pub(crate) fn from_record(issuer: &Issuer, record: ClientRecord) -> Self {
        let members = match record.metadata {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            body: with_names(members, issuer, &record.client_id, "api"),
            client_id: record.client_id,
            source: Source::Api { version: record.version },
            etag: precondition::etag(record.version),
        }
    }
}

fn with_names(mut members: Map<String, Value>, issuer: &Issuer, client_id: &str, source: &str) -> Value {
    members.insert("client_id".into(), client_id.into());
    members.insert("issuer".into(), issuer.name.clone().into());
    members.insert("source".into(), source.into());
    Value::Object(members)
}

fn of(client: &Client) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            members.insert(name.to_owned(), value);
        }
    };
    put("backchannel_logout_uri", json!(client.backchannel_logout_uri.as_ref().map(url::Url::as_str)));
    put("backchannel_logout_session_required", json!(client.backchannel_logout_session_required));
    put("id_token_signed_response_alg", json!(client.id_token_signed_response_alg.map(alg_name)));
    put("logout_token_subject", json!(client.logout_token_subject));
    put("subject_logout", json!(client.subject_logout));
    put("logout_causes", json!(client.logout_causes));
    put("include_cause", json!(client.include_cause));
    put("allow_networks", json!(client.allow_networks.iter().map(ToString::to_string).collect::<Vec<_>>()));
    put("allow_http", json!(client.allow_http));
    put("ca_file", json!(client.ca_file));
    put("client_certificate_file", json!(client.client_certificate_file));
    put("timeout", json!(client.timeout.map(|timeout| humantime::format_duration(timeout).to_string())));
    members
}

/// What was sent, with the address's client id and without the members that only we add, so
/// that what was read can be sent back.
pub(crate) fn submitted(sent: Value, issuer: &Issuer, client_id: &str) -> Result<Value, Problem> {
    let Value::Object(mut members) = sent else {
        return Err(Problem::new(Kind::InvalidJson, "client metadata is a JSON object"));
    };
    members.remove("source");
    let differs = |path: &str| InvalidMember { path: path.into(), detail: "differs from the address".into() };
    let mut wrong = Vec::new();
    for (name, expected) in [("client_id", client_id), ("issuer", issuer.name.as_str())] {
        if members.remove(name).is_some_and(|value| value != expected) {
            wrong.push(differs(name));
        }
    }
    if !wrong.is_empty() {
        return Err(invalid(wrong));
    }
    members.insert("client_id".into(), client_id.into());
    Ok(Value::Object(members))
}

/// Metadata that cannot be taken, member by member.
pub(crate) fn invalid(members: Vec<InvalidMember>) -> Problem {
    let names = members.iter().map(|member| member.path.as_str()).collect::<Vec<_>>().join(", ");
    let problem = Problem::new(Kind::InvalidMetadata, format!("see: {names}"));
    members.into_iter().fold(problem, |problem, InvalidMember { path, detail }| {
        problem.with(Wrong { path: Some(path), reason: "invalid_member".into(), detail, ..Wrong::default() })
    })
}
