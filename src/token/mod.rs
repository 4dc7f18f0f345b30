//! What does a client get? Logout tokens, and the keys that sign them.

pub mod claims;
pub mod generate;
mod jwk;
pub mod key;
pub mod keyring;
mod parse;
pub mod reload;
pub mod settings;
pub mod sign;

use std::path::PathBuf;

use jsonwebtoken::Algorithm;

pub use claims::{Claims, NoSubject};
pub use key::SigningKey;
pub use keyring::{Keyring, Keyrings, SharedKeyrings};
pub use parse::{load, parse_pem};
pub use reload::{FirstSeen, IssuerKeys, Reloader};
pub use settings::{KeySource, Settings};
pub use sign::{SignError, sign};

use crate::model::client::alg_name;

/// Why keys cannot be used. Never carries key material.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}); mount the key there or correct `file`", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was read and holds no key that can be used.
    #[error("{}: {problem}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written ({source})", file.display())]
    Unwritable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Two keys of one issuer would be published under one name.
    #[error(
        "issuer {issuer}: two keys have the kid \"{kid}\"; give each its own `kid`, or leave `alg` out where one \
         RSA key serves several algorithms"
    )]
    DuplicateKid {
        /// The issuer's short name.
        issuer: String,
        /// The name both have.
        kid: String,
    },
    /// Receivers that cached the old key would refuse every token of the new one.
    #[error(
        "issuer {issuer}: the kid \"{kid}\" now names another key, and clients have cached the old one; give the \
         new key a new `kid` (or none: its thumbprint is used)"
    )]
    KidReused {
        /// The issuer's short name.
        issuer: String,
        /// The name.
        kid: String,
    },
    /// The new set cannot sign what the old one could.
    #[error("issuer {issuer}: nothing would sign {} any more, and it is in use", alg_name(*alg))]
    WouldLose {
        /// The issuer's short name.
        issuer: String,
        /// The algorithm.
        alg: Algorithm,
    },
    /// It is not known since when the key is announced.
    #[error("issuer {issuer}: cannot look up since when its keys are announced")]
    FirstSeen {
        /// The issuer's short name.
        issuer: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// The service is shutting down, or reading panicked.
    #[error("issuer {issuer}: reading its key files was interrupted")]
    Interrupted {
        /// The issuer's short name.
        issuer: String,
    },
    /// The random number generator or the key generator failed.
    #[error("a key for {} cannot be generated; RSA keys have 2048, 3072, 4096 or 8192 bits", alg_name(*alg))]
    NotGenerated {
        /// The algorithm.
        alg: Algorithm,
    },
}

/// What is wrong with the contents of a key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Nothing in it is a private key.
    #[error("holds no private key; expected PEM (PKCS#8, PKCS#1 or SEC1), a private JWK or a JWKS of them")]
    NoPrivateKey,
    /// The PEM armour is broken.
    #[error("is not readable as PEM; check that the file is complete")]
    BadPem,
    /// A passphrase protects it.
    #[error("holds an encrypted key; decrypt it first: openssl pkcs8 -in ENCRYPTED -out PLAIN")]
    Encrypted,
    /// Not JSON, or not the JSON of a JWK.
    #[error("is not a JWK or JWKS: mistake at line {line}, column {column}")]
    BadJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A member of a JWK is missing or is not base64url.
    #[error("key {number}: member \"{member}\" is missing or is not base64url")]
    BadMember {
        /// Which key of the file, from 1.
        number: usize,
        /// Which member.
        member: &'static str,
    },
    /// A kind of key that cannot sign logout tokens.
    #[error("key {number}: {what} cannot sign logout tokens; use RSA, P-256, P-384 or Ed25519")]
    Unsupported {
        /// Which key of the file, from 1.
        number: usize,
        /// Its kind as the file names it.
        what: String,
    },
    /// The library refuses the key.
    #[error(
        "key {number}: refused ({reason}); RSA keys have 2048 to 8192 bits, curves are P-256, P-384 and Ed25519, and \
         all parts belong to one key"
    )]
    Refused {
        /// Which key of the file, from 1.
        number: usize,
        /// The library's word for it.
        reason: String,
    },
    /// The key cannot sign with the algorithm named.
    #[error("key {number}: {} does not fit {kind}; it serves {}", alg_name(*alg), names(fits))]
    DoesNotFit {
        /// Which key of the file, from 1.
        number: usize,
        /// The algorithm in the configuration or the file.
        alg: Algorithm,
        /// What the key is.
        kind: &'static str,
        /// What it serves.
        fits: &'static [Algorithm],
    },
    /// The file names an algorithm that is never allowed, or another one than the configuration.
    #[error("key {number}: the file says alg \"{alg}\", which is not allowed here; correct it or the configuration")]
    WrongAlg {
        /// Which key of the file, from 1.
        number: usize,
        /// What the file says.
        alg: String,
    },
    /// One `kid` cannot name several keys.
    #[error("holds {count} keys, and `kid` names one; leave `kid` out")]
    OneKidForSeveral {
        /// How many.
        count: usize,
    },
    /// The key id is empty, too long or unprintable.
    #[error("key {number}: its kid is empty, longer than 255 bytes or has control characters")]
    BadKid {
        /// Which key of the file, from 1.
        number: usize,
    },
}

fn names(algs: &[Algorithm]) -> String {
    algs.iter().map(|alg| alg_name(*alg)).collect::<Vec<_>>().join(", ")
}
