//! By what are sessions found, and what stays behind when they end? Names and tombstones.

use std::fmt;

use serde_json::json;

/// Something that sessions are found by and tombstones stand for: a provider session, a user, or a
/// local session. As text it is a key for any store; two names never share a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// A provider session of this client.
    #[must_use]
    pub fn sid(issuer: &str, client_id: &str, sid: &str) -> Self {
        Self(json!(["sid", issuer, client_id, sid]).to_string())
    }

    /// A user of this client.
    #[must_use]
    pub fn sub(issuer: &str, client_id: &str, sub: &str) -> Self {
        Self(json!(["sub", issuer, client_id, sub]).to_string())
    }

    /// A user of this client, as far as sessions are concerned whose ID token had no `sid`.
    #[must_use]
    pub fn sub_without_sid(issuer: &str, client_id: &str, sub: &str) -> Self {
        Self(json!(["sub-without-sid", issuer, client_id, sub]).to_string())
    }

    /// A local session.
    #[must_use]
    pub fn local(local_id: &str) -> Self {
        Self(json!(["local", local_id]).to_string())
    }

    /// The key for a store: compact JSON, stable across versions.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stays behind when sessions end, so that none of them comes alive again.
///
/// A store keeps one per name, with the latest `at` it was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tombstone {
    /// Who ended.
    pub name: Name,
    /// Up to which login, in seconds since the Unix epoch by the provider's clock.
    pub at: i64,
}

impl Tombstone {
    /// For a local session: stands until something else logs in under this id.
    #[must_use]
    pub fn local(local_id: &str) -> Self {
        Self { name: Name::local(local_id), at: i64::MAX }
    }
}

/// A question to the tombstones: is there one of this name, with `at` not before `since`?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// The name to look for.
    pub name: Name,
    /// The earliest `at` that counts, in seconds since the Unix epoch; `i64::MIN` if any does.
    pub since: i64,
}

impl Check {
    /// For a local session: any tombstone counts.
    #[must_use]
    pub fn local(local_id: &str) -> Self {
        Self { name: Name::local(local_id), since: i64::MIN }
    }
}
