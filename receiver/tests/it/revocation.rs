//! Are the refresh tokens of ended sessions revoked, without the sender waiting for it? The names carry the ids
//! of the case catalogue.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::axum::extract::State;
use ::axum::http::{HeaderMap, StatusCode};
use ::axum::routing::post;
use ::axum::{Router, serve};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signoff_receiver::{
    BackchannelLogout, ClientAuth, Ended, RefreshToken, Registration, RevocationOutcome, TokenRevoker,
    TokenRevokerBuilder,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::app::{Adapter, TestApp, on_both_adapters};
use crate::idp::spawn;
use crate::mint::{CLIENT, Mint, good_token, rsa};

/// The form and the `Authorization` header.
type Request = (HashMap<String, String>, Option<String>);

/// A provider's revocation endpoint.
#[derive(Clone)]
struct Provider {
    uri: String,
    /// What it answers, in order; 200 after that.
    answers: Arc<Mutex<Vec<u16>>>,
    /// It answers one request per permit.
    gate: Arc<Semaphore>,
    seen: Arc<Mutex<Vec<Request>>>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            uri: format!("http://{}/revoke", listener.local_addr().unwrap()),
            answers: Arc::new(Mutex::new(answers.iter().rev().copied().collect())),
            gate: Arc::new(Semaphore::new(10_000)),
            seen: Arc::default(),
            now: Arc::default(),
            most: Arc::default(),
        };
        let router = Router::new().route("/revoke", post(Self::answer)).with_state(provider.clone());
        spawn(async move { serve(listener, router).await.unwrap() });
        provider
    }

    async fn answer(State(this): State<Self>, headers: HeaderMap, body: String) -> StatusCode {
        let now = this.now.fetch_add(1, Ordering::SeqCst) + 1;
        this.most.fetch_max(now, Ordering::SeqCst);
        let form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let credentials = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        this.seen.lock().unwrap().push((form, credentials));
        this.gate.acquire().await.unwrap().forget();
        this.now.fetch_sub(1, Ordering::SeqCst);
        StatusCode::from_u16(this.answers.lock().unwrap().pop().unwrap_or(200)).unwrap()
    }

    fn tokens(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(form, _)| form["token"].clone()).collect()
    }

    fn revoker(&self) -> (TokenRevokerBuilder, Arc<Mutex<Vec<RevocationOutcome>>>) {
        let outcomes = Arc::<Mutex<Vec<_>>>::default();
        let list = Arc::clone(&outcomes);
        let builder = TokenRevoker::builder(&self.uri, CLIENT).attempts(3, Duration::from_millis(10));
        (builder.on_outcome(move |_, outcome| list.lock().unwrap().push(outcome)), outcomes)
    }
}

/// Sessions hold a refresh token that is named after them.
async fn app(adapter: Adapter, revoker: &TokenRevoker) -> TestApp {
    let kill = async |session: Registration| {
        let scope = if session.local_id == "offline" { "openid offline_access" } else { "openid" };
        Ok(Ended::with_refresh_token(RefreshToken::with_scope(session.local_id, scope)))
    };
    let hooks = |endpoint: BackchannelLogout| endpoint.kill_with(kill).revoke_with(revoker.hook());
    TestApp::start_with(adapter, |builder| builder, hooks).await
}

async fn idle(revoker: &TokenRevoker) {
    timeout(Duration::from_secs(20), revoker.idle()).await.unwrap();
}

async fn o01_o02_the_token_is_revoked_unless_it_is_for_offline_access(adapter: Adapter) {
    let provider = Provider::start(&[]).await;
    let (builder, outcomes) = provider.revoker();
    let revoker = builder.auth(ClientAuth::ClientSecretBasic("s3:cret &".into())).start().unwrap();
    let app = app(adapter, &revoker).await;
    for local_id in ["l1", "offline"] {
        app.signed_in(local_id, "alice", Some("s1")).await;
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    idle(&revoker).await;
    let form = [("token", "l1"), ("token_type_hint", "refresh_token")];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let credentials = format!("Basic {}", STANDARD.encode("shop:s3%3Acret+%26"));
    assert_eq!(*provider.seen.lock().unwrap(), [(form, Some(credentials))]);
    assert_eq!(*outcomes.lock().unwrap(), [RevocationOutcome::Revoked]);
}

#[tokio::test]
async fn a_client_proves_who_it_is_as_it_is_registered() {
    let secret = ClientAuth::ClientSecretPost("s3cret".into());
    assert!(!format!("{secret:?}").contains("s3cret"));
    for (auth, expected) in [(ClientAuth::None, None), (secret, Some("s3cret"))] {
        let provider = Provider::start(&[]).await;
        let revoker = provider.revoker().0.auth(auth).start().unwrap();
        let app = app(Adapter::Actix, &revoker).await;
        app.signed_in("l1", "alice", Some("s1")).await;
        assert_eq!(app.post(&good_token()).await.status, 200);
        idle(&revoker).await;
        let seen = provider.seen.lock().unwrap();
        let (form, credentials) = &seen[0];
        assert_eq!((form["client_id"].as_str(), form.get("client_secret").map(String::as_str)), (CLIENT, expected));
        assert_eq!(*credentials, None);
    }
}

async fn o04_a_failing_provider_is_tried_again_and_the_session_is_dead_all_the_same(adapter: Adapter) {
    let cases: [(&[u16], _, usize); 4] = [
        (&[503, 500], RevocationOutcome::Revoked, 3),
        (&[503, 429, 500], RevocationOutcome::GivenUp, 3),
        (&[400], RevocationOutcome::Refused(400), 1),
        (&[302], RevocationOutcome::Refused(302), 1),
    ];
    for (answers, expected, requests) in cases {
        let provider = Provider::start(answers).await;
        let (builder, outcomes) = provider.revoker();
        let revoker = builder.start().unwrap();
        let app = app(adapter, &revoker).await;
        app.signed_in("l1", "alice", Some("s1")).await;
        assert_eq!(app.post(&good_token()).await.status, 200);
        assert!(!app.sessions.contains("l1"));
        idle(&revoker).await;
        assert_eq!(*outcomes.lock().unwrap(), [expected], "{answers:?}");
        assert_eq!(provider.tokens().len(), requests, "{answers:?}");
    }
}

#[tokio::test]
async fn o04_a_provider_that_hangs_is_given_up() {
    let provider = Provider::start(&[]).await;
    provider.gate.forget_permits(10_000);
    let (builder, outcomes) = provider.revoker();
    let revoker = builder.timeout(Duration::from_millis(50)).start().unwrap();
    let app = app(Adapter::Axum, &revoker).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    idle(&revoker).await;
    assert_eq!((outcomes.lock().unwrap()[0], provider.tokens().len()), (RevocationOutcome::GivenUp, 3));
}

async fn o06_a_thousand_tokens_go_a_few_at_a_time_after_the_answer(adapter: Adapter) {
    let provider = Provider::start(&[]).await;
    provider.gate.forget_permits(10_000);
    let revoker = provider.revoker().0.concurrency(3).start().unwrap();
    let app = app(adapter, &revoker).await;
    for n in 0..1000 {
        app.signed_in(&format!("l{n}"), "alice", Some(&format!("s{n}"))).await;
    }
    assert_eq!(app.post(&Mint::good().without("sid").sign(rsa())).await.status, 200);
    assert!(app.sessions.is_empty());
    assert_eq!(revoker.pending(), 1000, "the provider has answered nothing, and the sender has its answer");
    while provider.now.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    provider.gate.add_permits(1000);
    idle(&revoker).await;
    let mut tokens = provider.tokens();
    tokens.sort();
    tokens.dedup();
    assert_eq!((tokens.len(), provider.most.load(Ordering::SeqCst)), (1000, 3));
}

#[tokio::test]
async fn a_full_queue_drops_and_says_so() {
    let provider = Provider::start(&[]).await;
    provider.gate.forget_permits(10_000);
    let (builder, outcomes) = provider.revoker();
    let revoker = builder.queue(2).concurrency(1).start().unwrap();
    let app = app(Adapter::Actix, &revoker).await;
    for n in 0..10 {
        app.signed_in(&format!("l{n}"), "alice", Some("s1")).await;
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    let dropped = outcomes.lock().unwrap().iter().filter(|one| **one == RevocationOutcome::Dropped).count();
    assert!((7..=8).contains(&dropped), "two wait, one may be under way: {dropped}");
    provider.gate.add_permits(10);
    idle(&revoker).await;
    assert_eq!(provider.tokens().len(), 10 - dropped);
}

#[tokio::test]
async fn tokens_do_not_travel_in_the_clear() {
    let start = |uri: &str| TokenRevoker::builder(uri, CLIENT).start().err().map(|error| error.to_string());
    assert!(start("http://idp.example.com/revoke").unwrap().contains("not https"));
    assert!(start("/revoke").unwrap().contains("absolute"));
    assert_eq!(start("http://127.0.0.1:1/revoke"), None);
}

on_both_adapters! {
    o01_o02_the_token_is_revoked_unless_it_is_for_offline_access
    o04_a_failing_provider_is_tried_again_and_the_session_is_dead_all_the_same
    o06_a_thousand_tokens_go_a_few_at_a_time_after_the_answer
}
