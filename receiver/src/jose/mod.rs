//! What does the compact form hold? Everything that can be judged without a key.

mod algorithm;
mod header;
mod hmac;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{Curve, Scheme};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use header::Header;
pub use header::TypPolicy;
pub use hmac::HmacAlgorithm;
pub(crate) use hmac::Secret;
use serde_json::{Map, Value};

use crate::Reason;

/// What the JOSE layer insists on.
#[derive(Debug, Clone)]
pub(crate) struct JosePolicy {
    pub(crate) signature: SignaturePolicy,
    pub(crate) typ: TypPolicy,
}

/// Either keys that the issuer publishes or a shared secret: never both, so that no public key can be
/// taken for a secret.
#[derive(Debug, Clone)]
pub(crate) enum SignaturePolicy {
    Published(Vec<Algorithm>),
    Shared(HmacAlgorithm),
}

/// A token that has come apart. Nobody has looked at its signature.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    header: Header,
    pub(crate) payload: Map<String, Value>,
    /// What was signed: header and payload as they came.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Reason> {
        let (signed, [header, payload, signature]) = split(token)?;
        let header = Header::parse(&decode(header).ok_or(Reason::TokenMalformed)?)?;
        let payload = decode(payload).ok_or(Reason::TokenMalformed)?;
        let payload = serde_json::from_slice(&payload).map_err(|_| Reason::PayloadMalformed)?;
        let signature = decode(signature).ok_or(Reason::TokenMalformed)?;
        Ok(Self { header, payload, signed: signed.as_bytes(), signature })
    }

    /// 23: algorithm, `crit` and `typ`. A signature of the wrong size needs no key to be refused, and so
    /// causes no fetch of keys.
    pub(crate) fn judge(&self, policy: &JosePolicy) -> Result<(), Reason> {
        let possible = match &policy.signature {
            SignaturePolicy::Published(allowed) => self.algorithm(allowed)?.can_have_signature_of(self.signature.len()),
            SignaturePolicy::Shared(algorithm) => {
                self.header.names(algorithm.name())?;
                self.signature.len() == algorithm.size()
            }
        };
        self.header.check(policy.typ)?;
        possible.then_some(()).ok_or(Reason::SignatureInvalid)
    }

    /// The algorithm, if it is one of these.
    pub(crate) fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Reason> {
        self.header.algorithm(allowed)
    }

    /// What the token says it is.
    pub(crate) fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The key that the token names.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }
}

fn split(token: &str) -> Result<(&str, [&str; 3]), Reason> {
    let parts: Vec<&str> = token.splitn(6, '.').collect();
    match parts[..] {
        [header, payload, signature] => Ok((&token[..header.len() + 1 + payload.len()], [header, payload, signature])),
        // Five parts are a JWE: 22, encrypted.
        [_, _, _, _, _] => Err(Reason::TokenEncrypted),
        _ => Err(Reason::TokenMalformed),
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
