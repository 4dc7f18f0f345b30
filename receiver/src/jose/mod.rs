//! What does the compact form hold? Everything that can be judged without a key.

mod algorithm;
mod header;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{Curve, Scheme};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use header::Header;
pub use header::TypPolicy;
use serde_json::{Map, Value};

use crate::Reason;

/// What the JOSE layer insists on.
#[derive(Debug, Clone)]
pub(crate) struct JosePolicy {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) typ: TypPolicy,
}

/// A token whose form is right and whose signature nobody has looked at.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) payload: Map<String, Value>,
    /// What was signed: header and payload as they came.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str, policy: &JosePolicy) -> Result<Self, Reason> {
        let (signed, [header, payload, signature]) = split(token)?;
        let header = Header::parse(&decode(header).ok_or(Reason::TokenMalformed)?)?;
        let algorithm = header.algorithm(policy)?; // 23 alg
        header.check(policy)?; // 23 crit, typ
        let payload = decode(payload).ok_or(Reason::TokenMalformed)?;
        let payload = serde_json::from_slice(&payload).map_err(|_| Reason::PayloadMalformed)?;
        let signature = decode(signature).ok_or(Reason::TokenMalformed)?;
        // A signature of the wrong size needs no key to be refused, and so causes no fetch of keys.
        if !algorithm.can_have_signature_of(signature.len()) {
            return Err(Reason::SignatureInvalid);
        }
        Ok(Self { algorithm, kid: header.kid, typ: header.typ, payload, signed: signed.as_bytes(), signature })
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
