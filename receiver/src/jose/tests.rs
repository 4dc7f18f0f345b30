//! Do the JOSE rules hold, case by case? The names carry the ids of the case catalogue.

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::*;

fn policy() -> JosePolicy {
    JosePolicy { signature: SignaturePolicy::Published(Algorithm::ALL.to_vec()), typ: TypPolicy::Lenient }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token of the right form with a signature of the right size that nobody made.
fn token(header: &Value) -> String {
    format!("{}.{}.{}", encode(header), encode(&json!({"iss": "i"})), URL_SAFE_NO_PAD.encode([7; 256]))
}

fn parse(token: &str) -> Result<(), Reason> {
    Unverified::parse(token)?.judge(&policy())
}

fn header(header: &Value) -> Result<(), Reason> {
    parse(&token(header))
}

#[test]
fn a_token_of_the_right_form_comes_apart() {
    let token = token(&json!({"alg": "RS256", "kid": "k1"}));
    let parsed = Unverified::parse(&token).unwrap();
    assert_eq!((parsed.algorithm(Algorithm::ALL), parsed.kid()), (Ok(Algorithm::RS256), Some("k1")));
    assert_eq!(parsed.payload, *json!({"iss": "i"}).as_object().unwrap());
    assert_eq!(parsed.signed, token.rsplit_once('.').unwrap().0.as_bytes());
    assert_eq!(parsed.signature, [7; 256]);
}

#[test]
fn j01_not_a_jwt() {
    for text in ["this-is-not-a-jwt", "word", "", ".", "..", "é.é.é"] {
        assert!(matches!(parse(text), Err(Reason::TokenMalformed | Reason::HeaderMalformed)), "{text:?}");
    }
}

#[test]
fn j02_the_wrong_number_of_segments() {
    let good = token(&json!({"alg": "RS256"}));
    let two = good.rsplit_once('.').unwrap().0;
    let four = format!("{good}.AAAA");
    let six = format!("{good}.AAAA.AAAA.AAAA");
    let many = ".".repeat(60_000);
    for text in [two, &four, &six, &many, "a!.b!.c!"] {
        assert_eq!(parse(text), Err(Reason::TokenMalformed), "{text:.40}");
    }
    assert_eq!(parse("AAAA.AAAA.AAAA"), Err(Reason::HeaderMalformed));
}

#[test]
fn j03_base64_json_without_dots() {
    assert_eq!(parse(&encode(&json!({"alg": "RS256"}))), Err(Reason::TokenMalformed));
}

#[test]
fn j04_not_base64url() {
    // {"alg":"RS256","a":"???>>>"} has both + and / in the standard alphabet.
    let json = r#"{"alg":"RS256","a":"???>>>"}"#;
    let rest = format!("{}.{}", encode(&json!({})), URL_SAFE_NO_PAD.encode([7; 256]));
    assert_eq!(parse(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(json))), Ok(()));
    let padded = URL_SAFE.encode(r#"{"alg": "RS256"}"#);
    assert!(padded.ends_with('='));
    for head in [STANDARD.encode(json), padded, format!(" {}", URL_SAFE_NO_PAD.encode(json))] {
        assert_eq!(parse(&format!("{head}.{rest}")), Err(Reason::TokenMalformed), "{head}");
    }
    let good = token(&json!({"alg": "RS256"}));
    assert_eq!(parse(&format!("{good}=")), Err(Reason::TokenMalformed));
}

#[test]
fn j05_payload_not_an_object() {
    for payload in ["[]", "\"text\"", "1", "null", "{", "", "{\"iat\": 1e400}"] {
        let head = encode(&json!({"alg": "RS256"}));
        let body = URL_SAFE_NO_PAD.encode(payload);
        let token = format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
        assert_eq!(parse(&token), Err(Reason::PayloadMalformed), "{payload}");
    }
    for head in ["[]", "\"text\"", "1", "null", "{"] {
        let token = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(head), encode(&json!({})));
        assert_eq!(parse(&token), Err(Reason::HeaderMalformed), "{head}");
    }
}

#[test]
fn j07_alg_none_with_an_empty_signature() {
    let token = format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&json!({})));
    assert_eq!(parse(&token), Err(Reason::AlgorithmNotAllowed));
}

#[test]
fn j08_alg_missing() {
    assert_eq!(header(&json!({"kid": "k1"})), Err(Reason::AlgorithmMissing));
    assert_eq!(header(&json!({"alg": 256})), Err(Reason::HeaderMalformed));
    assert_eq!(header(&json!({"alg": null})), Err(Reason::HeaderMalformed));
}

#[test]
fn j09_alg_names_are_case_sensitive() {
    for alg in ["None", "nOnE", "NONE", "rs256", "Rs256", "RS256 ", "eddsa", ""] {
        assert_eq!(header(&json!({"alg": alg})), Err(Reason::AlgorithmNotAllowed), "{alg}");
    }
}

#[test]
fn j10_signature_stripped_or_of_an_impossible_size() {
    for (alg, sizes) in
        [("RS256", [0, 255, 1025]), ("ES256", [0, 63, 72]), ("ES384", [0, 64, 97]), ("EdDSA", [0, 63, 65])]
    {
        for size in sizes {
            let signature = URL_SAFE_NO_PAD.encode(vec![7; size]);
            let token = format!("{}.{}.{signature}", encode(&json!({"alg": alg})), encode(&json!({})));
            assert_eq!(parse(&token), Err(Reason::SignatureInvalid), "{alg} {size}");
        }
    }
}

#[test]
fn j11_alg_other_than_the_pinned_one() {
    let pinned = JosePolicy { signature: SignaturePolicy::Published(vec![Algorithm::RS256]), typ: TypPolicy::Lenient };
    for alg in ["RS512", "PS256", "ES256", "EdDSA"] {
        let token = token(&json!({"alg": alg}));
        assert_eq!(Unverified::parse(&token).unwrap().judge(&pinned), Err(Reason::AlgorithmNotAllowed), "{alg}");
    }
    assert_eq!(Unverified::parse(&token(&json!({"alg": "RS256"}))).unwrap().judge(&pinned), Ok(()));
}

#[test]
fn j12_j14_hmac_is_not_allowed() {
    for alg in ["HS256", "HS384", "HS512"] {
        assert_eq!(header(&json!({"alg": alg})), Err(Reason::AlgorithmNotAllowed), "{alg}");
    }
}

#[test]
fn j17_j18_j19_typ_absent_jwt_or_logout() {
    assert_eq!(header(&json!({"alg": "RS256"})), Ok(()));
    for typ in
        ["JWT", "jwt", "logout+jwt", "LOGOUT+JWT", "Logout+JWT", "application/logout+jwt", "Application/Logout+JWT"]
    {
        assert_eq!(header(&json!({"alg": "RS256", "typ": typ})), Ok(()), "{typ}");
    }
}

#[test]
fn j20_typ_of_another_kind() {
    for typ in ["at+jwt", "dpop+jwt", "secevent+jwt", "application/at+jwt", "JOSE", "logout", "logout+jwt ", ""] {
        assert_eq!(header(&json!({"alg": "RS256", "typ": typ})), Err(Reason::TypeNotAllowed), "{typ}");
    }
    assert_eq!(header(&json!({"alg": "RS256", "typ": 1})), Err(Reason::HeaderMalformed));
}

#[test]
fn j21_strict_typ_refuses_jwt_and_absent() {
    let strict = JosePolicy { typ: TypPolicy::Strict, ..policy() };
    let verdict = |header: &Value| Unverified::parse(&token(header)).unwrap().judge(&strict);
    assert_eq!(verdict(&json!({"alg": "RS256"})), Err(Reason::TypeNotAllowed));
    assert_eq!(verdict(&json!({"alg": "RS256", "typ": "JWT"})), Err(Reason::TypeNotAllowed));
    assert_eq!(verdict(&json!({"alg": "RS256", "typ": "application/logout+jwt"})), Ok(()));
}

#[test]
fn j23_crit_is_refused() {
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(null)] {
        assert_eq!(header(&json!({"alg": "RS256", "crit": crit, "b64": false})), Err(Reason::CriticalHeader), "{crit}");
    }
}

#[test]
fn j26_an_encrypted_token_is_refused_as_such() {
    let jwe = format!("{}.AAAA.AAAA.AAAA.AAAA", encode(&json!({"alg": "RSA-OAEP-256", "enc": "A256GCM"})));
    assert_eq!(parse(&jwe), Err(Reason::TokenEncrypted));
}
