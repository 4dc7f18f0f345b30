//! Which files hold keys, and what is said about those that do not.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use signoff::token::{self, KeyError, KeySource, SigningKey};

use super::{pem, verify};

const RSA_1024: &str = "\
-----BEGIN RSA PRIVATE KEY-----\n\
MIICXQIBAAKBgQDKGANWM52I19Zg0HLKtisb72K6jo3J5pDxH3yxNEmfmrR+IYbf\n\
XyCFQveG2UnHx5gI9e1PVjsxfCOmeMg8Evk/ZGBJ5//SAN3yrW9K2evjwEzLPhBt\n\
NLhgvkB/2vPWXFND9ziOLrQ9yuqGwxjn1FkKOCdkSRSCVWNXO2AjiR1gPQIDAQAB\n\
AoGAJ++84REMJZm5lKI8vRBoznltAj7fiDGXHP9C7eXOUssIthA8DfJHg+4q6iwQ\n\
Z3lq8wJeZho9Ulcc2G3v6+c399OwFTpAOWjqATFYCKA84pvZdHmnaxdA3KDduGBn\n\
NqYiBm3xJDme8LP58oMItAp7x0DfDopkt/qKbvP+LJAsqWUCQQD7Ki5xP+xCo42F\n\
CVTOD4jVfrZJO0RJ6HowQFTV3JlA1Y0gh69LTMb09dpcxWiaGo//tAxP22IOlIpb\n\
W2LJOtHPAkEAzfv+mQQtwDdjc3LKVidzygK251qSM6dceBeWQJ3jos0lWwS32oF9\n\
ng/nB0h3MtC3rrWS9/P0Y56jeZWc58osMwJBAI/Sn7WJ/ShLr4Y2ybEVhC182bUl\n\
kv0fepiWvf2YzMkrgBzYlbBwzp0HC3uEL1nPTBYIa+Ruo7/lnzShJ/hDDlECQBNm\n\
4gNNtnV9ghuUu2REEQ79FHdUO6Mr53TUW+24MYHbKuKY3ixxuABUZSF1fOzHZhXJ\n\
uo8qZmGfxqwkIIRgsasCQQDwflNrxy2jNrLW6m1wNm+CLDBjelA9URpCsJwpz1So\n\
tG7/58ejU62OUv1oLrTtSdRxEmirm5g/5LmXeYYvcIjQ\n\
-----END RSA PRIVATE KEY-----\n\
";
const P384_SEC1: &str = "\
-----BEGIN EC PARAMETERS-----\n\
BgUrgQQAIg==\n\
-----END EC PARAMETERS-----\n\
-----BEGIN EC PRIVATE KEY-----\n\
MIGkAgEBBDAK2dL+Q0prmqhMRb072bw28lhwp3mPQnkScCLNlNva0+w3isrrZl5K\n\
SOMuKNvbSeqgBwYFK4EEACKhZANiAAQiZ30w+RI/xJ9fX7OxfAiUGXvGgSTKZ3+J\n\
Tzbbwbb0nvG9wt8vNmCDA4/V1FUdGOPBmZq0AvGb8xPzWDeEhHNvSmDOboTcRfb/\n\
PpZ40VIVJDxvRBPHVuWnT0t74v81FNc=\n\
-----END EC PRIVATE KEY-----\n\
";
const ED25519: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIKx7bg5FWed1jvtT0EWJxR0s/GCvj5l35CDXdQ1ZEetw\n\
-----END PRIVATE KEY-----\n\
";
const ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhSb682YWxvTQICCAAw\n\
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFagKzmOyljZPrPtvwsKeMgEQF6L\n\
aLrPJNtKz8TmRkqt3LgFSRISl68qfFpEcZERulbtAWjF0+MtNUMruUUQxmBtH+gj\n\
VuNhZkpxmkBwcdEperY=\n\
-----END ENCRYPTED PRIVATE KEY-----\n\
";
const K256: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgtfqxEHc9WHPAsMt8CvdZ\n\
PRh1RQwjjGsW48MNnHdpTBOhRANCAAQ6kRlzjFhc7Dz3opcPvp0SMjx+MOWEtFPu\n\
AZGFjGR5Qo/iB43UmdZ9Wz74OahzjHnLHAAHvFoLqzoixA37n2Hw\n\
-----END PRIVATE KEY-----\n\
";
const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEA8hACT+Iia7/3wVBGI9kVAIEitiQzsRVGPDsjwPLc0DI=\n\
-----END PUBLIC KEY-----\n\
";

/// RFC 8037, appendix A.1, and the thumbprint of A.3.
const ED25519_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED25519_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
/// RFC 7515, appendix A.3.
const P256_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

/// Loads `content` as a key file.
fn load(content: &str, alg: Option<Algorithm>, kid: Option<&str>) -> Result<Vec<SigningKey>, KeyError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, content).unwrap();
    token::load(&KeySource { name: "k".into(), file, alg, kid: kid.map(Into::into), use_from: None })
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

fn armour(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// PKCS#1 is what PKCS#8 wraps, after 26 bytes for a key of 2,048 bits.
fn pkcs1(pkcs8_pem: &str) -> Vec<u8> {
    der(pkcs8_pem)[26..].to_vec()
}

/// The integers of a PKCS#1 key as a private JWK.
pub(crate) fn rsa_jwk(pkcs8_pem: &str) -> Value {
    let der = pkcs1(pkcs8_pem);
    let mut rest = &der[4..];
    let mut integers = Vec::new();
    while !rest.is_empty() {
        let (length, start) = match rest[1] {
            0x81 => (usize::from(rest[2]), 3),
            0x82 => (usize::from(rest[2]) << 8 | usize::from(rest[3]), 4),
            short => (usize::from(short), 2),
        };
        let integer = &rest[start..start + length];
        integers.push(URL_SAFE_NO_PAD.encode(integer.strip_prefix(&[0]).unwrap_or(integer)));
        rest = &rest[start + length..];
    }
    // After the version, PKCS#1 has them in this order.
    let members = ["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(String::from);
    let mut jwk: serde_json::Map<_, _> = members.into_iter().zip(integers.drain(1..).map(Value::from)).collect();
    jwk.insert("kty".into(), "RSA".into());
    Value::Object(jwk)
}

fn signs(key: &SigningKey, alg: Algorithm) {
    let token = token::sign(key, alg, &json!({ "a": 1 })).unwrap();
    assert_eq!(verify(&token, &key.public_jwk(), alg).unwrap(), json!({ "a": 1 }));
}

#[test]
fn every_kind_of_file_yields_a_key_that_signs() {
    let rsa = pem(Algorithm::RS256);
    let with_crlf = pem(Algorithm::ES256).replace('\n', "\r\n");
    let table = [
        ("RSA PKCS#8", rsa.clone(), Algorithm::RS512),
        ("RSA PKCS#1", armour("RSA PRIVATE KEY", &pkcs1(&rsa)), Algorithm::PS384),
        ("RSA JWK", rsa_jwk(&rsa).to_string(), Algorithm::RS256),
        ("P-256 PKCS#8 with CRLF", with_crlf, Algorithm::ES256),
        ("P-384 SEC1 after its parameters", P384_SEC1.to_owned(), Algorithm::ES384),
        ("P-256 JWK", P256_JWK.to_owned(), Algorithm::ES256),
        ("Ed25519 PKCS#8 version 1", ED25519.to_owned(), Algorithm::EdDSA),
        ("Ed25519 PKCS#8 version 2", pem(Algorithm::EdDSA), Algorithm::EdDSA),
        ("Ed25519 JWK", ED25519_JWK.to_owned(), Algorithm::EdDSA),
        ("after a byte order mark", format!("\u{feff}\n {P256_JWK}"), Algorithm::ES256),
    ];
    for (what, content, alg) in table {
        let keys = load(&content, None, None).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(keys.len(), 1, "{what}");
        signs(&keys[0], alg);
    }
}

#[test]
fn the_name_is_the_configured_one_else_the_files_else_the_thumbprint() {
    let named = ED25519_JWK.replace("{\"kty\"", "{\"kid\":\"from-file\",\"kty\"");
    let table = [
        (ED25519_JWK, None, ED25519_THUMBPRINT),
        (&named, None, "from-file"),
        (&named, Some("configured"), "configured"),
    ];
    for (content, kid, expected) in table {
        let key = load(content, None, kid).unwrap().remove(0);
        assert_eq!((key.kid(), &key.public_jwk()["kid"]), (expected, &json!(expected)));
    }
}

#[test]
fn a_jwks_holds_several_keys_and_those_for_encryption_are_passed_over() {
    let mut encryption = rsa_jwk(&pem(Algorithm::RS256));
    encryption["use"] = json!("enc");
    encryption["alg"] = json!("RSA-OAEP");
    let [p256, ed]: [Value; 2] = [P256_JWK, ED25519_JWK].map(|jwk| serde_json::from_str(jwk).unwrap());
    let keys = load(&json!({ "keys": [p256, encryption, ed] }).to_string(), None, None).unwrap();
    assert_eq!(keys.iter().map(SigningKey::kind).collect::<Vec<_>>(), ["a P-256 key", "an Ed25519 key"]);
    let two = pem(Algorithm::ES256) + &pem(Algorithm::ES384);
    assert_eq!(load(&two, None, None).unwrap().len(), 2, "a PEM file may hold several, too");
}

#[test]
fn the_public_half_holds_nothing_private() {
    for content in [pem(Algorithm::RS256), P256_JWK.into(), ED25519_JWK.into()] {
        let jwk = load(&content, None, None).unwrap()[0].public_jwk();
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(jwk.get(private).is_none(), "{private}");
        }
    }
}

#[test]
fn a_mistake_is_named_with_its_file_and_without_the_key() {
    let secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let rsa = pem(Algorithm::RS256);
    let with = |member: &str, value: Value| {
        let mut jwk: Value = serde_json::from_str(ED25519_JWK).unwrap();
        jwk[member] = value;
        jwk.to_string()
    };
    let mut no_primes = rsa_jwk(&rsa);
    no_primes.as_object_mut().unwrap().remove("p");
    let two = pem(Algorithm::ES256) + &pem(Algorithm::ES384);
    let half = &rsa[..rsa.len() / 2];
    let legacy = RSA_1024.replace("KEY-----\nMII", "KEY-----\nProc-Type: 4,ENCRYPTED\n\nMII");
    let table: [(&str, Option<Algorithm>, Option<&str>, &str); 29] = [
        ("", None, None, "holds no private key"),
        ("hello", None, None, "holds no private key"),
        (PUBLIC, None, None, "holds no private key"),
        ("{\"keys\":[]}", None, None, "holds no private key"),
        (ENCRYPTED, None, None, "encrypted"),
        (&legacy, None, None, "encrypted"),
        (half, None, None, "not readable as PEM"),
        (RSA_1024, None, None, "refused (TooSmall)"),
        (K256, None, None, "key 1: refused"),
        ("{", None, None, "mistake at line 1, column 1"),
        (&format!("{{\"keys\":\"{secret}\"}}"), None, None, "not a JWK or JWKS"),
        (&with("d", json!(17)), None, None, "not a JWK or JWKS"),
        (&with("d", Value::Null), None, None, "member \"d\" is missing"),
        (&with("d", json!("%%")), None, None, "member \"d\" is missing or is not base64url"),
        (&with("d", json!(format!("{secret}AAAA"))), None, None, "member \"d\""),
        (&with("x", json!(secret)), None, None, "key 1: refused"),
        (&no_primes.to_string(), None, None, "member \"p\" is missing"),
        (&with("crv", json!("X25519")), None, None, "OKP X25519 cannot sign"),
        (&with("kty", json!("oct")), None, None, "cannot sign logout tokens"),
        (&with("kty", json!(secret)), None, None, "(no known name) Ed25519 cannot sign"),
        (&with("crv", json!(secret)), None, None, "OKP (no known name) cannot sign"),
        (&with("alg", json!(secret)), None, None, "the file says alg \"(no known name)\""),
        (&with("alg", json!("none")), None, None, "the file says alg \"none\""),
        (&with("alg", json!("HS256")), None, None, "the file says alg \"HS256\""),
        (&with("alg", json!("EdDSA")), Some(Algorithm::RS256), None, "the file says alg \"EdDSA\""),
        (&rsa, Some(Algorithm::ES256), None, "ES256 does not fit an RSA key; it serves RS256"),
        (P256_JWK, Some(Algorithm::ES384), None, "ES384 does not fit a P-256 key; it serves ES256"),
        (&two, None, Some("k"), "holds 2 keys, and `kid` names one"),
        (P256_JWK, None, Some("a\nb"), "its kid is empty"),
    ];
    for (content, alg, kid, expected) in table {
        let error = load(content, alg, kid).expect_err(expected);
        let text = format!("{error} {error:?}");
        assert!(error.to_string().contains(expected), "{error} should say: {expected}");
        assert!(error.to_string().contains("/key: "), "{error} should name the file");
        assert!(!text.contains(&secret[..12]) && !text.contains("MII"), "{text}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let file = PathBuf::from("/no/such/key.pem");
    let error = token::load(&KeySource { name: "k".into(), file, alg: None, kid: None, use_from: None }).unwrap_err();
    assert!(error.to_string().starts_with("/no/such/key.pem: cannot be read"), "{error}");
}

#[test]
fn a_generated_key_is_its_owners_alone_and_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.pem");
    token::generate::write(&file, &pem(Algorithm::ES256)).unwrap();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    assert!(matches!(token::generate::write(&file, "other"), Err(KeyError::Unwritable { .. })));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(matches!(token::generate::generate(Algorithm::RS256, 1024), Err(KeyError::NotGenerated { .. })));
}
