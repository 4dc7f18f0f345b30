//! How does a client register? Its metadata in the configuration, the API, imports and the store.
//!
//! Names are those of OpenID registration where it has one. Members of the JSON that are not known
//! here are mistakes in our own file, where nothing else could be meant. In registration documents
//! (API, imports) they are ignored, for those carry much that is not about logout, except near
//! misses: a misspelt `backchannel_logout_url` would otherwise silently sign nobody out.

mod check;
mod fields;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use serde::{Serialize, Serializer};
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use super::{Cause, Client, ClientKey, IssuerKey, LogoutTokenSubject, SubjectLogout};
pub use check::{parse_logout_uri, parse_network, parse_signing_alg};
use fields::Fields;

/// What a client registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientMetadata {
    /// Its id at the issuer.
    pub client_id: String,
    /// Where logout tokens go: absolute, `https` (or `http` where allowed), no fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<Url>,
    /// Whether a logout token without `sid` is of no use to it.
    pub backchannel_logout_session_required: bool,
    /// The algorithm of its tokens; absent: the issuer's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ES256")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// Which of `sid` and `sub` its tokens carry.
    pub logout_token_subject: LogoutTokenSubject,
    /// What it gets when all of a user's sessions end.
    pub subject_logout: SubjectLogout,
    /// The causes it wants; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_causes: Option<Vec<Cause>>,
    /// Whether its tokens carry `logout_reason`.
    pub include_cause: bool,
    /// Networks it may live in besides the deployment's.
    #[schema(value_type = Vec<String>, example = json!(["10.0.0.0/8"]))]
    pub allow_networks: Vec<IpNet>,
    /// Whether plain `http` is allowed; absent: as in the deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_http: Option<bool>,
    /// PEM file, on the service's machine, of the CA its certificate must chain to, alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ca_file: Option<PathBuf>,
    /// PEM file, on the service's machine, with the certificate and key we present.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_certificate_file: Option<PathBuf>,
    /// Attempt deadline, as `"5s"`; absent: the deployment's.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration")]
    #[schema(value_type = Option<String>, example = "5s")]
    pub timeout: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn duration<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(duration.unwrap_or_default()))
}

/// One field that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The member, `logout_causes[1]` within lists; empty: the document.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Where the client's id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdFrom<'a> {
    /// The document must say it.
    Document,
    /// This one unless the document says another (a table's name).
    Default(&'a str),
    /// This one; the document may repeat it (a URL's path).
    Exactly(&'a str),
}

/// What happens to members that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Each is a mistake (the configuration file).
    Refuse,
    /// Each that looks like one of ours misspelt is a mistake, others are ignored (API, imports).
    RefuseNearMisses,
    /// All are ignored (what the store kept from an older or newer version).
    Ignore,
}

/// What the document is held against.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Where the client's id comes from.
    pub client_id: IdFrom<'a>,
    /// What happens to members that are not known.
    pub unknown: Unknown,
    /// Whether the deployment allows plain `http`.
    pub allow_http: bool,
    /// What the issuer has keys for; `None`: not checked.
    pub algs: Option<&'a [Algorithm]>,
    /// The longest attempt deadline that a lease outlives; `None`: not checked.
    pub longest_timeout: Option<Duration>,
}

impl Rules<'_> {
    /// For what was checked when it was stored: the deployment may have changed since, and a
    /// registration is not lost by that.
    pub const STORED: Rules<'static> = Rules {
        client_id: IdFrom::Document,
        unknown: Unknown::Ignore,
        allow_http: true,
        algs: None,
        longest_timeout: None,
    };
}

/// The metadata in this JSON, or everything that is wrong with it.
pub fn validate(value: &Value, rules: &Rules<'_>) -> Result<ClientMetadata, Vec<FieldError>> {
    let mut fields = Fields::of(value)?;
    let metadata = ClientMetadata {
        client_id: fields.client_id(rules.client_id),
        backchannel_logout_uri: fields.parsed("backchannel_logout_uri", parse_logout_uri),
        backchannel_logout_session_required: fields.flag("backchannel_logout_session_required").unwrap_or_default(),
        id_token_signed_response_alg: fields.parsed("id_token_signed_response_alg", parse_signing_alg),
        logout_token_subject: fields.parsed("logout_token_subject", check::token_subject).unwrap_or_default(),
        subject_logout: fields.parsed("subject_logout", check::subject_logout).unwrap_or_default(),
        logout_causes: fields.causes("logout_causes"),
        include_cause: fields.flag("include_cause").unwrap_or_default(),
        allow_networks: fields.list("allow_networks", parse_network).unwrap_or_default(),
        allow_http: fields.flag("allow_http"),
        ca_file: fields.parsed("ca_file", check::file),
        client_certificate_file: fields.parsed("client_certificate_file", check::file),
        timeout: fields.parsed("timeout", check::timeout),
    };
    check::against(&metadata, rules, &mut fields);
    fields.finish(rules.unknown)?;
    Ok(metadata)
}

impl ClientMetadata {
    /// The metadata that the store kept.
    pub fn from_stored(value: &Value) -> Result<Self, Vec<FieldError>> {
        validate(value, &Rules::STORED)
    }

    /// The registered client.
    #[must_use]
    pub fn into_client(self, key: ClientKey, issuer: IssuerKey) -> Client {
        Client {
            key,
            issuer,
            client_id: self.client_id,
            backchannel_logout_uri: self.backchannel_logout_uri,
            backchannel_logout_session_required: self.backchannel_logout_session_required,
            id_token_signed_response_alg: self.id_token_signed_response_alg,
            logout_token_subject: self.logout_token_subject,
            subject_logout: self.subject_logout,
            logout_causes: self.logout_causes,
            include_cause: self.include_cause,
            allow_networks: self.allow_networks,
            allow_http: self.allow_http,
            ca_file: self.ca_file,
            client_certificate_file: self.client_certificate_file,
            timeout: self.timeout,
        }
    }
}

#[cfg(test)]
mod tests;
