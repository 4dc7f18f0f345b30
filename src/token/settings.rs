//! Which keys, and for how long? One issuer's keys and the claims' times.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use time::OffsetDateTime;

/// The claims' times and the keys' life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `iat` lies this far behind the clock: some receivers tolerate no skew.
    pub iat_backdate: Duration,
    /// `exp` − `iat`.
    pub lifetime: Duration,
    /// A new key is published this long before it signs.
    pub announce_for: Duration,
    /// A removed key stays published this long.
    pub retire_for: Duration,
    /// How often key files are looked at.
    pub poll: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            iat_backdate: Duration::from_secs(2),
            lifetime: Duration::from_mins(2),
            announce_for: Duration::from_mins(5),
            retire_for: Duration::from_mins(10),
            poll: Duration::from_secs(10),
        }
    }
}

/// Where one key (or a JWKS of several) comes from: `[issuers.<name>.keys.<key>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySource {
    /// The table's name.
    pub name: String,
    /// PEM (PKCS#8, PKCS#1, SEC1), JWK or JWKS.
    pub file: PathBuf,
    /// The algorithm; absent: all the key fits.
    pub alg: Option<Algorithm>,
    /// The key id; absent: the file's, else the RFC 7638 thumbprint.
    pub kid: Option<String>,
    /// Signs from this instant, announced or not.
    pub use_from: Option<OffsetDateTime>,
}
