//! Do sessions and logouts read as promised, page by page, without subjects and sids in clear?

use std::time::Duration;

use serde_json::{Value, json};
use signoff::model::{AbandonReason, Outcome, Verdict, hashed};

use super::http::Call;
use super::world::{Setup, World};

/// Ann at three clients, logged out: one delivered, one abandoned, one skipped; Bob at one.
async fn busy() -> World {
    let world = World::start(Setup::open()).await;
    for client in ["shop", "mail", "skipped"] {
        world.opened("main", "ann", client).await;
    }
    world.opened("main", "bob", "wiki").await;
    world.logout("main", "ann").await;
    world.tried("main", "shop", Outcome::Accepted, Verdict::Delivered).await;
    world.tried("main", "mail", Outcome::Refused, Verdict::Abandon(AbandonReason::Refused)).await;
    world
}

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn sessions_are_found_by_user_provider_session_or_client() {
    let world = busy().await;
    world.opened("main", "bob", "shop").await;
    let wiki = json!({
        "issuer": "main", "client_id": "wiki", "session_id_hash": hashed("psid-bob"),
        "subject_hash": hashed("user-bob"), "sid_hash": hashed("sid-bob-wiki"), "sub_hash": hashed("sub-bob"),
        "opened_at": "2026-11-22T10:14:00Z", "expires_at": "2026-12-22T10:14:00Z", "offline": false,
    });
    for (query, count) in [
        ("subject=user-bob", 2),
        ("session_id=psid-bob", 2),
        ("client_id=wiki", 1),
        ("subject=user-bob&client_id=wiki", 1),
        ("subject=user-ann", 0),
        ("client_id=never-seen", 0),
    ] {
        let page = world.get(&format!("/v1/sessions?issuer=main&{query}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{query}");
        assert_eq!(items.contains(&wiki), count > 0, "{query}: {page}");
    }
}

#[tokio::test]
async fn a_question_about_sessions_names_an_issuer_and_one_key() {
    let world = World::start(Setup::open()).await;
    for (query, name) in [
        ("", "invalid-query"),
        ("?subject=a", "invalid-query"),
        ("?issuer=main", "invalid-query"),
        ("?issuer=main&subject=", "invalid-query"),
        ("?issuer=main&subject=%00", "invalid-query"),
        ("?issuer=main&subject=a&limit=0", "invalid-query"),
        ("?issuer=main&subject=a&limit=501", "invalid-query"),
        ("?issuer=main&subject=a&sid=b", "invalid-query"),
        ("?issuer=main&subject=a&cursor=no", "invalid-request"),
    ] {
        world.get(&format!("/v1/sessions{query}")).await.problem(400, name);
    }
    world.get("/v1/sessions?issuer=no-such&subject=a").await.problem(404, "unknown-issuer");
}

#[tokio::test]
async fn a_logout_says_who_may_still_be_signed_in() {
    let world = busy().await;
    let list = world.get("/v1/logouts").await.expect(200);
    let id = ids(&list)[0];
    let expected = json!({
        "id": id, "issuer": "main", "event_id": "logout-ann",
        "scope": {"kind": "session", "session_id_hash": hashed("psid-ann")},
        "cause": "user_logout", "initiator": null, "exclude_initiator": false,
        "happened_at": "2026-11-22T10:14:00Z", "accepted_at": "2026-11-22T10:15:00Z",
        "counts": {"pending": 0, "delivered": 1, "abandoned": 1, "skipped": 1}, "settled": true,
    });
    assert_eq!(list, json!({"items": [expected], "next": null}));

    let one = world.get(&format!("/v1/logouts/{id}")).await.expect(200);
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(one[name], *value, "{name}");
    }
    assert_eq!(one["deliveries"].as_array().unwrap().len(), 3);
    let mut still: Vec<_> = one["may_still_be_signed_in"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (text("client_id"), text("state"), text("reason"))
        })
        .collect();
    still.sort();
    let entry = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(still, [entry("mail", "abandoned", "refused"), entry("skipped", "skipped", "no_logout_uri")]);
}

#[tokio::test]
async fn logouts_are_filtered_and_paged_newest_first() {
    let world = World::start(Setup::open()).await;
    for user in ["a", "b", "c", "d", "e"] {
        world.opened("main", user, "shop").await;
        world.logout("main", user).await;
    }
    let all = ids(&world.get("/v1/logouts").await.expect(200));
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted_by(|a, b| a > b), "{all:?}");

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/logouts?limit=2{cursor}")).await.expect(200);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, all);

    for query in ["event_id=logout-c", "session_id=psid-c", "issuer=main&session_id=psid-c"] {
        assert_eq!(ids(&world.get(&format!("/v1/logouts?{query}")).await.expect(200)), [all[2]], "{query}");
    }
    assert_eq!(ids(&world.get("/v1/logouts?subject=user-c").await.expect(200)), [0; 0]);
    world.get("/v1/logouts/999").await.problem(404, "not-found");
    world.get("/v1/logouts/word").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_page_shows_who_may_still_be_signed_in() {
    let world = busy().await;
    world.opened("main", "eve", "<b>x</b>").await;
    world.logout("main", "eve").await;
    world.opened("main", "bob", "shop").await;
    world.logout("main", "bob").await;
    world.time.passes(Duration::from_secs(90));
    let page = world.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.body.contains("http-equiv=\"refresh\""));
    for wanted in [
        "<td>mail<td class=\"n\">1<td class=\"n\">0<td>refused<td>",
        "<td>skipped<td class=\"n\">0<td class=\"n\">1<td>no_logout_uri<td>",
        "<td>shop<td class=\"n\">0<td class=\"n\">0<td><td>1m 30s",
        "<td>&lt;b&gt;x&lt;/b&gt;<td",
        "pending <b>3</b>",
        "abandoned <b>1</b>",
        "<td>user_logout<td class=\"n\">0<td class=\"n\">1<td class=\"n\">1<td class=\"n\">1",
    ] {
        assert!(page.body.contains(wanted), "{wanted}\n{}", page.body);
    }
    assert!(!page.body.contains("<script") && !page.body.contains("<b>x"));
}

#[tokio::test]
async fn the_page_of_a_quiet_service_says_so() {
    let world = World::start(Setup::open()).await;
    assert!(world.get("/").await.body.contains("Nobody"));
}

#[tokio::test]
async fn no_answer_holds_a_subject_or_sid_in_clear() {
    let world = busy().await;
    let secrets = ["psid-ann", "user-ann", "sid-ann", "sub-ann", "psid-bob", "user-bob", "sid-bob", "sub-bob"];
    let delivery = ids(&world.get("/v1/deliveries").await.expect(200))[0];
    let targets = [
        "/v1/sessions?issuer=main&subject=user-bob".to_owned(),
        "/v1/sessions?issuer=main&subject=user-bob&sid-bob=user-ann".to_owned(),
        "/v1/sessions?issuer=main&subject=user-bob&limit=user-ann".to_owned(),
        "/v1/sessions?issuer=user-ann&subject=user-bob".to_owned(),
        "/v1/logouts?session_id=psid-ann".to_owned(),
        "/v1/logouts/1".to_owned(),
        "/v1/logouts/1/progress".to_owned(),
        "/v1/logouts/user-ann".to_owned(),
        "/v1/deliveries?state=user-ann".to_owned(),
        "/v1/deliveries".to_owned(),
        format!("/v1/deliveries/{delivery}"),
        "/".to_owned(),
        "/metrics".to_owned(),
    ];
    let calls = targets.iter().map(|target| Call::get(target)).chain([
        Call::new("POST", "/v1/deliveries/redeliver").json(&json!({"user-ann": "sub-ann"})),
        Call::new("POST", "/v1/deliveries/redeliver").json(&json!({"all": "sid-ann, expected user-ann"})),
        Call::new("POST", "/v1/deliveries/redeliver").json(&json!({"issuer": ["sid-ann"]})),
        Call::new("POST", "/v1/deliveries/redeliver").json(&json!({"issuer": "sid-ann"})),
    ]);
    for call in calls {
        let answer = world.call(call.clone()).await;
        for secret in secrets {
            assert!(!answer.body.contains(secret), "{call:?}: {}", answer.body);
        }
    }
    // The search finds what it looks for: the hashes are there.
    let sessions = world.get(&targets[0]).await.body;
    assert!(sessions.contains(&hashed("user-bob")) && sessions.contains(&hashed("sid-bob-wiki")), "{sessions}");
}
