//! How are tokens made, good and bad? Real keys, made once per run.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signoff_receiver::claims::LOGOUT_EVENT;

pub(crate) const ISS: &str = "https://idp.example.com";
pub(crate) const CLIENT: &str = "shop";

/// A private key.
pub(crate) enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str, usize),
    Ed(Ed25519KeyPair),
}

macro_rules! keys {
    ($($name:ident: $make:expr;)*) => {
        $(pub(crate) fn $name() -> &'static Key {
            static KEY: OnceLock<Key> = OnceLock::new();
            KEY.get_or_init(|| $make)
        })*
    };
}

keys! {
    rsa: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
    other_rsa: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
    p256: Key::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), "P-256", 32);
    other_p256: Key::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), "P-256", 32);
    p384: Key::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(), "P-384", 48);
    p521: Key::Ec(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(), "P-521", 66);
    ed: Key::Ed(Ed25519KeyPair::generate().unwrap());
}

impl Key {
    /// The public half, under this `kid`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = match self {
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": b64(public.n), "e": b64(public.e)})
            }
            Self::Ec(pair, curve, size) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(*size);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Self::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key())}),
        };
        jwk["kid"] = json!(kid);
        jwk
    }

    /// The public half in DER: what an HMAC forger would take for the secret.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let Self::Rsa(pair) = self else { panic!("only for RSA") };
        pair.public_key().as_ref().to_vec()
    }

    fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding(alg), &SystemRandom::new(), message, &mut out).unwrap();
                out
            }
            Self::Ec(pair, ..) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
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

/// A token in the making. Starts good; tests spoil it.
#[derive(Clone)]
pub(crate) struct Mint {
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

impl Mint {
    /// A good RS256 token under the kid `k1`, for alice's provider session `s1`.
    pub(crate) fn good() -> Self {
        let iat = now();
        Self {
            header: json!({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}),
            claims: json!({
                "iss": ISS, "aud": CLIENT, "iat": iat, "exp": iat + 120, "jti": "jti-1", "sub": "alice", "sid": "s1",
                "events": {LOGOUT_EVENT: {}},
            }),
        }
    }

    /// One header member replaced.
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// One claim replaced.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Header members and claims of this name are gone.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.header.as_object_mut().unwrap().remove(name);
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    /// Signed as the header says.
    pub(crate) fn sign(&self, key: &Key) -> String {
        let signed = self.signed_part();
        let signature = key.sign(self.header["alg"].as_str().unwrap_or_default(), signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// Header and payload.
    pub(crate) fn signed_part(&self) -> String {
        format!("{}.{}", b64(self.header.to_string()), b64(self.claims.to_string()))
    }
}

/// A good token signed by [`rsa`].
pub(crate) fn good_token() -> String {
    Mint::good().sign(rsa())
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[expect(clippy::disallowed_methods, reason = "tokens are minted for the machine's clock")]
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
