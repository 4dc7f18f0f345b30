//! Who gets in where no token is needed? Only programs and pages of this machine.

use signoff::admin::Scope;

use super::http::Call;
use super::world::{Setup, World, token};

#[tokio::test]
async fn without_tokens_the_host_must_be_a_loopback_name() {
    let world = World::start(Setup::open()).await;
    for (host, good) in [
        ("localhost", true),
        ("localhost:8080", true),
        ("127.0.0.1:1", true),
        ("[::1]:8080", true),
        ("evil.example", false),
        ("localhost.evil.example:8080", false),
        ("10.0.0.1", false),
    ] {
        let answer = world.call(Call::get("/v1/logouts").header("Host", host)).await;
        if good {
            answer.expect(200);
        } else {
            answer.problem(421, "wrong-host");
            world.call(Call::get("/livez").header("Host", host)).await.problem(421, "wrong-host");
        }
    }
    let absolute = Call::get("http://evil.example/v1/logouts").header("Host", "localhost");
    world.call(absolute).await.problem(421, "wrong-host");
}

#[tokio::test]
async fn without_tokens_pages_of_other_sites_may_not_call() {
    let world = World::start(Setup::open()).await;
    for (origin, good) in [
        ("http://localhost:3000", true),
        ("https://evil.example", false),
        ("null", false),
        ("http://localhost.evil", false),
    ] {
        let call = Call::new("POST", "/v1/deliveries/1/redeliver").header("Origin", origin);
        let answer = world.call(call).await;
        if good {
            answer.problem(404, "not-found");
        } else {
            answer.problem(403, "foreign-origin");
        }
    }
}

#[tokio::test]
async fn with_tokens_any_host_may_be_named() {
    let world = World::start(Setup::closed(vec![token("r", &[Scope::Read], &[])])).await;
    world.call(Call::get("/v1/logouts").header("Host", "signoff.svc").token("r")).await.expect(200);
}
