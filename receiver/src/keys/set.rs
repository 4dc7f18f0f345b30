//! Does any key of the set verify this token? Pure, given the keys.

use serde::Deserialize;
use serde_json::Value;

use super::jwk::{Jwk, Key};
use crate::Reason;
use crate::jose::{Algorithm, Unverified};

/// No issuer has more keys, and a token without `kid` is tried with all of them.
const MAX_KEYS: usize = 64;

/// The issuer's keys, parsed.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

/// What a set of keys says about a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    /// No newer set will change it.
    Refused(Reason),
    /// These keys do not verify it; the issuer may have newer ones.
    NotByThese(Reason),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWKS. Keys of unknown kinds are skipped, as RFC 7517 says; `None` if no key is left.
    pub(crate) fn parse(json: &[u8], allowed: &[Algorithm]) -> Result<Option<Self>, serde_json::Error> {
        let document: Document = serde_json::from_slice(json)?;
        let jwks = document.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<Key> = jwks.take(MAX_KEYS).map(|jwk| Key::new(jwk, allowed)).collect();
        Ok((!keys.is_empty()).then_some(Self { keys }))
    }

    /// 23: the signature, by the key the token names, or by any of its kind where it names none.
    pub(crate) fn verify(&self, token: &Unverified<'_>, algorithm: Algorithm) -> Verdict {
        match token.kid() {
            Some(kid) => self.verify_by_name(kid, token, algorithm),
            None => self.verify_by_any(token, algorithm),
        }
    }

    fn verify_by_name(&self, kid: &str, token: &Unverified<'_>, algorithm: Algorithm) -> Verdict {
        let mut named = self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).peekable();
        let Some(first) = named.peek() else { return Verdict::NotByThese(Reason::KeyUnknown) };
        let refusal = first.refusal();
        match any_verifies(named, token, algorithm) {
            None => Verdict::Refused(refusal),
            Some(true) => Verdict::Valid,
            Some(false) => Verdict::Refused(Reason::SignatureInvalid),
        }
    }

    fn verify_by_any(&self, token: &Unverified<'_>, algorithm: Algorithm) -> Verdict {
        match any_verifies(self.keys.iter(), token, algorithm) {
            None if self.keys.iter().all(|key| key.too_weak) => Verdict::NotByThese(Reason::KeyTooWeak),
            None => Verdict::NotByThese(Reason::KeyUnknown),
            Some(true) => Verdict::Valid,
            Some(false) => Verdict::NotByThese(Reason::SignatureInvalid),
        }
    }
}

/// `None`: none of the keys is for the token's algorithm.
fn any_verifies<'k>(keys: impl Iterator<Item = &'k Key>, token: &Unverified<'_>, algorithm: Algorithm) -> Option<bool> {
    let mut fitting = keys.filter_map(|key| key.for_algorithm(algorithm)).peekable();
    fitting.peek()?;
    Some(fitting.any(|key| key.verify_sig(token.signed, &token.signature).is_ok()))
}
