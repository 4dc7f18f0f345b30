//! Which registration metadata is read, and which is refused?

use serde_json::json;

use super::*;

const RULES: Rules<'static> = Rules {
    client_id: IdFrom::Default("shop"),
    unknown: Unknown::RefuseNearMisses,
    allow_http: false,
    algs: Some(&[Algorithm::RS256]),
    longest_timeout: Some(Duration::from_secs(28)),
};

fn errors(value: &Value, rules: &Rules<'_>) -> Vec<String> {
    let errors = validate(value, rules).err().unwrap_or_default();
    errors.into_iter().map(|e| format!("{}: {}", e.field, e.message)).collect()
}

#[test]
fn a_full_registration_survives_the_way_to_the_store_and_back() {
    let document = json!({
        "client_id": "https://shop.example.com/",
        "backchannel_logout_uri": "https://shop.example.com/logout?tenant=a%20b",
        "backchannel_logout_session_required": true,
        "id_token_signed_response_alg": "RS256",
        "logout_token_subject": "sid",
        "subject_logout": "sub_only",
        "logout_causes": ["user_logout", "risk", "risk"],
        "include_cause": true,
        "allow_networks": ["10.0.0.0/8", "fd00::/8"],
        "allow_http": true,
        "ca_file": "/run/ca.pem",
        "client_certificate_file": "/run/client.pem",
        "timeout": "5s",
        "redirect_uris": ["https://shop.example.com/cb"],
        "frontchannel_logout_uri": "https://shop.example.com/front",
        "client_uri": "https://shop.example.com",
        "userinfo_signed_response_alg": "none",
    });
    let metadata = validate(&document, &RULES).unwrap();
    assert_eq!(metadata.logout_causes, Some(vec![Cause::Risk, Cause::UserLogout]));
    assert_eq!(metadata.timeout, Some(Duration::from_secs(5)));
    let uri = metadata.backchannel_logout_uri.as_ref().unwrap();
    assert_eq!(uri.as_str(), "https://shop.example.com/logout?tenant=a%20b");
    let stored = serde_json::to_value(&metadata).unwrap();
    assert_eq!(ClientMetadata::from_stored(&stored), Ok(metadata));
}

#[test]
fn the_least_registration_is_an_id() {
    let metadata = validate(&json!({"client_id": null}), &RULES).unwrap();
    assert_eq!(metadata.client_id, "shop");
    assert_eq!(metadata.backchannel_logout_uri, None);
    assert_eq!(metadata.logout_causes, None);
    assert_eq!(serde_json::to_value(&metadata).unwrap().get("timeout"), None);
}

#[test]
fn every_field_says_what_is_wrong_with_it() {
    const ALGS: &str = "use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";
    let cases = [
        (json!([]), vec![": must be an object with the client's metadata, not a list".to_owned()]),
        (
            json!({"backchannel_logout_uri": "https://a.example/x#top", "include_cause": "yes"}),
            vec![
                "backchannel_logout_uri: has a fragment (#top), which the specification forbids; remove it".into(),
                "include_cause: must be true or false, not a string".into(),
            ],
        ),
        (
            json!({"backchannel_logout_uri": "http://a.example/x"}),
            vec!["backchannel_logout_uri: is plain http; use https, or set allow_http = true for this client".into()],
        ),
        (
            json!({"backchannel_logout_uri": "/logout"}),
            vec![
                "backchannel_logout_uri: is not an absolute URL (relative URL without a base); write one like \
                 \"https://app.example.com/logout\""
                    .into(),
            ],
        ),
        (
            json!({"backchannel_logout_uri": "ftp://a.example/"}),
            vec!["backchannel_logout_uri: has the scheme \"ftp\"; only https, or http where allow_http is true".into()],
        ),
        (
            json!({"backchannel_logout_uri": "https://u:p@a.example/"}),
            vec![
                "backchannel_logout_uri: carries a user name or password, which would be shown wherever the URI is; \
                 remove it"
                    .into(),
            ],
        ),
        (
            json!({"id_token_signed_response_alg": "none"}),
            vec![format!("id_token_signed_response_alg: \"none\" would let anybody forge a logout token; {ALGS}")],
        ),
        (
            json!({"id_token_signed_response_alg": "HS256"}),
            vec![format!(
                "id_token_signed_response_alg: \"HS256\" signs with a secret that the client shares, and logout \
                 tokens are signed with the issuer's private keys alone; {ALGS}"
            )],
        ),
        (
            json!({"id_token_signed_response_alg": "ES256"}),
            vec![
                "id_token_signed_response_alg: is ES256, and the issuer has no key for it (it has: RS256); add a key \
                 or use another"
                    .into(),
            ],
        ),
        (
            json!({"logout_causes": []}),
            vec!["logout_causes: is empty, so the client would never be told; leave it out for all causes".into()],
        ),
        (
            json!({"allow_networks": ["10.0.0.1/8", "10.0.0.1", "net"]}),
            vec![
                "allow_networks[0]: \"10.0.0.1/8\" has bits set beyond its prefix; write \"10.0.0.0/8\"".into(),
                "allow_networks[1]: \"10.0.0.1\" is an address; for that one alone write \"10.0.0.1/32\"".into(),
                "allow_networks[2]: \"net\" is not a network; write one like \"10.0.0.0/8\"".into(),
            ],
        ),
        (
            json!({"timeout": "28s"}),
            vec!["timeout: must be shorter than 28s, which delivery.lease leaves for an attempt".into()],
        ),
        (
            json!({"backchannel_logout_url": "https://a.example/", "client_name": "Shop"}),
            vec!["backchannel_logout_url: is not a key; did you mean `backchannel_logout_uri`?".into()],
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(errors(&document, &RULES), expected, "{document}");
    }
}

#[test]
fn an_address_and_a_document_name_the_same_client() {
    let rules = Rules { client_id: IdFrom::Exactly("shop"), ..RULES };
    assert_eq!(errors(&json!({"client_id": "shop"}), &rules), Vec::<String>::new());
    assert_eq!(
        errors(&json!({"client_id": "blog"}), &rules),
        ["client_id: is \"blog\", and the address says \"shop\"; make them the same"]
    );
    let rules = Rules { client_id: IdFrom::Document, ..RULES };
    assert_eq!(errors(&json!({}), &rules), ["client_id: is missing; write the client's id at the issuer"]);
}

#[test]
fn the_file_refuses_what_a_document_may_carry() {
    let rules = Rules { unknown: Unknown::Refuse, ..RULES };
    let found = errors(&json!({"client_name": "Shop"}), &rules);
    assert!(found[0].starts_with("client_name: is not a key; known here: allow_http, allow_networks, "), "{found:?}");
}
