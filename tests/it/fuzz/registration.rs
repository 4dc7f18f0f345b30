//! Registration metadata: whatever it holds, it is refused by field, or kept as it was given.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use signoff::model::ClientMetadata;
use signoff::model::registration::{IdFrom, Rules, Unknown, validate};

use super::{cases, odd_json, odd_text};

const MEMBERS: [&str; 16] = [
    "client_id",
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "id_token_signed_response_alg",
    "logout_token_subject",
    "subject_logout",
    "logout_causes",
    "include_cause",
    "allow_networks",
    "allow_http",
    "ca_file",
    "client_certificate_file",
    "timeout",
    "backchannel_logout_url",
    "redirect_uris",
    "",
];

/// Values that some member takes, and any others.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec![
            json!("https://rp.example/logout?x=1"),
            json!("http://rp.example/"),
            json!("https://user:secret@rp.example/"),
            json!("https://0x7f.1/#top"),
            json!("ES256"),
            json!("none"),
            json!("sid"),
            json!("sub_only"),
            json!(["user_logout", "risk"]),
            json!(["10.0.0.0/8", "::/0"]),
            json!(true),
            json!("5s"),
            json!("/etc/ca.pem"),
        ]),
        odd_text().prop_map(|host| json!(format!("https://{host}/logout"))),
        odd_json(),
    ]
}

fn rules(unknown: Unknown, allow_http: bool) -> Rules<'static> {
    Rules { client_id: IdFrom::Default("shop"), unknown, allow_http, algs: None, longest_timeout: None }
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn any_document_is_refused_by_field_or_kept_as_it_is(
        members in vec((select(MEMBERS.to_vec()), value()), 0..6), more in odd_json(), strict in any::<bool>(),
        allow_http in any::<bool>(), bare in any::<bool>(),
    ) {
        let document: Map<String, Value> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let document = if bare { more } else { document.into() };
        let unknown = if strict { Unknown::Refuse } else { Unknown::RefuseNearMisses };
        match validate(&document, &rules(unknown, allow_http)) {
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                prop_assert!(errors.iter().all(|error| !error.message.is_empty()));
                prop_assert!(errors.iter().all(|error| error.field != "backchannel_logout_uri" || !error.message.contains("secret")), "{errors:?}");
            }
            Ok(metadata) => {
                if let Some(uri) = &metadata.backchannel_logout_uri {
                    prop_assert!(uri.has_host() && uri.fragment().is_none(), "{uri}");
                    prop_assert!(uri.username().is_empty() && uri.password().is_none(), "{uri}");
                    prop_assert!(uri.scheme() == "https" || allow_http || metadata.allow_http == Some(true), "{uri}");
                }
                prop_assert!(!metadata.client_id.is_empty() && metadata.client_id.len() <= 512);
                prop_assert!(!metadata.client_id.chars().any(char::is_control));
                let stored = serde_json::to_value(&metadata).expect("JSON");
                prop_assert_eq!(ClientMetadata::from_stored(&stored), Ok(metadata));
            }
        }
    }
}
