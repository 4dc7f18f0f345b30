//! What does a flood of garbage cost? A process of its own takes it and is measured.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Request, Response};
use futures_util::future::join_all;
use signoff_receiver::{BackchannelLogout, MemoryRegistry};
use tower_service::Service;

use crate::app::{Adapter, FORM, TestApp, TestClock, verifier};
use crate::idp::Idp;
use crate::mint::{Mint, b64, good_token, rsa};
use crate::servers::run_alone;

const IN_PROCESS: usize = 96_000;
const OVER_HTTP: usize = 2_000;

#[test]
fn h21_a_hundred_thousand_garbage_posts_cost_one_fetch_and_no_memory() {
    run_alone("garbage::the_flood");
}

#[tokio::test]
#[ignore = "run by the test above, in a process of its own"]
async fn the_flood() {
    let idp = Idp::start(vec![rsa().jwk("k1")]).await;
    let endpoint =
        BackchannelLogout::new(verifier(&idp, &TestClock::default()).build().unwrap(), MemoryRegistry::new());
    let (actix, axum) = (TestApp::start_on(Adapter::Actix).await, TestApp::start_on(Adapter::Axum).await);
    let garbage = Garbage::new();
    let before = resident();

    let mut service = endpoint.service();
    for n in 0..IN_PROCESS {
        let request = Request::post("/").header("content-type", FORM).body(Body::from(garbage.body(n))).unwrap();
        let answer: Result<Response<String>, Infallible> = service.call(request).await;
        assert_eq!(answer.unwrap().status(), 400);
    }
    for app in [&actix, &axum] {
        for start in (0..OVER_HTTP).step_by(20) {
            let posts = (start..start + 20).map(|n| app.send("POST".parse().unwrap(), "", Some(FORM), garbage.body(n)));
            assert!(join_all(posts).await.iter().all(|reply| reply.status == 400));
        }
    }

    let after = resident();
    println!("{} posts: resident {before} kB before, {after} kB after", IN_PROCESS + 2 * OVER_HTTP);
    assert_eq!([idp.fetches(), actix.idp.fetches(), axum.idp.fetches()], [1, 1, 1]);
    assert!(after < before + 10_000, "{before} kB before, {after} kB after");
    assert_eq!(actix.post(&good_token()).await.status, 200);
}

/// Bodies, each a different one, that no endpoint accepts. Every second one holds a token that only the
/// issuer's keys can refuse.
struct Garbage {
    claims: String,
    signature: String,
    good: String,
}

impl Garbage {
    fn new() -> Self {
        let (signed, good) = (Mint::good().signed_part(), good_token());
        let claims = signed.split_once('.').unwrap().1.to_owned();
        Self { claims, signature: b64([7; 256]), good }
    }

    fn body(&self, n: usize) -> String {
        let (claims, signature, good) = (&self.claims, &self.signature, &self.good);
        match n % 8 {
            0 | 2 | 4 | 6 => {
                let header = b64(format!(r#"{{"alg":"RS256","kid":"unknown-{n}","typ":"logout+jwt"}}"#));
                format!("logout_token={header}.{claims}.{signature}")
            }
            1 => format!("garbage={n}"),
            3 => format!("logout_token=word-{n}"),
            5 => format!("logout_token={}.{claims}.", b64(format!(r#"{{"alg":"none","n":{n}}}"#))),
            _ => format!("logout_token={}x{n}", &good[..good.len() - 8]),
        }
    }
}

/// The memory of this process, in kilobytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
