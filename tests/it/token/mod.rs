//! Keys from files of every kind, and tokens that an independent library accepts.
mod cli;
pub(crate) mod files;
mod reload;

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use signoff::model::client::{SIGNING_ALGS, alg_name};
use signoff::token::{self, SignError, SigningKey, generate};

/// A new key that fits `alg`, as PEM.
pub(crate) fn pem(alg: Algorithm) -> String {
    generate::generate(alg, 2048).unwrap().to_string()
}

/// A new key that fits `alg`.
pub(crate) fn key(alg: Algorithm) -> SigningKey {
    token::parse_pem(&pem(alg), Path::new("test.pem")).unwrap()
}

/// The claims of a token, checked against this key of a JWKS.
pub(crate) fn verify(token: &str, jwk: &Value, alg: Algorithm) -> jsonwebtoken::errors::Result<Value> {
    let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let mut rules = Validation::new(alg);
    rules.validate_aud = false;
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    Ok(jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(&jwk)?, &rules)?.claims)
}

#[test]
fn an_independent_library_accepts_the_tokens_of_every_algorithm() {
    let [rsa, p256, p384, ed] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA].map(key);
    for alg in SIGNING_ALGS {
        let key = [&rsa, &p256, &p384, &ed].into_iter().find(|key| key.fits(alg)).unwrap();
        let claims = json!({ "iss": "https://idp", "n": 1 });
        let token = token::sign(key, alg, &claims).unwrap();
        assert_eq!(verify(&token, &key.public_jwk(), alg).unwrap(), claims, "{alg:?}");

        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(
            (header.alg, header.typ.as_deref(), header.kid.as_deref()),
            (alg, Some("logout+jwt"), Some(key.kid()))
        );

        let mut forged = token.clone().into_bytes();
        let middle = token.find('.').unwrap() + 5;
        forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
        assert!(verify(std::str::from_utf8(&forged).unwrap(), &key.public_jwk(), alg).is_err(), "{alg:?} forged");
    }
}

#[test]
fn a_key_signs_nothing_but_its_algorithms() {
    let key = key(Algorithm::ES256);
    for alg in SIGNING_ALGS.into_iter().filter(|alg| *alg != Algorithm::ES256) {
        let refused = token::sign(&key, alg, &json!({}));
        assert!(matches!(refused, Err(SignError::DoesNotFit { .. })), "{}", alg_name(alg));
    }
}

#[test]
fn the_times_are_those_of_the_design() {
    let settings = token::Settings::default();
    assert_eq!(
        [settings.iat_backdate, settings.lifetime, settings.announce_for, settings.retire_for, settings.poll],
        [2, 120, 300, 600, 10].map(Duration::from_secs)
    );
}
