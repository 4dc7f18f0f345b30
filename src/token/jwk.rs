//! What does this JWK hold? Private keys as JSON (RFC 7517, RFC 8037).

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::{Zeroize as _, Zeroizing};

use super::KeyProblem;
use super::key::Pair;
use super::parse::{Part, shown};

#[derive(Deserialize)]
struct Probe {
    keys: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Secret>,
    p: Option<Secret>,
    q: Option<Secret>,
    dp: Option<Secret>,
    dq: Option<Secret>,
    qi: Option<Secret>,
}

/// Base64url that is wiped when dropped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The signing keys of a JWK or JWKS. Keys for encryption are passed over.
pub(super) fn read(json: &[u8]) -> Result<Vec<Part>, KeyProblem> {
    let probe: Probe = serde_json::from_slice(json).map_err(|error| place(&error))?;
    let keys = if probe.keys.is_some() {
        serde_json::from_slice::<Jwks>(json).map_err(|error| place(&error))?.keys
    } else {
        vec![serde_json::from_slice(json).map_err(|error| place(&error))?]
    };
    let parts = (1..).zip(keys).filter(|(_, jwk)| jwk.usage.as_deref() != Some("enc"));
    parts.map(|(number, jwk)| jwk.part(number)).collect()
}

/// Where, not what: the library's message quotes values.
fn place(error: &serde_json::Error) -> KeyProblem {
    KeyProblem::BadJson { line: error.line(), column: error.column() }
}

impl Jwk {
    fn part(self, number: usize) -> Result<Part, KeyProblem> {
        let refused = |error: KeyRejected| KeyProblem::Refused { number, reason: error.to_string() };
        let pair = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Pair::Rsa(self.rsa(number)?.map_err(refused)?),
            ("EC", Some("P-256")) => {
                Pair::P256(self.ec(number, &ECDSA_P256_SHA256_FIXED_SIGNING, 32)?.map_err(refused)?)
            }
            ("EC", Some("P-384")) => {
                Pair::P384(self.ec(number, &ECDSA_P384_SHA384_FIXED_SIGNING, 48)?.map_err(refused)?)
            }
            ("OKP", Some("Ed25519")) => Pair::Ed25519(self.ed25519(number)?.map_err(refused)?),
            (kty, crv) => {
                let what = format!("{} {}", shown(kty), shown(crv.unwrap_or_default()));
                return Err(KeyProblem::Unsupported { number, what: what.trim_end().to_owned() });
            }
        };
        Ok(Part { number, pair, kid: self.kid, alg: self.alg })
    }

    fn rsa(&self, number: usize) -> Result<Result<RsaKeyPair, KeyRejected>, KeyProblem> {
        let private = |secret: &Option<Secret>, member| secret_bytes(number, secret.as_ref(), member);
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: number_bytes(number, self.n.as_ref(), "n")?,
                e: number_bytes(number, self.e.as_ref(), "e")?,
            },
            d: private(&self.d, "d")?,
            p: private(&self.p, "p")?,
            q: private(&self.q, "q")?,
            dP: private(&self.dp, "dp")?,
            dQ: private(&self.dq, "dq")?,
            qInv: private(&self.qi, "qi")?,
        };
        Ok(RsaKeyPair::from_components(&components))
    }

    fn ec(
        &self,
        number: usize,
        alg: &'static EcdsaSigningAlgorithm,
        size: usize,
    ) -> Result<Result<EcdsaKeyPair, KeyRejected>, KeyProblem> {
        let d = secret_bytes(number, self.d.as_ref(), "d")?;
        let mut point = vec![4];
        point.extend_from_slice(&padded(&public_bytes(number, self.x.as_ref(), "x")?, size));
        point.extend_from_slice(&padded(&public_bytes(number, self.y.as_ref(), "y")?, size));
        Ok(EcdsaKeyPair::from_private_key_and_public_key(alg, &padded(&d, size), &point))
    }

    fn ed25519(&self, number: usize) -> Result<Result<Ed25519KeyPair, KeyRejected>, KeyProblem> {
        let seed = secret_bytes(number, self.d.as_ref(), "d")?;
        let public = public_bytes(number, self.x.as_ref(), "x")?;
        // The library checks that a seed is long enough, not that it is no longer.
        if seed.len() != 32 {
            return Err(KeyProblem::BadMember { number, member: "d" });
        }
        Ok(Ed25519KeyPair::from_seed_and_public_key(&seed, &public))
    }
}

fn secret_bytes(
    number: usize,
    secret: Option<&Secret>,
    member: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    public_bytes(number, secret.map(|secret| &secret.0), member).map(Zeroizing::new)
}

fn public_bytes(number: usize, text: Option<&String>, member: &'static str) -> Result<Vec<u8>, KeyProblem> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .filter(|bytes| !bytes.is_empty())
        .ok_or(KeyProblem::BadMember { number, member })
}

/// Without leading zeros, which some exporters add and the library refuses.
fn number_bytes(number: usize, text: Option<&String>, member: &'static str) -> Result<Vec<u8>, KeyProblem> {
    let bytes = public_bytes(number, text, member)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// Some exporters drop leading zeros of coordinates; the library wants all bytes.
fn padded(bytes: &[u8], size: usize) -> Zeroizing<Vec<u8>> {
    let mut all = Zeroizing::new(Vec::with_capacity(size.max(bytes.len())));
    all.resize(size.saturating_sub(bytes.len()), 0);
    all.extend_from_slice(bytes);
    all
}
