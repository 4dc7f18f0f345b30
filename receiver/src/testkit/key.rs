//! What does a test issuer sign with? Real keys, made on the spot.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::b64;
use crate::Algorithm;

/// A private key. `Debug` does not show it.
pub struct SigningKey(Pair);

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str, usize),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// A new key for this algorithm; RSA keys have 2048 bits, and serve all the RSA algorithms.
    ///
    /// # Panics
    /// If the machine has no randomness.
    #[must_use]
    pub fn generate(algorithm: Algorithm) -> Self {
        let ec = |algorithm: &'static EcdsaSigningAlgorithm, curve, size| {
            Pair::Ec(EcdsaKeyPair::generate(algorithm).expect("a key"), curve, size)
        };
        Self(match algorithm {
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32),
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48),
            Algorithm::ES512 => ec(&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", 66),
            Algorithm::EdDSA => Pair::Ed(Ed25519KeyPair::generate().expect("a key")),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        })
    }

    /// The public half as a JWK (RFC 7517) under this `kid`, without `alg` and `use`.
    #[must_use]
    pub fn jwk(&self, kid: &str) -> Value {
        let mut jwk = match &self.0 {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": b64(public.n), "e": b64(public.e)})
            }
            Pair::Ec(pair, curve, size) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(*size);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key())}),
        };
        jwk["kid"] = json!(kid);
        jwk
    }

    /// The public half as bytes, in DER for RSA: what a forger would take for the secret of an HMAC.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair, ..) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The signature of these bytes; an RSA key signs by the scheme `alg` names, RS256 if it names none.
    ///
    /// # Panics
    /// If the machine has no randomness.
    #[must_use]
    pub fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding(alg), &SystemRandom::new(), message, &mut out).expect("a signature");
                out
            }
            Pair::Ec(pair, ..) => pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn encoding(alg: &str) -> &'static dyn RsaEncoding {
    match alg {
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}
