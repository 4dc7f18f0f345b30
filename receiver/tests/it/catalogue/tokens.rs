//! Does the endpoint take every good token and refuse every bad one, each for its own reason?

use signoff_receiver::testkit::{CASES, Expected};

use super::site::Site;
use crate::app::Adapter;

/// Makes two tests of each name. Its first three letters are the id of a case.
macro_rules! token_cases {
    ($($name:ident)*) => {
        mod actix {
            $(#[tokio::test]
            async fn $name() {
                super::hold(crate::app::Adapter::Actix, stringify!($name)).await;
            })*
        }
        mod axum {
            $(#[tokio::test]
            async fn $name() {
                super::hold(crate::app::Adapter::Axum, stringify!($name)).await;
            })*
        }
        const IDS: &[&str] = &[$(stringify!($name)),*];
    };
}

token_cases! {
    j01_a_word_is_not_a_token
    j02_two_segments_or_four_or_garbage
    j03_json_without_dots
    j04_padding_and_the_other_alphabet
    j05_a_payload_that_is_not_an_object
    j07_alg_none
    j08_alg_missing
    j09_alg_in_other_letters
    j10_the_signature_stripped
    j11_another_algorithm_of_the_same_key
    j12_an_hmac_keyed_with_the_public_key
    j13_an_hmac_with_the_client_secret
    j14_an_hmac_with_the_client_secret
    j15_a_key_that_is_not_for_the_algorithm
    j17_typ_missing
    j18_typ_jwt
    j19_typ_logout_jwt_in_all_spellings
    j20_typ_of_other_tokens
    j21_typ_where_nobody_is_strict
    j22_a_claim_named_typ
    j23_crit
    j25_a_token_that_brings_its_key
    j26_an_encrypted_token
    j29_an_encrypted_token_that_is_not_signed
    j31_an_encrypted_token_of_another_content_type
    j32_an_encrypted_token_that_is_compressed
    k01_a_wrong_key_under_a_known_kid
    k02_a_key_that_is_not_published_yet
    k03_an_unknown_kid
    k05_a_known_kid
    k06_no_kid
    k14_a_weak_key
    c01_iss_missing
    c02_iss_of_a_stranger
    c03_iss_with_a_trailing_slash
    c04_iss_of_a_sibling_with_the_same_keys
    c05_aud_missing
    c06_aud_as_a_string
    c07_aud_as_a_list
    c08_aud_as_a_list_without_us
    c09_several_audiences_without_azp
    c10_azp_of_another_client
    c11_iat_that_is_no_date
    c12_iat_ahead
    c13_iat_long_ago
    c14_iat_on_the_boundary
    c15_exp_missing
    c16_exp_passed
    c17_exp_not_after_iat
    c20_nbf_ahead
    c21_jti_missing
    c22_events_missing
    c23_another_event
    c24_events_that_are_not_an_object
    c25_an_event_that_is_not_an_object
    c26_an_event_with_members
    c27_members_beside_the_event
    c29_nonce
    c31_neither_sub_nor_sid
    c32_sub_or_sid_that_is_no_string
    c34_sid_missing
    c35_unknown_claims
    c36_an_id_token
    c37_an_access_token
    c40_the_signature_of_another_token
}

async fn hold(adapter: Adapter, name: &str) {
    let mut site = Site::start(adapter).await;
    for case in CASES.iter().filter(|case| case.id == id(name)) {
        site.signed_in("l1", "alice", Some("s1")).await;
        let reply = site.post(&case.mint(&site.issuer)).await;
        let expected = match case.expected {
            Expected::Accepted => (200, "", false),
            Expected::Refused(reason) => (400, reason.code(), true),
        };
        assert_eq!((reply.status, reply.reason().as_str(), site.sessions.contains("l1")), expected, "{}", case.what);
        assert!(reply.no_store, "{}", case.what);
        site = site.anew(adapter);
    }
    let strays = site.issuer.requests().into_iter().filter(|path| path != "/jwks");
    assert_eq!(strays.collect::<Vec<_>>(), Vec::<String>::new());
}

fn id(name: &str) -> String {
    name[..3].to_uppercase()
}

#[test]
fn every_case_of_the_testkit_is_tried() {
    let untried = CASES.iter().filter(|case| !IDS.iter().any(|name| id(name) == case.id));
    assert_eq!(untried.map(|case| case.id).collect::<Vec<_>>(), Vec::<&str>::new());
    let without_case = IDS.iter().filter(|name| !CASES.iter().any(|case| case.id == id(name)));
    assert_eq!(without_case.collect::<Vec<_>>(), Vec::<&&str>::new());
}
