//! Who must be told, and how? Relying parties and the issuers they belong to.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{Cause, ClientKey, IssuerKey};

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The store's key.
    pub key: IssuerKey,
    /// Its short name in configuration, API and metrics.
    pub name: String,
    /// Its issuer identifier, byte for byte.
    pub issuer: String,
    /// The algorithm where a client registers none.
    pub default_alg: Algorithm,
    /// What an opening without `sid` means: the session id is the sid, or there is none.
    pub sid_is_session_id: bool,
    /// Whether an opening later than the logout of its provider session is a new life.
    pub reuses_session_ids: bool,
    /// Whether `offline` sessions end like all others.
    pub logs_out_offline: bool,
}

/// A relying party as it is registered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The store's key.
    pub key: ClientKey,
    /// Its issuer.
    pub issuer: IssuerKey,
    /// Its id at the issuer.
    pub client_id: String,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<Url>,
    /// Whether a logout token without `sid` is of no use to it.
    pub backchannel_logout_session_required: bool,
    /// Its registered algorithm; `None`: the issuer's default.
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// Which of `sid` and `sub` its tokens carry.
    pub logout_token_subject: LogoutTokenSubject,
    /// What it gets when all of a user's sessions end.
    pub subject_logout: SubjectLogout,
    /// The causes it wants; `None`: all.
    pub logout_causes: Option<Vec<Cause>>,
    /// Whether its tokens carry `logout_reason`.
    pub include_cause: bool,
    /// Networks it may live in besides the deployment's.
    pub allow_networks: Vec<IpNet>,
    /// Whether plain `http` is allowed, where it differs from the deployment's setting.
    pub allow_http: Option<bool>,
    /// PEM file of the CA that its server certificate must chain to, alone.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the certificate and key we present.
    pub client_certificate_file: Option<PathBuf>,
    /// Attempt deadline, where it differs from the deployment's.
    pub timeout: Option<Duration>,
}

/// Which of `sid` and `sub` a token carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogoutTokenSubject {
    /// `sid` (where there is one) and `sub`.
    #[default]
    Both,
    /// `sid` alone (where there is one).
    Sid,
    /// `sub` alone.
    Sub,
}

/// What a client gets when all of a user's sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectLogout {
    /// One token per session.
    #[default]
    EachSession,
    /// One token without `sid`: "all sessions of this user".
    SubOnly,
}

/// The algorithm of this registered name, if logout tokens may be signed with it.
/// `none` and `HS*` are never allowed.
#[must_use]
pub fn parse_alg(name: &str) -> Option<Algorithm> {
    SIGNING_ALGS.iter().copied().find(|alg| alg_name(*alg) == name)
}

/// Every algorithm logout tokens may be signed with.
pub const SIGNING_ALGS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The registered name (RFC 7518, RFC 8037) of an algorithm in [`SIGNING_ALGS`].
#[must_use]
pub const fn alg_name(alg: Algorithm) -> &'static str {
    match alg {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        _ => "unsupported",
    }
}
