//! Events: whatever a body holds, it is read within the limits or refused with its JSON path.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use signoff::format::{Context, Format, MAX_BATCH, Malformed, Parsed, Reason, parse, parse_batch};
use signoff::model::{Directory, Event, EventKind, Issuer, IssuerKey, Scope};
use time::macros::datetime;

use super::{cases, odd_json, odd_text};

const ISSUER: &str = "https://idp.example.com";

fn directory() -> Directory {
    Directory::new(
        [Arc::new(Issuer {
            key: IssuerKey(1),
            name: "main".into(),
            issuer: ISSUER.into(),
            default_alg: Algorithm::RS256,
            sid_is_session_id: true,
            reuses_session_ids: false,
            logs_out_offline: false,
        })],
        [],
    )
}

fn with_context<T>(allow_bulk: bool, read: impl FnOnce(&Context<'_>) -> T) -> T {
    let directory = directory();
    let now = datetime!(2026-11-22 10:15:00 UTC);
    read(&Context { directory: &directory, issuers: None, allow_bulk, now })
}

fn read(body: &[u8], allow_bulk: bool) -> Result<Parsed, Malformed> {
    with_context(allow_bulk, |context| parse(Format::Native, body, context))
}

fn event(kind: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "e1", "source": ISSUER, "type": kind, "time": "2026-11-22T10:15:00Z",
           "datacontenttype": "application/json", "data": data})
}

fn good() -> impl Strategy<Value = Value> {
    let opened = json!({"session_id": "s", "subject": "u", "client_id": "c", "sid": "i", "sub": "p", "offline": true,
                        "expires_at": "2026-11-23T10:15:00Z"});
    let logout = json!({"session_id": "s", "cause": "user_logout", "initiator": "c", "exclude_initiator": true,
                        "sessions": [{"client_id": "c", "sid": "i", "sub": "p"}]});
    select(vec![
        event("signoff.session.opened", &opened),
        event("signoff.session.closed", &json!({"session_id": "s", "client_id": "c"})),
        event("signoff.logout", &logout),
        event("signoff.logout", &json!({"subject": "u", "client_id": "c"})),
        event("signoff.logout", &json!({"all": true})),
        event("somebody.elses", &json!({})),
    ])
}

/// One change to a document: another value, no value, one more.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, Value),
    Remove(Index),
    Add(Index, String, Value),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), odd_json()).prop_map(|(at, value)| Change::Replace(at, value)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), odd_text(), odd_json()).prop_map(|(at, name, value)| Change::Add(at, name, value)),
    ]
}

fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                found.push(path.clone());
                paths(member, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}/{index}");
                found.push(path.clone());
                paths(item, &path, found);
            }
        }
        _ => {}
    }
}

fn changed(mut document: Value, changes: &[Change]) -> Value {
    for change in changes {
        let mut found = Vec::new();
        paths(&document, "", &mut found);
        let (Change::Replace(at, _) | Change::Remove(at) | Change::Add(at, ..)) = change;
        if found.is_empty() {
            break;
        }
        let path = &found[at.index(found.len())];
        match change {
            Change::Replace(_, value) => *document.pointer_mut(path).expect("a member") = value.clone(),
            Change::Add(_, name, value) => {
                if let Some(Value::Object(members)) = document.pointer_mut(path) {
                    members.insert(name.clone(), value.clone());
                }
            }
            Change::Remove(_) => {
                let (parent, name) = path.rsplit_once('/').expect("a path");
                if let Some(Value::Object(members)) = document.pointer_mut(parent) {
                    members.remove(&name.replace("~1", "/").replace("~0", "~"));
                }
            }
        }
    }
    document
}

fn fits(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control)
}

/// Whether all of it can be stored.
fn storable(event: &Event) -> bool {
    let id = |text: &str| fits(text, 255);
    let client = |text: &str| fits(text, 512);
    let optional = |text: Option<&str>| text.is_none_or(id);
    let year = |at: Option<time::OffsetDateTime>| at.is_none_or(|at| (2000..=2200).contains(&at.year()));
    let kind = match &event.kind {
        EventKind::Opened(opening) => {
            id(&opening.session_id)
                && id(&opening.subject)
                && client(&opening.client_id)
                && optional(opening.sid.as_deref())
                && id(&opening.sub)
                && year(opening.expires_at)
        }
        EventKind::Closed(closing) => id(&closing.session_id) && client(&closing.client_id),
        EventKind::Logout(logout) => {
            logout.initiator.as_deref().is_none_or(client)
                && logout.sessions.len() <= 1000
                && logout.sessions.iter().all(|named| {
                    client(&named.client_id)
                        && optional(named.sid.as_deref())
                        && optional(named.sub.as_deref())
                        && (named.sid.is_some() || named.sub.is_some())
                })
        }
    };
    kind && id(&event.id) && year(event.time)
}

fn names_its_place(refused: &Malformed) -> bool {
    let line = refused.line();
    refused.detail.starts_with('$') && line.len() <= 256 && line.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn any_bytes_are_refused_with_a_place(body in vec(any::<u8>(), 0..300)) {
        for refused in [read(&body, true).err(), with_context(true, |c| parse_batch(Format::Native, &body, c)).err()] {
            prop_assert!(refused.is_none_or(|refused| names_its_place(&refused)));
        }
    }

    #[test]
    fn any_json_is_refused_with_a_place(value in odd_json()) {
        let refused = read(value.to_string().as_bytes(), true).expect_err("no event");
        prop_assert!(names_its_place(&refused), "{refused}");
    }

    #[test]
    fn an_event_changed_anyhow_is_refused_with_a_place_or_can_be_stored(
        good in good(), changes in vec(change(), 0..4), allow_bulk in any::<bool>(),
    ) {
        let body = changed(good, &changes);
        match read(body.to_string().as_bytes(), allow_bulk) {
            Ok(Parsed::Event(event)) => {
                prop_assert!(storable(&event), "{event:?}");
                if let EventKind::Logout(logout) = &event.kind {
                    let wide = matches!(logout.scope, Scope::Bulk { .. }) || !logout.sessions.is_empty();
                    prop_assert!(allow_bulk || !wide, "{event:?}");
                }
            }
            Ok(Parsed::Ignored(issuer)) => prop_assert_eq!(issuer, IssuerKey(1)),
            Err(refused) => prop_assert!(names_its_place(&refused), "{refused}"),
        }
    }

    #[test]
    fn a_logout_has_exactly_one_scope(
        session in any::<bool>(), subject in any::<bool>(), client in any::<bool>(), all in any::<bool>(),
        allow_bulk in any::<bool>(),
    ) {
        let mut data = json!({});
        for (given, name, value) in [
            (session, "session_id", json!("s")),
            (subject, "subject", json!("u")),
            (client, "client_id", json!("c")),
            (all, "all", json!(true)),
        ] {
            if given {
                data[name] = value;
            }
        }
        let got = read(event("signoff.logout", &data).to_string().as_bytes(), allow_bulk);
        let scope = got.map(|parsed| match parsed {
            Parsed::Event(Event { kind: EventKind::Logout(logout), .. }) => Some(logout.scope),
            _ => None,
        });
        let text = |text: &str| text.to_owned();
        let expected = match (session, subject, client, all) {
            (true, false, false, false) => Ok(Scope::Session { session_id: text("s") }),
            (false, true, with, false) => Ok(Scope::Subject { subject: text("u"), client_id: with.then(|| text("c")) }),
            (false, false, true, false) if allow_bulk => Ok(Scope::Bulk { client_id: Some(text("c")) }),
            (false, false, false, true) if allow_bulk => Ok(Scope::Bulk { client_id: None }),
            (false, false, true, false) | (false, false, false, true) => Err(Reason::BulkNotAllowed),
            _ => Err(Reason::Malformed),
        };
        prop_assert_eq!(scope.map_err(|refused| refused.reason), expected.map(Some));
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_batch_is_read_whole_or_its_first_bad_event_is_named(
        events in vec((good(), vec(change(), 0..2)), 0..8), cut in any::<Index>(), is_cut in any::<bool>(),
    ) {
        let events: Vec<Value> = events.into_iter().map(|(good, changes)| changed(good, &changes)).collect();
        let mut body = Value::from(events.clone()).to_string();
        if is_cut {
            let at = cut.index(body.len());
            body.truncate((0..=at).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0));
        }
        let first_bad = events.iter().position(|event| read(event.to_string().as_bytes(), true).is_err());
        match with_context(true, |context| parse_batch(Format::Native, body.as_bytes(), context)) {
            Ok(read) => prop_assert!(!is_cut && first_bad.is_none() && read.len() == events.len()),
            Err(refused) => {
                prop_assert!(names_its_place(&refused), "{refused}");
                prop_assert_eq!(refused.index, if is_cut { None } else { first_bad });
            }
        }
        prop_assert!(events.len() <= MAX_BATCH);
    }
}
