//! Do the claims rules hold, case by case? The names carry the ids of the case catalogue.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;
const ISS: &str = "https://idp.example.com";
const CLIENT: &str = "shop";

fn policy() -> ClaimsPolicy {
    ClaimsPolicy::new(ISS, CLIENT)
}

fn good() -> Map<String, Value> {
    let payload = json!({
        "iss": ISS, "aud": CLIENT, "iat": NOW, "exp": NOW + 120, "jti": "j1", "sub": "alice", "sid": "s1",
        "events": {LOGOUT_EVENT: {}},
    });
    payload.as_object().unwrap().clone()
}

/// The good payload with one claim replaced; `Value::Null` written as the JSON null.
fn with(name: &str, value: Value) -> Map<String, Value> {
    let mut payload = good();
    payload.insert(name.to_owned(), value);
    payload
}

fn without(name: &str) -> Map<String, Value> {
    let mut payload = good();
    payload.remove(name).unwrap();
    payload
}

fn verdict(payload: &Map<String, Value>) -> Result<(), Reason> {
    policy().check(payload, NOW).map(|_| ())
}

/// Each value of the claim is refused with the reason.
fn refused(name: &str, values: Vec<Value>, reason: Reason) {
    for value in values {
        assert_eq!(verdict(&with(name, value.clone())), Err(reason), "{name}: {value}");
    }
}

/// Each value of the claim is accepted.
fn accepted(name: &str, values: Vec<Value>) {
    for value in values {
        assert_eq!(verdict(&with(name, value.clone())), Ok(()), "{name}: {value}");
    }
}

#[test]
fn a_good_token_says_what_it_says() {
    let token = policy().check(&good(), NOW).unwrap();
    assert_eq!((token.iss.as_str(), token.client_id.as_str(), token.jti.as_str()), (ISS, CLIENT, "j1"));
    assert_eq!((token.aud.as_slice(), token.iat, token.exp), ([CLIENT.to_owned()].as_slice(), NOW, Some(NOW + 120)));
    assert_eq!(token.target, LogoutTarget::SessionOfSubject { sid: "s1".into(), sub: "alice".into() });
    let by_sid = policy().check(&without("sub"), NOW).unwrap();
    assert_eq!(by_sid.target, LogoutTarget::Session { sid: "s1".into() });
    let by_sub = policy().check(&without("sid"), NOW).unwrap();
    assert_eq!(by_sub.target, LogoutTarget::Subject { sub: "alice".into() });
}

#[test]
fn c01_iss_missing_or_not_a_string() {
    assert_eq!(verdict(&without("iss")), Err(Reason::IssuerMissing));
    refused("iss", vec![json!(1), json!(null), json!([ISS]), json!("")], Reason::IssuerMissing);
}

#[test]
fn c02_iss_wrong() {
    refused("iss", vec![json!("https://evil.example.com"), json!("https://IDP.example.com")], Reason::IssuerMismatch);
}

#[test]
fn c03_iss_differs_by_a_trailing_slash() {
    let payload = with("iss", json!("https://idp.example.com/"));
    assert_eq!(verdict(&payload), Err(Reason::IssuerMismatch));
    let token = policy().ignore_trailing_slash(true).check(&payload, NOW).unwrap();
    assert_eq!(token.iss, ISS, "sessions are found under the configured spelling");
    let twice = with("iss", json!("https://idp.example.com//"));
    assert_eq!(policy().ignore_trailing_slash(true).check(&twice, NOW), Err(Reason::IssuerMismatch));
}

#[test]
fn c04_iss_of_another_issuer() {
    refused("iss", vec![json!("https://other.example.com")], Reason::IssuerMismatch);
}

#[test]
fn c05_aud_missing() {
    assert_eq!(verdict(&without("aud")), Err(Reason::AudienceMissing));
}

#[test]
fn c06_aud_string_equal_or_different() {
    accepted("aud", vec![json!(CLIENT)]);
    refused("aud", vec![json!("forum"), json!("SHOP"), json!("shop ")], Reason::AudienceMismatch);
}

#[test]
fn c07_aud_array_containing_us() {
    accepted("aud", vec![json!([CLIENT]), json!(["forum", CLIENT])]);
}

#[test]
fn c08_aud_array_without_us_empty_or_with_non_strings() {
    refused("aud", vec![json!(["forum"])], Reason::AudienceMismatch);
    refused("aud", vec![json!([]), json!([CLIENT, 1]), json!({CLIENT: 1}), json!(null)], Reason::AudienceMissing);
}

#[test]
fn c09_several_audiences_without_azp() {
    let payload = with("aud", json!([CLIENT, "forum"]));
    assert_eq!(verdict(&payload), Ok(()));
    let strict = policy().multi_audience(MultiAudience::RequireAzp);
    assert_eq!(strict.check(&payload, NOW), Err(Reason::AuthorizedPartyMissing));
    let mut named = payload;
    named.insert("azp".into(), json!(CLIENT));
    assert!(strict.check(&named, NOW).is_ok());
}

#[test]
fn c10_azp_names_another_client() {
    accepted("azp", vec![json!(CLIENT)]);
    refused("azp", vec![json!("forum"), json!(1), json!(null)], Reason::AuthorizedPartyMismatch);
}

#[test]
fn c11_iat_missing_or_not_a_number() {
    assert_eq!(verdict(&without("iat")), Err(Reason::IssuedAtMissing));
    let wrong = vec![json!(NOW.to_string()), json!(-1), json!(-0.5), json!(1e300), json!(null), json!(u64::MAX)];
    refused("iat", wrong, Reason::IssuedAtMissing);
}

#[test]
fn c12_iat_in_the_future() {
    accepted("iat", vec![json!(NOW + 59), json!(NOW + 60)]);
    refused("iat", vec![json!(NOW + 61), json!(NOW + 86_400)], Reason::IssuedInFuture);
}

#[test]
fn c13_iat_too_old() {
    refused("iat", vec![json!(NOW - 86_400), json!(31_536_000), json!(0)], Reason::IssuedTooLongAgo);
    assert!(policy().max_age(None).check(&with("iat", json!(0)), NOW).is_ok());
}

#[test]
fn c14_iat_exactly_on_the_boundary() {
    accepted("iat", vec![json!(NOW - 660), json!(NOW - 660 + 1)]);
    refused("iat", vec![json!(NOW - 661)], Reason::IssuedTooLongAgo);
    let tight = policy().skew(Duration::ZERO).max_age(Some(Duration::from_secs(10)));
    assert!(tight.check(&with("iat", json!(NOW - 10)), NOW).is_ok());
    assert_eq!(tight.check(&with("iat", json!(NOW - 11)), NOW), Err(Reason::IssuedTooLongAgo));
}

#[test]
fn fractions_of_a_second_are_legal() {
    accepted("iat", vec![json!(1_800_000_000.75)]);
    accepted("exp", vec![json!(1_800_000_100.5)]);
}

#[test]
fn c15_exp_missing() {
    assert_eq!(verdict(&without("exp")), Err(Reason::ExpiryMissing));
    refused("exp", vec![json!("soon"), json!(null), json!(-1), json!(1e300)], Reason::ExpiryMissing);
    let lenient = policy().exp(ExpPolicy::IfPresent);
    assert_eq!(lenient.check(&without("exp"), NOW).unwrap().exp, None);
    assert_eq!(lenient.check(&with("exp", json!("soon")), NOW), Err(Reason::ExpiryMissing));
    assert_eq!(lenient.check(&with("exp", json!(NOW - 60)), NOW), Err(Reason::ExpiryBeforeIssue));
}

#[test]
fn c16_exp_in_the_past() {
    let mut payload = with("iat", json!(NOW - 200));
    for (exp, expected) in [(NOW - 59, Ok(())), (NOW - 60, Err(Reason::Expired)), (NOW - 100, Err(Reason::Expired))] {
        payload.insert("exp".into(), json!(exp));
        assert_eq!(verdict(&payload), expected, "exp {} s ago", NOW - exp);
    }
}

#[test]
fn c17_exp_not_after_iat() {
    refused("exp", vec![json!(NOW), json!(NOW - 1)], Reason::ExpiryBeforeIssue);
    accepted("exp", vec![json!(NOW + 1)]);
}

#[test]
fn c20_nbf_in_the_future() {
    accepted("nbf", vec![json!(NOW), json!(NOW + 60)]);
    refused("nbf", vec![json!(NOW + 61)], Reason::NotYetValid);
    refused("nbf", vec![json!("now")], Reason::NotBeforeMalformed);
}

#[test]
fn c21_jti_missing_empty_or_not_a_string() {
    assert_eq!(verdict(&without("jti")), Err(Reason::TokenIdMissing));
    refused("jti", vec![json!(""), json!(1), json!(null)], Reason::TokenIdMissing);
}

#[test]
fn c22_events_missing() {
    assert_eq!(verdict(&without("events")), Err(Reason::EventsMissing));
}

#[test]
fn c23_events_without_the_member() {
    let near = "http://schemas.openid.net/event/backchannel-logout/";
    refused(
        "events",
        vec![json!({}), json!({"https://example.com/other": {}}), json!({near: {}})],
        Reason::EventMissing,
    );
}

#[test]
fn c24_events_that_only_mention_the_uri() {
    refused("events", vec![json!(LOGOUT_EVENT), json!([LOGOUT_EVENT]), json!(null)], Reason::EventsMissing);
    refused("events", vec![json!({"event": LOGOUT_EVENT})], Reason::EventMissing);
}

#[test]
fn c25_event_member_is_not_an_object() {
    for member in [json!(""), json!("{}"), json!(1), json!(true), json!(null), json!([])] {
        refused("events", vec![json!({LOGOUT_EVENT: member})], Reason::EventMissing);
    }
}

#[test]
fn c26_event_member_with_content() {
    accepted("events", vec![json!({LOGOUT_EVENT: {"reason": "because"}})]);
}

#[test]
fn c27_other_members_in_events() {
    accepted("events", vec![json!({LOGOUT_EVENT: {}, "revoke_offline_access": true, "https://example.com/e": {}})]);
}

#[test]
fn c29_nonce_is_forbidden() {
    refused("nonce", vec![json!("n-0S6_WzA2Mj"), json!(""), json!(1), json!(null)], Reason::NoncePresent);
}

#[test]
fn c31_neither_sub_nor_sid() {
    let mut payload = without("sub");
    payload.remove("sid");
    assert_eq!(verdict(&payload), Err(Reason::NobodyNamed));
    assert_eq!(policy().require_sid(true).check(&payload, NOW), Err(Reason::NobodyNamed));
}

#[test]
fn c32_sub_or_sid_not_a_string() {
    let wrong = || vec![json!(42), json!(null), json!(["a"]), json!({}), json!("")];
    refused("sub", wrong(), Reason::SubjectMalformed);
    refused("sid", wrong(), Reason::SessionIdMalformed);
}

#[test]
fn c34_sid_missing_where_it_is_required() {
    let strict = policy().require_sid(true);
    assert_eq!(strict.check(&without("sid"), NOW), Err(Reason::SessionIdMissing));
    assert!(strict.check(&good(), NOW).is_ok());
}

#[test]
fn c35_unknown_claims_are_ignored() {
    for name in ["email", "at_hash", "acr", "groups", "logout_reason"] {
        accepted(name, vec![json!(["anything", {"at": "all"}])]);
    }
}

#[test]
fn c36_an_id_token_is_no_logout_token() {
    let mut id_token = without("events");
    id_token.insert("at_hash".into(), json!("x"));
    assert_eq!(verdict(&id_token), Err(Reason::EventsMissing));
    id_token.insert("nonce".into(), json!("n"));
    assert!(verdict(&id_token).is_err());
    id_token.insert("events".into(), json!({LOGOUT_EVENT: {}}));
    assert_eq!(verdict(&id_token), Err(Reason::NoncePresent));
}

#[test]
fn c37_an_access_token_is_no_logout_token() {
    let mut access = without("events");
    access.insert("scope".into(), json!("openid"));
    access.insert("client_id".into(), json!(CLIENT));
    assert_eq!(verdict(&access), Err(Reason::EventsMissing));
}

#[test]
fn j22_a_typ_in_the_payload_is_ignored() {
    accepted("typ", vec![json!("Logout"), json!(1)]);
}

#[test]
fn a_policy_without_any_bound_says_so() {
    assert!(policy().bounds_lifetime());
    assert!(policy().exp(ExpPolicy::IfPresent).bounds_lifetime());
    assert!(!policy().exp(ExpPolicy::IfPresent).max_age(None).bounds_lifetime());
}
