//! Which structures and headers are there?

use serde_json::json;

use super::Case;
use crate::Reason::{
    AlgorithmMissing, AlgorithmNotAllowed, CriticalHeader, HeaderMalformed, KeyMismatch, KeyUnknown, PayloadMalformed,
    SignatureInvalid, TokenEncrypted, TokenMalformed, TypeNotAllowed,
};
use crate::testkit::{CLIENT_SECRET, Mint, TestIssuer, b64};

fn good(issuer: &TestIssuer) -> Mint {
    issuer.logout_token("alice", Some("s1"))
}

/// Header and signature of a good token round another payload.
fn with_payload(issuer: &TestIssuer, payload: &str) -> String {
    let mint = good(issuer);
    let signed = format!("{}.{}", b64(mint.header.to_string()), b64(payload));
    let signature = mint.key.sign("RS256", signed.as_bytes());
    format!("{signed}.{}", b64(signature))
}

fn hmac(issuer: &TestIssuer, secret: &[u8]) -> String {
    good(issuer).header("alg", "HS256").without("kid").sign_with_secret(secret)
}

fn alg(issuer: &TestIssuer, name: &str) -> String {
    good(issuer).header("alg", name).sign()
}

fn typ(issuer: &TestIssuer, name: &str) -> String {
    good(issuer).header("typ", name).sign()
}

/// Encrypted in form alone: nobody who cannot decrypt sees a difference.
fn encrypted(header: &serde_json::Value) -> String {
    format!("{}.AAAA.AAAAAAAAAAAAAAAA.{}.AAAAAAAAAAAAAAAAAAAAAA", b64(header.to_string()), b64([7; 400]))
}

/// Signed by a stranger whose key the header offers in every known way.
fn bring_your_own_key(issuer: &TestIssuer, kid: &str) -> String {
    let stranger = issuer.stranger();
    let at = format!("{}/attacker/jwks", issuer.base);
    let mint = good(issuer).header("kid", kid).header("jwk", stranger.jwk(kid)).header("x5c", json!(["AAAA"]));
    mint.header("jku", at.as_str()).header("x5u", at.as_str()).key(&stranger).sign()
}

pub(super) const CASES: &[Case] = &[
    Case::refused("J01", "a word", TokenMalformed, |_| "word".into()),
    Case::refused("J01", "not a JWT", TokenMalformed, |_| "this-is-not-a-jwt".into()),
    Case::refused("J02", "two segments", TokenMalformed, |i| good(i).signed_part()),
    Case::refused("J02", "three garbage segments", TokenMalformed, |_| "a.b.c".into()),
    Case::refused("J02", "three segments that decode to garbage", HeaderMalformed, |_| "AAAA.AAAA.AAAA".into()),
    Case::refused("J02", "four segments", TokenMalformed, |i| good(i).sign() + ".AAAA"),
    Case::refused("J03", "JSON in base64, no dots", TokenMalformed, |i| b64(good(i).claims.to_string())),
    Case::refused("J04", "header with padding", TokenMalformed, |i| {
        let mint = good(i);
        let token = mint.sign();
        let (header, rest) = token.split_once('.').unwrap_or_default();
        format!("{header}==.{rest}")
    }),
    Case::refused("J04", "header in the alphabet of plain base64", TokenMalformed, |i| {
        let token = good(i).sign();
        format!("+/{}", &token[2..])
    }),
    Case::refused("J04", "payload in the alphabet of plain base64", TokenMalformed, |i| {
        let token = good(i).sign();
        let (header, rest) = token.split_once('.').unwrap_or_default();
        format!("{header}.+/{}", &rest[2..])
    }),
    Case::refused("J05", "payload is an array", PayloadMalformed, |i| with_payload(i, "[1]")),
    Case::refused("J05", "payload is a string", PayloadMalformed, |i| with_payload(i, "\"text\"")),
    Case::refused("J07", "alg none, no signature", AlgorithmNotAllowed, |i| good(i).header("alg", "none").unsigned()),
    Case::refused("J08", "alg is missing", AlgorithmMissing, |i| good(i).without("alg").sign()),
    Case::refused("J09", "alg None", AlgorithmNotAllowed, |i| good(i).header("alg", "None").unsigned()),
    Case::refused("J09", "alg nOnE", AlgorithmNotAllowed, |i| good(i).header("alg", "nOnE").unsigned()),
    Case::refused("J09", "alg rs256", AlgorithmNotAllowed, |i| alg(i, "rs256")),
    Case::refused("J10", "signature stripped", SignatureInvalid, |i| good(i).unsigned()),
    Case::accepted("J11", "RS512, for clients that pin another", |i| alg(i, "RS512")),
    Case::refused("J12", "HS256 with the public key in DER", AlgorithmNotAllowed, |i| {
        hmac(i, &good(i).key.public_bytes())
    }),
    Case::refused("J12", "HS256 with the public key in PEM", AlgorithmNotAllowed, |i| {
        let der = b64(good(i).key.public_bytes());
        hmac(i, format!("-----BEGIN RSA PUBLIC KEY-----\n{der}\n-----END RSA PUBLIC KEY-----\n").as_bytes())
    }),
    Case::refused("J13", "HS256 with the client secret", AlgorithmNotAllowed, |i| hmac(i, CLIENT_SECRET)),
    Case::refused("J14", "HS256 with the client secret", AlgorithmNotAllowed, |i| hmac(i, CLIENT_SECRET)),
    Case::refused("J15", "the JWK says ES256", KeyMismatch, |i| good(i).header("kid", "pinned-to-es256").sign()),
    Case::refused("J15", "the JWK is for encryption", KeyMismatch, |i| good(i).header("kid", "for-encryption").sign()),
    Case::refused("J15", "the JWK is of another kind", KeyMismatch, |i| good(i).header("kid", "es256").sign()),
    Case::accepted("J17", "typ is missing", |i| good(i).without("typ").sign()),
    Case::accepted("J18", "typ JWT", |i| typ(i, "JWT")),
    Case::accepted("J19", "typ logout+jwt", |i| typ(i, "logout+jwt")),
    Case::accepted("J19", "typ in capitals", |i| typ(i, "Logout+JWT")),
    Case::accepted("J19", "typ in full", |i| typ(i, "application/logout+jwt")),
    Case::refused("J20", "typ at+jwt", TypeNotAllowed, |i| typ(i, "at+jwt")),
    Case::refused("J20", "typ dpop+jwt", TypeNotAllowed, |i| typ(i, "dpop+jwt")),
    Case::refused("J20", "typ secevent+jwt", TypeNotAllowed, |i| typ(i, "secevent+jwt")),
    Case::accepted("J21", "typ JWT, for clients that are strict", |i| typ(i, "JWT")),
    Case::accepted("J21", "typ is missing, for clients that are strict", |i| good(i).without("typ").sign()),
    Case::accepted("J22", "a claim typ", |i| good(i).claim("typ", "Logout").sign()),
    Case::refused("J23", "crit", CriticalHeader, |i| good(i).header("crit", json!(["exp"])).sign()),
    Case::refused("J25", "brings its own key, under a known kid", SignatureInvalid, |i| {
        bring_your_own_key(i, super::super::FIRST_KID)
    }),
    Case::refused("J25", "brings its own key, under its own kid", KeyUnknown, |i| bring_your_own_key(i, "attacker")),
    Case::refused("J26", "encrypted", TokenEncrypted, |_| {
        encrypted(&json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}))
    }),
    Case::refused("J29", "encrypted, claims inside", TokenEncrypted, |_| {
        encrypted(&json!({"alg": "dir", "enc": "A256GCM"}))
    }),
    Case::refused("J31", "encrypted, cty of its own", TokenEncrypted, |_| {
        encrypted(&json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "claims", "typ": "anything"}))
    }),
    Case::refused("J32", "encrypted and compressed", TokenEncrypted, |_| {
        encrypted(&json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "zip": "DEF"}))
    }),
];
