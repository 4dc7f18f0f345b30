//! Which calls exist, and which token opens which?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use signoff::admin::Scope;
use signoff::model::{AbandonReason, Outcome, Verdict};

use super::http::Call;
use super::world::{Setup, World, token};

/// Method, path and needed scope (empty: none) of every call.
const CALLS: [(&str, &str, &str); 21] = [
    ("POST", "/v1/events", "events"),
    ("GET", "/v1/issuers/{name}/clients", "read"),
    ("PUT", "/v1/issuers/{name}/clients", "admin"),
    ("DELETE", "/v1/issuers/{name}/clients", "admin"),
    ("GET", "/v1/issuers/{name}/clients/{client_id}", "read"),
    ("PUT", "/v1/issuers/{name}/clients/{client_id}", "admin"),
    ("DELETE", "/v1/issuers/{name}/clients/{client_id}", "admin"),
    ("GET", "/v1/sessions", "read"),
    ("GET", "/v1/logouts", "read"),
    ("GET", "/v1/logouts/{id}", "read"),
    ("GET", "/v1/logouts/{id}/progress", "read"),
    ("GET", "/v1/deliveries", "read"),
    ("GET", "/v1/deliveries/{id}", "read"),
    ("POST", "/v1/deliveries/{id}/redeliver", "admin"),
    ("POST", "/v1/deliveries/redeliver", "admin"),
    ("GET", "/.well-known/jwks.json", ""),
    ("GET", "/livez", ""),
    ("GET", "/readyz", ""),
    ("GET", "/metrics", "read"),
    ("GET", "/openapi.json", ""),
    ("GET", "/", "read"),
];

/// Method, path and scope of every operation in the document.
fn operations(document: &Value) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["bearer"][0].as_str().unwrap_or_default();
            found.insert((method.to_uppercase(), path.clone(), scope.to_owned()));
        }
    }
    found
}

fn filled(path: &str) -> String {
    path.replace("{name}", "main").replace("{client_id}", "shop").replace("{id}", "1")
}

#[tokio::test]
async fn the_document_lists_every_call_with_its_scope() {
    let world = World::start(Setup::open()).await;
    let expected = CALLS.iter().map(|(m, p, s)| ((*m).into(), (*p).into(), (*s).into())).collect();
    assert_eq!(operations(&world.get("/openapi.json").await.expect(200)), expected);
}

/// Method and path of every handler in the sources.
fn handlers() -> BTreeSet<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let attributes = text.lines().filter_map(|line| line.strip_prefix("#[")?.strip_suffix("\")]"));
        let routes = attributes.filter_map(|attribute| attribute.split_once("(\""));
        found.extend(routes.map(|(method, path)| (method.to_uppercase(), path.to_owned())));
    }
    found
}

#[tokio::test]
async fn no_call_is_outside_the_document() {
    let world = World::start(Setup::closed(vec![token("all", &[Scope::Events, Scope::Read, Scope::Admin], &[])])).await;
    let documented = operations(&world.get("/openapi.json").await.expect(200));
    let paths: BTreeSet<_> = documented.into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(handlers(), paths);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    for (file, ways_round) in [("mod.rs", [".route(", ".resource("]), ("server.rs", [".resource(", ".service("])] {
        let text = fs::read_to_string(sources.join(file)).unwrap();
        assert!(!ways_round.iter().any(|way| text.contains(way)), "a call of {file} is in no document");
    }
    for target in ["/v1/", "/v1/tokens", "/v2/logouts", "/admin", "/debug/pprof", "/.env", "/metrics/", "/v1/logouts/"]
    {
        for call in [Call::get(target), Call::get(target).token("all"), Call::new("POST", target).token("all")] {
            world.call(call).await.problem(404, "not-found");
        }
    }
}

/// Every `$ref` in the document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_refers_to_nothing_it_does_not_hold() {
    let world = World::start(Setup::open()).await;
    let document = world.get("/openapi.json").await.expect(200);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"), "{found:?}");
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn every_call_opens_to_its_scope_alone() {
    let scopes = [Scope::Events, Scope::Bulk, Scope::Read, Scope::Admin];
    let world = World::start(Setup::closed(scopes.iter().map(|s| token(s.as_str(), &[*s], &[])).collect())).await;
    for (method, path, needed) in operations(&world.get("/openapi.json").await.expect(200)) {
        let call = Call::new(&method, &filled(&path)).header("Accept", "*/*");
        if needed.is_empty() {
            let status = world.call(call).await.status;
            assert!(![401, 403].contains(&status), "{method} {path}: {status}");
            continue;
        }
        for (name, call) in [("none", call.clone()), ("wrong", call.clone().token("guess"))] {
            let answer = world.call(call).await;
            answer.problem(401, "unauthorized");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.is_some_and(|c| c.starts_with("Bearer")), "{method} {path} with token {name}");
        }
        for scope in scopes {
            let answer = world.call(call.clone().token(scope.as_str())).await;
            if scope.as_str() == needed {
                assert!(![401, 403].contains(&answer.status), "{method} {path}: {}", answer.body);
            } else {
                answer.problem(403, "insufficient-scope");
                assert!(answer.header("www-authenticate").unwrap().contains(&format!("scope=\"{needed}\"")));
            }
        }
    }
}

#[tokio::test]
async fn a_token_limited_to_issuers_sees_and_names_no_other() {
    let all = [Scope::Events, Scope::Read, Scope::Admin];
    let world = World::start(Setup::closed(vec![token("all", &all, &[]), token("main", &all, &["main"])])).await;
    for issuer in ["main", "other"] {
        world.opened(issuer, "ann", "shop").await;
        world.opened(issuer, "bob", "shop").await;
        world.logout(issuer, "ann").await;
    }
    let lists = ["/v1/logouts", "/v1/deliveries"];
    for target in lists {
        let seen = world.call(Call::get(target).token("all")).await.expect(200);
        assert_eq!(seen["items"].as_array().unwrap().len(), 2, "{target}");
        let limited = world.call(Call::get(target).token("main")).await.expect(200);
        let items = limited["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[0]["issuer"]), (1, &Value::from("main")), "{target}");
        let foreign = seen["items"].as_array().unwrap().iter().find(|i| i["issuer"] == "other").unwrap()["id"].clone();
        world.call(Call::get(&format!("{target}/{foreign}")).token("all")).await.expect(200);
        world.call(Call::get(&format!("{target}/{foreign}")).token("main")).await.problem(404, "not-found");
        let action = if target.ends_with("logouts") { ("GET", "progress") } else { ("POST", "redeliver") };
        let call = Call::new(action.0, &format!("{target}/{foreign}/{}", action.1)).token("main");
        world.call(call).await.problem(404, "not-found");
    }
    for target in [
        "/v1/logouts?issuer=other",
        "/v1/deliveries?issuer=other",
        "/v1/sessions?issuer=other&client_id=shop",
        "/v1/issuers/other/clients",
        "/v1/issuers/other/clients/shop",
        "/v1/logouts?issuer=no-such",
        "/metrics",
    ] {
        world.call(Call::get(target).token("main")).await.problem(403, "issuer-not-allowed");
    }
    world.call(Call::get("/v1/sessions?issuer=main&client_id=shop").token("main")).await.expect(200);
    let put = Call::new("PUT", "/v1/issuers/other/clients/new").token("main").json(&json!({}));
    world.call(put).await.problem(403, "issuer-not-allowed");
    let delete = Call::new("DELETE", "/v1/issuers/other/clients/new").token("main");
    world.call(delete).await.problem(403, "issuer-not-allowed");
    for issuer in ["main", "other"] {
        world.tried(issuer, "shop", Outcome::Refused, Verdict::Abandon(AbandonReason::Refused)).await;
    }
    let redeliver = |token| Call::new("POST", "/v1/deliveries/redeliver").token(token).json(&json!({"all": true}));
    for (token, count) in [("main", 1), ("main", 0), ("all", 1)] {
        assert_eq!(world.call(redeliver(token)).await.expect(202), json!({"redelivered": count}), "{token}");
    }
    let page = world.call(Call::get("/").token("main")).await;
    assert!(page.body.contains("<td>main") && !page.body.contains("<td>other"), "{}", page.body);
}
