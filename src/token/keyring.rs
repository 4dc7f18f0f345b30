//! Which key signs now, and which are published? One issuer's keys through their lives; pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Settings, SigningKey};
use crate::model::IssuerKey;

/// Every issuer's keys, replaced as a whole.
pub type SharedKeyrings = Arc<ArcSwap<Keyrings>>;

/// Every issuer's keys at one moment.
#[derive(Debug, Clone, Default)]
pub struct Keyrings {
    rings: HashMap<IssuerKey, Keyring>,
}

/// One issuer's keys, those in use and those lately removed.
#[derive(Debug, Clone)]
pub struct Keyring {
    entries: Vec<Entry>,
    announce_for: Duration,
    retire_for: Duration,
}

/// One key and the instants that rule its life.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Arc<SigningKey>,
    /// When any replica first saw it.
    pub first_seen: OffsetDateTime,
    /// When it was taken out of the configuration.
    pub removed_at: Option<OffsetDateTime>,
}

impl Keyrings {
    /// These rings.
    pub fn new(rings: impl IntoIterator<Item = (IssuerKey, Keyring)>) -> Self {
        Self { rings: rings.into_iter().collect() }
    }

    /// The keys of this issuer.
    #[must_use]
    pub fn get(&self, issuer: IssuerKey) -> Option<&Keyring> {
        self.rings.get(&issuer)
    }

    /// Every issuer's keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (IssuerKey, &Keyring)> {
        self.rings.iter().map(|(issuer, ring)| (*issuer, ring))
    }
}

impl Keyring {
    /// A ring of keys with the instants they were first seen, in the order of the configuration.
    pub fn new(keys: impl IntoIterator<Item = (Arc<SigningKey>, OffsetDateTime)>, settings: &Settings) -> Self {
        let entries = keys.into_iter().map(|(key, first_seen)| Entry { key, first_seen, removed_at: None });
        Self { entries: entries.collect(), announce_for: settings.announce_for, retire_for: settings.retire_for }
    }

    /// The ring that follows this one: what `next` no longer has retires from `now` on.
    #[must_use]
    pub fn replaced_by(&self, next: Self, now: OffsetDateTime) -> Self {
        let gone = self.entries.iter().filter(|old| next.find(old.key.kid()).is_none());
        let retired = gone.map(|old| Entry { removed_at: old.removed_at.or(Some(now)), ..old.clone() });
        let retired: Vec<_> = retired.filter(|old| self.published(old, now)).collect();
        Self { entries: next.entries.into_iter().chain(retired).collect(), ..next }
    }

    /// The key that signs with `alg` at `now`: the newest of those announced long enough. Where
    /// none is, the one announced longest: a key that is alone need not wait.
    #[must_use]
    pub fn signer(&self, alg: Algorithm, now: OffsetDateTime) -> Option<&SigningKey> {
        let candidates = || self.live().filter(|entry| entry.key.fits(alg));
        let eligible = candidates().filter(|entry| self.signs_from(entry) <= now);
        let newest = eligible.max_by_key(|entry| self.signs_from(entry));
        let early = || candidates().filter(|entry| entry.key.use_from().is_none()).min_by_key(|entry| entry.first_seen);
        newest.or_else(early).map(|entry| &*entry.key)
    }

    /// The JWKS at `now`: keys to come, keys in use, keys lately removed.
    #[must_use]
    pub fn jwks(&self, now: OffsetDateTime) -> Value {
        let keys = self.entries.iter().filter(|entry| self.published(entry, now));
        json!({ "keys": keys.map(|entry| entry.key.public_jwk()).collect::<Vec<_>>() })
    }

    /// Keys that are in the configuration, and since when they are known.
    pub fn live(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.removed_at.is_none())
    }

    /// The entry of this name, removed or not.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.kid() == kid)
    }

    fn signs_from(&self, entry: &Entry) -> OffsetDateTime {
        entry.key.use_from().unwrap_or(entry.first_seen + self.announce_for)
    }

    fn published(&self, entry: &Entry, now: OffsetDateTime) -> bool {
        entry.removed_at.is_none_or(|removed| now < removed + self.retire_for)
    }
}
