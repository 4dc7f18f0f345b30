//! Who may call the API, and where does it listen?

use std::net::SocketAddr;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// `[http]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Bearer tokens; none: everything is open, on loopback only.
    pub tokens: Vec<Token>,
    /// Worker threads of the HTTP server.
    pub workers: usize,
    /// Connections that one of them holds at most; others wait.
    pub connections_per_worker: usize,
    /// The certificate; `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// `[http.tls]`, `[metrics.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM: the certificate first, then its issuers.
    pub certificate_file: PathBuf,
    /// PEM: the certificate's private key.
    pub private_key_file: PathBuf,
}

/// `[metrics]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrape {
    /// Where `/metrics` alone listens, without a token; `None`: it is a call of the API.
    pub listen: Option<SocketAddr>,
    /// The certificate; `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// `[http.tokens.<name>]`.
#[derive(Clone)]
pub struct Token {
    /// The table's name; shown in logs.
    pub name: String,
    /// Where the secret is read from, and read again; `None`: from the environment.
    pub file: Option<PathBuf>,
    /// The secret.
    pub secret: Zeroizing<String>,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// Short names of the issuers it may speak for and read; empty: all.
    pub issuers: Vec<String>,
}

/// Without the secret.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Token");
        shown.field("name", &self.name).field("scopes", &self.scopes).field("issuers", &self.issuers);
        shown.finish_non_exhaustive()
    }
}

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `POST /v1/events`.
    Events,
    /// Events with `sessions` and the scopes `client_id` and `all`.
    Bulk,
    /// Every GET, metrics included.
    Read,
    /// Everything that changes clients and deliveries.
    Admin,
}

impl Scope {
    /// The name used in configuration and challenges.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Bulk => "bulk",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}
