//! What can this key do? One private key, parsed once and kept, and its public half.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::model::client::alg_name;

/// A private key ready to sign, with the name it is published under.
pub struct SigningKey {
    pub(super) kid: String,
    /// `None`: every algorithm the key fits.
    pub(super) alg: Option<Algorithm>,
    pub(super) use_from: Option<OffsetDateTime>,
    pub(super) pair: Pair,
}

/// The kept key pairs. `jsonwebtoken` would parse the key again at every signature.
pub(super) enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// The name in token headers and in the JWKS.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs from this instant, announced or not.
    #[must_use]
    pub const fn use_from(&self) -> Option<OffsetDateTime> {
        self.use_from
    }

    /// The algorithms it signs with.
    pub fn algs(&self) -> impl Iterator<Item = Algorithm> {
        self.pair.algs().iter().copied().filter(|alg| self.alg.is_none_or(|only| only == *alg))
    }

    /// Whether it signs with this algorithm.
    #[must_use]
    pub fn fits(&self, alg: Algorithm) -> bool {
        self.algs().any(|known| known == alg)
    }

    /// What sort of key it is, in words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.pair.kind()
    }

    /// Its public half as it stands in the JWKS.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let mut jwk = json!(self.pair.public());
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        let mut algs = self.algs();
        if let (Some(alg), None) = (algs.next(), algs.next()) {
            jwk["alg"] = json!(alg_name(alg));
        }
        jwk
    }

    /// Whether both are the same key, whatever they are called.
    #[must_use]
    pub fn same_material(&self, other: &Self) -> bool {
        self.pair.public() == other.pair.public()
    }

    /// The raw signature of `message`, as JWS wants it. `alg` must fit.
    pub(super) fn signature(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let rng = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(alg).ok_or(Unspecified)?, &rng, message, &mut signature)?;
                Ok(signature)
            }
            Pair::P256(pair) | Pair::P384(pair) => Ok(pair.sign(&rng, message)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }
}

/// Names the key and nothing else.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Pair {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "an RSA key",
            Self::P256(_) => "a P-256 key",
            Self::P384(_) => "a P-384 key",
            Self::Ed25519(_) => "an Ed25519 key",
        }
    }

    pub(super) const fn algs(&self) -> &'static [Algorithm] {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
            Self::P256(_) => &[ES256],
            Self::P384(_) => &[ES384],
            Self::Ed25519(_) => &[EdDSA],
        }
    }

    /// The members RFC 7638 hashes: the public key and no more, sorted.
    fn public(&self) -> BTreeMap<&'static str, String> {
        match self {
            Self::Rsa(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                BTreeMap::from([("kty", "RSA".into()), ("n", b64(&parts.n)), ("e", b64(&parts.e))])
            }
            Self::P256(pair) => ec_public("P-256", pair),
            Self::P384(pair) => ec_public("P-384", pair),
            Self::Ed25519(pair) => BTreeMap::from([
                ("kty", "OKP".into()),
                ("crv", "Ed25519".into()),
                ("x", b64(pair.public_key().as_ref())),
            ]),
        }
    }

    /// RFC 7638, SHA-256.
    pub(super) fn thumbprint(&self) -> String {
        let members = json!(self.public()).to_string();
        b64(digest::digest(&digest::SHA256, members.as_bytes()).as_ref())
    }
}

fn ec_public(curve: &str, pair: &EcdsaKeyPair) -> BTreeMap<&'static str, String> {
    // An uncompressed point: one byte 0x04, then x and y of equal length.
    let coordinates = pair.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    BTreeMap::from([("kty", "EC".into()), ("crv", curve.into()), ("x", b64(x)), ("y", b64(y))])
}

fn rsa_encoding(alg: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match alg {
        Algorithm::RS256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
