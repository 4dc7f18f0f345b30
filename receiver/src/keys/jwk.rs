//! What can one JWK verify? Parsed once per allowed algorithm, and kept.

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::Reason;
use crate::jose::{Algorithm, Curve, Scheme};

/// The members of RFC 7517 and 7518 that matter for verifying.
#[derive(Debug, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A key of the set, also one that verifies nothing: its `kid` is known, so that a token that names
/// it is refused without asking the issuer again.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    usable: Vec<(Algorithm, ParsedPublicKey)>,
    pub(super) too_weak: bool,
}

impl Key {
    pub(super) fn new(jwk: Jwk, allowed: &[Algorithm]) -> Self {
        let too_weak = jwk.is_weak_rsa();
        let usable = if too_weak || !jwk.is_for_signatures() {
            Vec::new()
        } else {
            let fitting =
                allowed.iter().filter(|algorithm| jwk.alg.as_deref().is_none_or(|alg| alg == algorithm.name()));
            fitting.filter_map(|&algorithm| Some((algorithm, jwk.parse(algorithm)?))).collect()
        };
        Self { kid: jwk.kid, usable, too_weak }
    }

    /// The parsed key, if it is one for this algorithm.
    pub(super) fn for_algorithm(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.usable.iter().find(|(own, _)| *own == algorithm).map(|(_, key)| key)
    }

    /// Why a token that names this key is refused when the key does not fit its algorithm.
    pub(super) const fn refusal(&self) -> Reason {
        if self.too_weak { Reason::KeyTooWeak } else { Reason::KeyMismatch }
    }
}

impl Jwk {
    fn is_for_signatures(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
    }

    fn is_weak_rsa(&self) -> bool {
        self.kty == "RSA" && unsigned(self.n.as_deref()).is_some_and(|n| bits(&n) < 2048)
    }

    fn parse(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match algorithm.scheme() {
            Scheme::Rsa(parameters) if self.kty == "RSA" => {
                let components =
                    RsaPublicKeyComponents { n: unsigned(self.n.as_deref())?, e: unsigned(self.e.as_deref())? };
                components.to_parsed_public_key(parameters).ok()
            }
            Scheme::Ecdsa(curve, parameters) if self.kty == "EC" && self.crv.as_deref() == Some(curve.name()) => {
                ParsedPublicKey::new(parameters, self.point(curve)?).ok()
            }
            Scheme::Ed25519(parameters) if self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519") => {
                let key = decode(self.x.as_deref()).filter(|x| x.len() == 32)?;
                ParsedPublicKey::new(parameters, key).ok()
            }
            _ => None,
        }
    }

    /// The uncompressed point of SEC 1.
    fn point(&self, curve: Curve) -> Option<Vec<u8>> {
        let coordinate = |text: &Option<String>| decode(text.as_deref()).filter(|bytes| bytes.len() == curve.size());
        Some([vec![4], coordinate(&self.x)?, coordinate(&self.y)?].concat())
    }
}

fn decode(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// Big-endian without leading zeros, which some issuers send although RFC 7518 forbids them.
fn unsigned(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    Some(bytes[first..].to_vec())
}

fn bits(unsigned: &[u8]) -> usize {
    unsigned.len() * 8 - unsigned.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
    use serde_json::{Value, json};

    use super::*;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn algorithms(jwk: &Value) -> Vec<&'static str> {
        let key = Key::new(serde_json::from_value(jwk.clone()).unwrap(), Algorithm::ALL);
        key.usable.iter().map(|(algorithm, _)| algorithm.name()).collect()
    }

    fn rsa() -> Value {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        json!({"kty": "RSA", "n": encode(public.n), "e": encode(public.e)})
    }

    fn ec() -> Value {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
        json!({"kty": "EC", "crv": "P-384", "x": encode(x), "y": encode(y)})
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn a_key_serves_the_algorithms_of_its_kind() {
        let ed = Ed25519KeyPair::generate().unwrap();
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(ed.public_key().as_ref())});
        assert_eq!(algorithms(&rsa()), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
        assert_eq!(algorithms(&ec()), ["ES384"]);
        assert_eq!(algorithms(&ed), ["EdDSA"]);
    }

    #[test]
    fn j15_alg_use_and_key_ops_narrow_it() {
        let rsa = rsa();
        let cases = [
            ("alg", json!("RS384"), vec!["RS384"]),
            ("alg", json!("ES256"), vec![]),
            ("alg", json!("RSA-OAEP"), vec![]),
            ("use", json!("enc"), vec![]),
            ("key_ops", json!(["encrypt"]), vec![]),
            ("kty", json!("EC"), vec![]),
            ("kty", json!("oct"), vec![]),
        ];
        for (name, value, expected) in cases {
            assert_eq!(algorithms(&with(rsa.clone(), name, value.clone())), expected, "{name} {value}");
        }
        assert_eq!(algorithms(&with(with(rsa, "use", json!("sig")), "key_ops", json!(["verify"]))).len(), 6);
    }

    #[test]
    fn k14_rsa_below_2048_bits_is_too_weak() {
        let key = |bytes: &[u8]| {
            let jwk = json!({"kty": "RSA", "n": encode(bytes), "e": "AQAB"});
            Key::new(serde_json::from_value(jwk).unwrap(), Algorithm::ALL)
        };
        let mut almost = vec![0xff; 256];
        almost[0] = 0x7f;
        for weak in [vec![0xff; 128], almost.clone(), [vec![0], almost].concat()] {
            let key = key(&weak);
            assert!(key.too_weak && key.usable.is_empty(), "{} bytes", weak.len());
            assert_eq!(key.refusal(), Reason::KeyTooWeak);
        }
        assert!(!key(&[0xff; 256]).too_weak);
    }

    #[test]
    fn a_leading_zero_in_the_modulus_is_forgiven() {
        let rsa = rsa();
        let n = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
        assert_eq!(algorithms(&with(rsa, "n", json!(encode([vec![0], n].concat())))).len(), 6);
    }

    #[test]
    fn points_that_are_none_verify_nothing() {
        let ec = ec();
        for x in [json!("AAAA"), json!(encode([1; 48])), json!("!"), Value::Null] {
            assert!(algorithms(&with(ec.clone(), "x", x.clone())).is_empty(), "{x}");
        }
        assert!(algorithms(&with(ec, "crv", json!("P-256"))).is_empty());
    }
}
