//! How does a token get its signature? The compact form of RFC 7515.

use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Serialize;

use super::SigningKey;
use crate::model::client::alg_name;

/// Why a token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key does not serve this algorithm.
    #[error("the key \"{kid}\" does not sign with {}", alg_name(*alg))]
    DoesNotFit {
        /// The key.
        kid: String,
        /// The algorithm.
        alg: Algorithm,
    },
    /// The claims are not JSON.
    #[error("the claims cannot be written as JSON")]
    Claims(#[source] serde_json::Error),
    /// The library failed.
    #[error("signing failed")]
    Failed(#[source] Unspecified),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

/// A logout token: `claims`, signed by `key` with `alg`.
pub fn sign(key: &SigningKey, alg: Algorithm, claims: &impl Serialize) -> Result<String, SignError> {
    if !key.fits(alg) {
        return Err(SignError::DoesNotFit { kid: key.kid().to_owned(), alg });
    }
    let header = Header { alg: alg_name(alg), kid: key.kid(), typ: "logout+jwt" };
    let mut token = part(&header)?;
    token.push('.');
    token.push_str(&part(claims)?);
    let signature = key.signature(alg, token.as_bytes()).map_err(SignError::Failed)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

fn part(value: &impl Serialize) -> Result<String, SignError> {
    serde_json::to_vec(value).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(SignError::Claims)
}
