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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use time::Duration;

    use super::*;
    use crate::token::{generate, parse_pem};

    const T0: OffsetDateTime = time::macros::datetime!(2026-11-22 10:00 UTC);
    const MINUTE: Duration = Duration::MINUTE;

    fn key(alg: Algorithm, kid: &str, use_from: Option<OffsetDateTime>) -> SigningKey {
        let pem = generate::generate(alg, 2048).unwrap();
        let parsed = parse_pem(&pem, Path::new("k.pem")).unwrap();
        SigningKey { kid: kid.into(), use_from, ..parsed }
    }

    /// Keys of ES256: name, minute it was first seen, minute it signs from.
    fn ring(keys: &[(&str, i32, Option<i32>)]) -> Keyring {
        let keys = keys.iter().map(|(kid, seen, from)| {
            let from = from.map(|minute| T0 + MINUTE * minute);
            (Arc::new(key(Algorithm::ES256, kid, from)), T0 + MINUTE * *seen)
        });
        Keyring::new(keys, &Settings::default())
    }

    fn signer(ring: &Keyring, at: OffsetDateTime) -> Option<&str> {
        ring.signer(Algorithm::ES256, at).map(SigningKey::kid)
    }

    fn published(ring: &Keyring, at: OffsetDateTime) -> Vec<String> {
        let jwks = ring.jwks(at);
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_newest_key_signs_once_it_was_announced() {
        const NANO: Duration = Duration::NANOSECOND;
        let alone = ring(&[("a", 0, None)]);
        let two = ring(&[("a", 0, None), ("b", 60, None)]);
        let reversed = ring(&[("b", 60, None), ("a", 0, None)]);
        let both_new = ring(&[("b", 2, None), ("a", 1, None)]);
        let exact = ring(&[("a", 0, None), ("b", 0, Some(90))]);
        let at_once = ring(&[("a", 0, None), ("b", 60, Some(0))]);
        let later = ring(&[("a", 0, Some(90))]);
        let table = [
            (&alone, T0, Some("a")),
            (&alone, T0 + MINUTE * 60, Some("a")),
            (&two, T0 + MINUTE * 60, Some("a")),
            (&two, T0 + MINUTE * 65 - NANO, Some("a")),
            (&two, T0 + MINUTE * 65, Some("b")),
            (&reversed, T0 + MINUTE * 65 - NANO, Some("a")),
            (&reversed, T0 + MINUTE * 65, Some("b")),
            // Neither is announced yet and somebody must sign: the one announced longest.
            (&both_new, T0 + MINUTE * 3, Some("a")),
            (&both_new, T0 + MINUTE * 6, Some("a")),
            (&both_new, T0 + MINUTE * 7, Some("b")),
            (&exact, T0 + MINUTE * 90 - NANO, Some("a")),
            (&exact, T0 + MINUTE * 90, Some("b")),
            // Its instant has passed when it is first seen, before the other was announced.
            (&at_once, T0 + MINUTE, Some("b")),
            (&later, T0 + MINUTE * 90 - NANO, None),
            (&later, T0 + MINUTE * 90, Some("a")),
        ];
        for (row, (ring, at, expected)) in table.into_iter().enumerate() {
            assert_eq!(signer(ring, at), expected, "row {row}");
        }
    }

    #[test]
    fn every_key_is_published_before_it_signs() {
        assert_eq!(published(&ring(&[("a", 0, None), ("b", 60, Some(90))]), T0), ["a", "b"]);
    }

    #[test]
    fn a_removed_key_stops_signing_at_once_and_stays_published_for_a_while() {
        let old = ring(&[("a", 0, None), ("b", 0, Some(0))]);
        let kept = old.find("a").unwrap().clone();
        let gone_at = T0 + MINUTE * 60;
        let next = old.replaced_by(Keyring::new([(kept.key, kept.first_seen)], &Settings::default()), gone_at);
        assert_eq!(signer(&next, gone_at), Some("a"));
        assert_eq!(published(&next, gone_at + MINUTE * 10 - Duration::NANOSECOND), ["a", "b"]);
        assert_eq!(published(&next, gone_at + MINUTE * 10), ["a"]);

        let again = next.replaced_by(next.clone(), gone_at + MINUTE);
        assert_eq!(published(&again, gone_at + MINUTE * 10), ["a"], "a second reload does not start the clock anew");
    }

    #[test]
    fn a_key_that_comes_back_signs_again() {
        let both = ring(&[("a", 0, None), ("b", 1, None)]);
        let a = both.find("a").unwrap().clone();
        let alone = both.replaced_by(Keyring::new([(a.key, a.first_seen)], &Settings::default()), T0 + MINUTE * 60);
        assert_eq!(signer(&alone, T0 + MINUTE * 60), Some("a"));
        let back = alone.replaced_by(both, T0 + MINUTE * 61);
        assert_eq!(signer(&back, T0 + MINUTE * 61), Some("b"));
        assert_eq!(published(&back, T0 + MINUTE * 61), ["a", "b"]);
    }

    #[test]
    fn one_rsa_key_serves_every_rsa_algorithm_unless_it_names_one() {
        use Algorithm::{ES256, PS256, PS384, PS512, RS256, RS384, RS512};
        let all = key(RS256, "all", None);
        assert!(all.public_jwk().get("alg").is_none());
        let one = SigningKey { alg: Some(PS256), ..key(RS256, "one", None) };
        assert_eq!(one.public_jwk()["alg"], "PS256");
        let rings = [all, one].map(|key| Keyring::new([(Arc::new(key), T0)], &Settings::default()));
        for alg in [RS256, RS384, RS512, PS256, PS384, PS512, ES256] {
            assert_eq!(rings[0].signer(alg, T0).is_some(), alg != ES256, "{alg:?}");
            assert_eq!(rings[1].signer(alg, T0).is_some(), alg == PS256, "{alg:?}");
        }
    }
}
