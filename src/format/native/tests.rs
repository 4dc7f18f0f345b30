//! Which bodies are read, which are refused, and what does the refusal say?

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::model::{Directory, IssuerKey};

const NOW: OffsetDateTime = datetime!(2026-11-22 10:15:00 UTC);

fn issuer(key: i32, name: &str, sid_is_session_id: bool) -> Arc<Issuer> {
    Arc::new(Issuer {
        key: IssuerKey(key),
        name: name.into(),
        issuer: format!("https://{name}.example.com"),
        default_alg: Algorithm::RS256,
        sid_is_session_id,
        reuses_session_ids: false,
        logs_out_offline: false,
    })
}

fn directory() -> Directory {
    Directory::new([issuer(1, "main", true), issuer(2, "nosid", false), issuer(3, "other", true)], [])
}

fn read(body: &[u8], allow_bulk: bool) -> Result<Parsed, Malformed> {
    let allowed = ["main".to_owned(), "nosid".to_owned()];
    parse(body, &Context { directory: &directory(), issuers: Some(&allowed), allow_bulk, now: NOW })
}

fn event(kind: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "e1", "source": "https://main.example.com", "type": kind,
           "time": "2026-11-22T10:15:00Z", "datacontenttype": "application/json", "data": data})
}

fn opening() -> Value {
    event("signoff.session.opened", &json!({"session_id": "s1", "subject": "u1", "client_id": "shop"}))
}

/// `base` with the value at this JSON pointer replaced, or added to its object.
fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    base.pointer_mut(parent).unwrap()[name] = value;
    base
}

fn without(mut base: Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    base.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    base
}

fn kind_of(body: &Value) -> EventKind {
    match read(body.to_string().as_bytes(), true).unwrap() {
        Parsed::Event(event) => event.kind,
        Parsed::Ignored(_) => panic!("ignored: {body}"),
    }
}

fn opened_as(body: &Value) -> Opening {
    let EventKind::Opened(opening) = kind_of(body) else { panic!("{body}") };
    opening
}

fn logout_as(data: &Value) -> LogoutRequest {
    let EventKind::Logout(logout) = kind_of(&event("signoff.logout", data)) else { panic!("{data}") };
    logout
}

#[test]
fn an_opening_takes_its_defaults_from_the_subject_and_the_issuer() {
    let plain = Opening {
        session_id: "s1".into(),
        subject: "u1".into(),
        client_id: "shop".into(),
        sid: Some("s1".into()),
        sub: "u1".into(),
        expires_at: None,
        offline: false,
    };
    let nosid = |body| with(body, "/source", json!("https://nosid.example.com"));
    let sid = |value| with(opening(), "/data/sid", value);
    let full = with(
        with(with(sid(json!("x")), "/data/sub", json!("pair")), "/data/offline", json!(true)),
        "/data/expires_at",
        json!("2026-11-23T11:15:00.1234567+01:00"),
    );
    let expires_at = Some(datetime!(2026-11-23 10:15:00.123456 UTC));
    let table = [
        (opening(), plain.clone()),
        (sid(Value::Null), Opening { sid: None, ..plain.clone() }),
        (nosid(opening()), Opening { sid: None, ..plain.clone() }),
        (nosid(sid(json!("y"))), Opening { sid: Some("y".into()), ..plain.clone() }),
        (full, Opening { sid: Some("x".into()), sub: "pair".into(), offline: true, expires_at, ..plain.clone() }),
        (with(with(opening(), "/data/sub", Value::Null), "/data/more", json!([1])), plain),
    ];
    for (body, expected) in table {
        assert_eq!(opened_as(&body), expected, "{body}");
    }
}

#[test]
fn the_envelope_becomes_the_event() {
    let Ok(Parsed::Event(read)) = read(opening().to_string().as_bytes(), false) else { panic!() };
    assert_eq!((read.issuer, read.id.as_str(), read.time), (IssuerKey(1), "e1", Some(NOW)));
    let good = [
        without(opening(), "/time"),
        with(opening(), "/time", Value::Null),
        with(opening(), "/time", json!("2026-11-22T10:20:00Z")),
        with(opening(), "/time", json!("2000-01-01T00:00:00Z")),
        with(opening(), "/datacontenttype", json!("application/vnd.x+json; charset=utf-8")),
        without(opening(), "/datacontenttype"),
        with(opening(), "/traceparent", json!({"any": "thing"})),
        with(opening(), "/id", json!("x".repeat(255))),
        with(opening(), "/data/client_id", json!("c".repeat(512))),
        with(opening(), "/data/subject", json!("ü€")),
    ];
    for body in good {
        opened_as(&body);
    }
}

#[test]
fn a_closing_names_session_and_client() {
    let body = event("signoff.session.closed", &json!({"session_id": "s1", "client_id": "shop"}));
    assert_eq!(kind_of(&body), EventKind::Closed(Closing { session_id: "s1".into(), client_id: "shop".into() }));
}

#[test]
fn a_logout_has_exactly_one_scope() {
    let session = Scope::Session { session_id: "s1".into() };
    let subject = |client: Option<&str>| Scope::Subject { subject: "u1".into(), client_id: client.map(Into::into) };
    let table = [
        (json!({"session_id": "s1"}), session.clone()),
        (json!({"session_id": "s1", "subject": null, "all": false}), session),
        (json!({"subject": "u1"}), subject(None)),
        (json!({"subject": "u1", "client_id": "shop"}), subject(Some("shop"))),
        (json!({"client_id": "shop"}), Scope::Bulk { client_id: Some("shop".into()) }),
        (json!({"all": true}), Scope::Bulk { client_id: None }),
    ];
    for (data, expected) in table {
        assert_eq!(logout_as(&data).scope, expected, "{data}");
    }
    let full = logout_as(&json!({"subject": "u1", "cause": "password_changed", "initiator": "shop",
        "exclude_initiator": true, "sessions": [{"client_id": "a", "sid": "x"}, {"client_id": "b", "sub": "y"}]}));
    assert_eq!(
        (full.cause, full.initiator.as_deref(), full.exclude_initiator),
        (Cause::PasswordChanged, Some("shop"), true)
    );
    assert_eq!(full.sessions.len(), 2);
    assert_eq!(logout_as(&json!({"session_id": "s1"})).cause, Cause::Unspecified);
}

#[test]
fn an_unknown_type_is_ignored_but_its_envelope_is_checked() {
    let other = event("com.example.user.renamed", &json!("anything"));
    assert_eq!(read(other.to_string().as_bytes(), false), Ok(Parsed::Ignored(IssuerKey(1))));
    let stranger = with(other, "/source", json!("https://elsewhere.example.com"));
    assert_eq!(read(stranger.to_string().as_bytes(), false).unwrap_err().reason, Reason::UnknownIssuer);
}

/// Every refusal: the body, its reason, and how its detail begins.
fn refused() -> Vec<(Value, Reason, &'static str)> {
    use Reason::{BulkNotAllowed, IssuerNotAllowed, Malformed, UnknownIssuer};
    let o = opening;
    let logout = |data: Value| event("signoff.logout", &data);
    let many = vec![json!({"client_id": "a", "sid": "x"}); 1001];
    vec![
        (json!([]), Malformed, "$ must be an object"),
        (json!("text"), Malformed, "$ must be an object"),
        (without(o(), "/specversion"), Malformed, "$.specversion is missing"),
        (with(o(), "/specversion", json!("0.3")), Malformed, "$.specversion must be \"1.0\""),
        (with(o(), "/specversion", json!(1.0)), Malformed, "$.specversion must be a string"),
        (without(o(), "/id"), Malformed, "$.id is missing"),
        (with(o(), "/id", json!("")), Malformed, "$.id must not be empty"),
        (with(o(), "/id", json!(7)), Malformed, "$.id must be a string"),
        (with(o(), "/id", json!("x".repeat(256))), Malformed, "$.id is longer than 255 bytes"),
        (with(o(), "/id", json!("x".repeat(6000))), Malformed, "$.id is longer"),
        (with(o(), "/id", json!("a\u{0}b")), Malformed, "$.id contains a control character"),
        (with(o(), "/id", json!("a\u{85}b")), Malformed, "$.id contains a control character"),
        (without(o(), "/source"), Malformed, "$.source is missing"),
        (with(o(), "/source", json!("s".repeat(513))), Malformed, "$.source is longer than 512 bytes"),
        (
            with(o(), "/source", json!("https://main.example.com/")),
            UnknownIssuer,
            "$.source is not a configured issuer",
        ),
        (with(o(), "/source", json!("https://other.example.com")), IssuerNotAllowed, "$.source is not an issuer this"),
        (without(o(), "/type"), Malformed, "$.type is missing"),
        (with(o(), "/time", json!("yesterday")), Malformed, "$.time must be RFC 3339"),
        (with(o(), "/time", json!(1_700_000_000)), Malformed, "$.time must be a string"),
        (with(o(), "/time", json!("2026-11-22T10:20:01Z")), Malformed, "$.time is more than 5 minutes ahead"),
        (with(o(), "/time", json!("1999-12-31T23:59:59Z")), Malformed, "$.time must be in the years"),
        (with(o(), "/time", json!("9999-12-31T23:59:59-23:59")), Malformed, "$.time must be in the years"),
        (with(o(), "/datacontenttype", json!("text/plain")), Malformed, "$.datacontenttype must be JSON"),
        (without(o(), "/data"), Malformed, "$.data is missing"),
        (with(o(), "/data", json!("{}")), Malformed, "$.data must be an object"),
        (without(o(), "/data/session_id"), Malformed, "$.data.session_id is missing"),
        (with(o(), "/data/session_id", json!("a\u{0}")), Malformed, "$.data.session_id contains a control"),
        (with(o(), "/data/session_id", json!(["s1"])), Malformed, "$.data.session_id must be a string"),
        (without(o(), "/data/subject"), Malformed, "$.data.subject is missing"),
        (with(o(), "/data/subject", json!("ü".repeat(128))), Malformed, "$.data.subject is longer than 255 bytes"),
        (without(o(), "/data/client_id"), Malformed, "$.data.client_id is missing"),
        (with(o(), "/data/client_id", json!("c".repeat(513))), Malformed, "$.data.client_id is longer than 512"),
        (with(o(), "/data/sid", json!("")), Malformed, "$.data.sid must not be empty"),
        (with(o(), "/data/sid", json!(false)), Malformed, "$.data.sid must be a string"),
        (with(o(), "/data/sub", json!("x".repeat(256))), Malformed, "$.data.sub is longer than 255 bytes"),
        (with(o(), "/data/expires_at", json!("2201-01-01T00:00:00Z")), Malformed, "$.data.expires_at must be in"),
        (with(o(), "/data/offline", json!("yes")), Malformed, "$.data.offline must be true or false"),
        (event("signoff.session.closed", &json!({"session_id": "s"})), Malformed, "$.data.client_id is missing"),
        (logout(json!({})), Malformed, "$.data has no scope"),
        (logout(json!({"session_id": "s", "subject": "u"})), Malformed, "$.data has more than one scope"),
        (logout(json!({"session_id": "s", "client_id": "c"})), Malformed, "$.data has more than one scope"),
        (logout(json!({"subject": "u", "all": true})), Malformed, "$.data has more than one scope"),
        (logout(json!({"client_id": "c"})), BulkNotAllowed, "$.data.client_id alone is not allowed here"),
        (logout(json!({"all": true})), BulkNotAllowed, "$.data.all alone is not allowed here"),
        (logout(json!({"all": "true"})), Malformed, "$.data.all must be true or false"),
        (logout(json!({"session_id": "s", "cause": "boredom"})), Malformed, "$.data.cause is not a known cause"),
        (logout(json!({"session_id": "s", "initiator": 3})), Malformed, "$.data.initiator must be a string"),
        (logout(json!({"session_id": "s", "sessions": {}})), Malformed, "$.data.sessions must be an array"),
        (logout(json!({"session_id": "s", "sessions": ["a"]})), Malformed, "$.data.sessions[0] must be an object"),
        (logout(json!({"session_id": "s", "sessions": many})), Malformed, "$.data.sessions has more than 1000"),
        (
            logout(json!({"session_id": "s", "sessions": [{"client_id": "a", "sid": "x"}]})),
            BulkNotAllowed,
            "$.data.sessions is not allowed here",
        ),
    ]
}

#[test]
fn every_refusal_names_its_reason_and_path() {
    for (body, reason, detail) in refused() {
        let got = read(body.to_string().as_bytes(), false).expect_err(&body.to_string());
        assert_eq!(got.reason, reason, "{body}");
        assert!(got.detail.starts_with(detail), "{body}: {}", got.detail);
        assert!(got.line().len() <= 256);
    }
    let named = event("signoff.logout", &json!({"session_id": "s", "sessions": [{"client_id": "a"}]}));
    let got = read(named.to_string().as_bytes(), true).unwrap_err();
    assert!(got.detail.starts_with("$.data.sessions[0].sid and sub"), "{}", got.detail);
}

#[test]
fn a_refusal_never_repeats_a_subject_or_sid() {
    let secret = "kleopatra";
    let subject = format!("{secret}{}", "x".repeat(255));
    for name in ["subject", "sid", "sub", "session_id"] {
        let body = with(opening(), &format!("/data/{name}"), json!(subject));
        assert!(!read(body.to_string().as_bytes(), false).unwrap_err().to_string().contains(secret), "{name}");
    }
    let cut = opening().to_string().replace("u1", secret).replace('}', "");
    assert!(!read(cut.as_bytes(), false).unwrap_err().to_string().contains(secret));
}

#[test]
fn what_is_not_json_or_too_long_is_refused() {
    let deep = "[".repeat(100_000);
    let table: [(&[u8], Reason); 6] = [
        (b"", Reason::Malformed),
        (b"{", Reason::Malformed),
        (b"\xff\xfe{}", Reason::Malformed),
        (b"\xef\xbb\xbf{}", Reason::Malformed),
        (&deep.as_bytes()[..60_000], Reason::Malformed),
        (deep.as_bytes(), Reason::TooLarge),
    ];
    for (body, reason) in table {
        assert_eq!(read(body, false).unwrap_err().reason, reason);
    }
    let mut full = opening().to_string();
    full.push_str(&" ".repeat(MAX_BODY - full.len()));
    assert!(read(full.as_bytes(), false).is_ok());
    full.push(' ');
    assert_eq!(read(full.as_bytes(), false).unwrap_err().reason, Reason::TooLarge);
}

fn read_batch(body: &str) -> Result<Vec<Parsed>, Malformed> {
    parse_batch(body.as_bytes(), &Context { directory: &directory(), issuers: None, allow_bulk: false, now: NOW })
}

#[test]
fn a_batch_is_read_whole_or_its_first_mistake_is_named() {
    assert_eq!(read_batch("[]"), Ok(vec![]));
    assert_eq!(read_batch(&json!([opening(), opening()]).to_string()).unwrap().len(), 2);
    let bad = read_batch(&json!([opening(), opening(), without(opening(), "/id"), 7]).to_string()).unwrap_err();
    assert_eq!((bad.index, bad.line().as_str()), (Some(2), "malformed: event 2: $.id is missing"));
    let padded = format!("[{}]", with(opening(), "/pad", json!("x".repeat(MAX_BODY))));
    let table = [
        (opening().to_string(), Reason::Malformed, None),
        ("\"secret\"".into(), Reason::Malformed, None),
        ("[1,".into(), Reason::Malformed, None),
        (Value::from(vec![0; 1001]).to_string(), Reason::TooLarge, None),
        (format!("[{}]", " ".repeat(MAX_BATCH_BODY)), Reason::TooLarge, None),
        (padded, Reason::TooLarge, Some(0)),
    ];
    for (body, reason, index) in table {
        let got = read_batch(&body).unwrap_err();
        assert_eq!((got.reason, got.index), (reason, index));
        assert!(!got.to_string().contains("secret"));
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = read(&body, true);
        let _ = read_batch(&String::from_utf8_lossy(&body));
    }

    #[test]
    fn no_mutation_of_a_good_event_panics_or_passes_what_cannot_be_stored(
        at in 0usize..400, byte in any::<u8>(), cut in 0usize..400, which in 0usize..3,
    ) {
        let bodies = [
            opening(),
            event("signoff.logout", &json!({"subject": "u1", "sessions": [{"client_id": "a", "sid": "x", "sub": null}]})),
            event("signoff.session.closed", &json!({"session_id": "s1", "client_id": "shop"})),
        ];
        let mut body = bodies[which].to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        if let Ok(Parsed::Event(event)) = read(&body, true) {
            prop_assert!(!event.id.is_empty() && event.id.len() <= 255 && !event.id.contains('\0'));
        }
        body.truncate(cut);
        let _ = read(&body, true);
    }

    #[test]
    fn any_text_is_refused_or_kept_as_it_is(text in any::<String>()) {
        let body = with(opening(), "/data/subject", json!(text));
        let fits = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
        match read(body.to_string().as_bytes(), false) {
            Ok(Parsed::Event(Event { kind: EventKind::Opened(opening), .. })) => {
                prop_assert!(fits);
                prop_assert_eq!(opening.subject, text);
            }
            other => prop_assert!(!fits && other.is_err()),
        }
    }
}
