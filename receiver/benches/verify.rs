//! What does it cost to verify a logout token, and how much of it is not the bare signature check?
//!
//! `cargo bench -p signoff-receiver --bench verify`
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench tells, and ends where it cannot go on")]

use std::hint::black_box;
use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signoff_receiver::claims::LOGOUT_EVENT;
use signoff_receiver::{Clock as _, LogoutTokenVerifier, SystemClock};
use tokio::runtime::{Builder, Runtime};

const ISSUER: &str = "https://idp.example.com";
const ROUNDS: usize = 200;
const CALLS: usize = 100;

/// One token, and the key that its bare signature is checked with.
struct Case {
    alg: &'static str,
    jwk: Value,
    key: ParsedPublicKey,
    signed: String,
    signature: Vec<u8>,
}

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    println!("{:6} {:>12} {:>16} {:>10}", "alg", "whole", "bare signature", "the rest");
    for case in [es256(), rs256()] {
        let (whole, bare) = measure(&runtime, &case);
        let rest = (whole - bare) / whole * 100.0;
        println!("{:6} {whole:>9.1} µs {bare:>13.1} µs {rest:>8.1} %", case.alg);
    }
}

/// The best round of both, in microseconds per call: what disturbs a round only makes it longer. They take
/// turns, so that both see the same machine.
fn measure(runtime: &Runtime, case: &Case) -> (f64, f64) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-jwks.json");
    std::fs::write(&path, json!({"keys": [case.jwk]}).to_string()).unwrap();
    let verifier = LogoutTokenVerifier::builder().issuer(ISSUER).client_id("shop").jwks_file(path).build().unwrap();
    let token = format!("{}.{}", case.signed, b64(&case.signature));
    runtime.block_on(verifier.verify(&token)).unwrap();
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        whole.push(micros(|| {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    black_box(verifier.verify(black_box(&token)).await.unwrap());
                }
            });
        }));
        bare.push(micros(|| {
            for _ in 0..CALLS {
                case.key.verify_sig(black_box(case.signed.as_bytes()), black_box(&case.signature)).unwrap();
            }
        }));
    }
    (best(&whole), best(&bare))
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn micros(run: impl FnOnce()) -> f64 {
    let start = SystemClock.instant();
    run();
    (SystemClock.instant() - start).as_secs_f64() * 1e6 / CALLS as f64
}

fn best(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(f64::INFINITY, f64::min)
}

fn es256() -> Case {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let public = pair.public_key().as_ref();
    let (x, y) = public[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "x": b64(x), "y": b64(y)});
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).unwrap();
    let signed = signed("ES256");
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec();
    Case { alg: "ES256", jwk, key, signed, signature }
}

fn rs256() -> Case {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let jwk = json!({"kty": "RSA", "kid": "k1", "n": b64(&public.n), "e": b64(&public.e)});
    let key = public.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).unwrap();
    let signed = signed("RS256");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    Case { alg: "RS256", jwk, key, signed, signature }
}

/// As a provider sends it.
fn signed(alg: &str) -> String {
    let iat = SystemClock.unix_seconds();
    let header = json!({"alg": alg, "kid": "k1", "typ": "logout+jwt"});
    let claims = json!({
        "iss": ISSUER, "aud": "shop", "iat": iat, "exp": iat + 600, "jti": "bWJq09hgJ8tPIMb0zC1vXQ",
        "sub": "248289761001", "sid": "08a5019c-17e1-4977-8f42-65a12843ea02", "events": {LOGOUT_EVENT: {}},
    });
    format!("{}.{}", b64(header.to_string()), b64(claims.to_string()))
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
