//! What does a relying party look like? A server on loopback with the endpoint in it, by actix-web or axum.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::middleware::{DefaultHeaders, NormalizePath};
use actix_web::{App, HttpServer, web};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use reqwest::{Method, Response};
use serde_json::Value;
use signoff_receiver::{
    BackchannelLogout, Clock, Killed, Login, LogoutToken, LogoutTokenVerifier, LogoutTokenVerifierBuilder,
    MemoryRegistry, Registration, SessionEvents, SessionRegistry, Standing, SystemClock, Watched,
};

use crate::idp::{Idp, spawn};
use crate::mint::{CLIENT, ISS, now, rsa};

pub(crate) const PATH: &str = "/backchannel-logout";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The framework that serves the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    Actix,
    Axum,
}

/// Makes two tests of each function that takes an [`Adapter`].
macro_rules! on_both_adapters {
    ($($name:ident)*) => {
        mod actix {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::app::Adapter::Actix).await;
            })*
        }
        mod axum {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::app::Adapter::Axum).await;
            })*
        }
    };
}
pub(crate) use on_both_adapters;

/// How often an open stream of events looks, and speaks.
const LOOK: Duration = Duration::from_millis(50);

/// A clock that runs with the machine's and can be set forward.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestClock(Arc<Mutex<Duration>>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    /// Not set forward: tokens stay fresh while key sets grow old.
    fn unix_seconds(&self) -> i64 {
        SystemClock.unix_seconds()
    }

    fn instant(&self) -> Instant {
        SystemClock.instant() + *self.0.lock().unwrap()
    }
}

/// The application and its provider.
pub(crate) struct TestApp {
    pub(crate) idp: Idp,
    pub(crate) clock: TestClock,
    pub(crate) sessions: MemoryRegistry,
    pub(crate) killed: Arc<Mutex<Vec<Killed>>>,
    pub(crate) address: String,
    client: reqwest::Client,
}

impl TestApp {
    /// The provider publishes [`rsa`] as `k1`.
    pub(crate) async fn start_on(adapter: Adapter) -> Self {
        Self::start_with(adapter, |builder| builder, |endpoint| endpoint).await
    }

    pub(crate) async fn start_with(
        adapter: Adapter,
        policy: impl FnOnce(LogoutTokenVerifierBuilder) -> LogoutTokenVerifierBuilder,
        hooks: impl FnOnce(BackchannelLogout) -> BackchannelLogout,
    ) -> Self {
        let idp = Idp::start(vec![rsa().jwk("k1")]).await;
        let (clock, sessions, killed) =
            (TestClock::default(), MemoryRegistry::new(), Arc::<Mutex<Vec<Killed>>>::default());
        let verifier = policy(verifier(&idp, &clock)).build().unwrap();
        let log = Arc::clone(&killed);
        let endpoint = BackchannelLogout::new(verifier, sessions.clone())
            .on_killed(move |one| log.lock().unwrap().push(one.clone()));
        let address = serve(adapter, hooks(endpoint));
        Self { idp, clock, sessions, killed, address, client: client() }
    }

    pub(crate) async fn signed_in(&self, local_id: &str, sub: &str, sid: Option<&str>) {
        let standing = self.sessions.register(&session(local_id, sub, sid)).await.unwrap();
        assert_eq!(standing, Standing::Alive);
    }

    /// Posts the token as a sender does.
    pub(crate) async fn post(&self, token: &str) -> Reply {
        self.send(Method::POST, "", Some(FORM), format!("logout_token={token}")).await
    }

    pub(crate) async fn send(&self, method: Method, query: &str, content_type: Option<&str>, body: String) -> Reply {
        self.send_to(method, &format!("{PATH}{query}"), content_type, body).await
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    pub(crate) async fn send_to(&self, method: Method, path: &str, content_type: Option<&str>, body: String) -> Reply {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        Reply::read(request.send().await.unwrap()).await
    }

    /// Asserts that the token is refused for this reason and ends no session.
    pub(crate) async fn refuses(&self, token: &str, reason: &str) {
        let alive = self.sessions.len();
        let reply = self.post(token).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, reason));
        assert_eq!(self.sessions.len(), alive);
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) no_store: bool,
    pub(crate) allow: Option<String>,
    pub(crate) body: String,
}

impl Reply {
    /// What the endpoint at this URL answers to the token.
    pub(crate) async fn of_post(url: &str, token: &str) -> Self {
        let request = client().post(url).header("content-type", FORM).body(format!("logout_token={token}"));
        Self::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn of_get(url: &str) -> Self {
        Self::read(client().get(url).send().await.unwrap()).await
    }

    async fn read(response: Response) -> Self {
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Self {
            status: response.status().as_u16(),
            no_store: header("cache-control").as_deref() == Some("no-store"),
            allow: header("allow"),
            body: response.text().await.unwrap(),
        }
    }

    /// The stable code; empty on success.
    pub(crate) fn reason(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["reason"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn verifier(idp: &Idp, clock: &TestClock) -> LogoutTokenVerifierBuilder {
    LogoutTokenVerifier::builder()
        .issuer(ISS)
        .client_id(CLIENT)
        .jwks_uri(&idp.jwks_uri)
        .jwks_timeout(Duration::from_millis(400))
        .clock(clock.clone())
}

pub(crate) fn session(local_id: &str, sub: &str, sid: Option<&str>) -> Registration {
    let (sub, sid) = (sub.to_owned(), sid.map(str::to_owned));
    Registration::new(local_id, Login { issuer: ISS.into(), client_id: CLIENT.into(), sub, sid, at: now() })
}

/// An application with the endpoint in it; its address.
pub(crate) fn serve(adapter: Adapter, endpoint: BackchannelLogout) -> String {
    match adapter {
        Adapter::Actix => serve_actix(endpoint),
        Adapter::Axum => serve_axum(endpoint),
    }
}

/// An application with configuration and middleware of its own, none of which may matter.
fn serve_actix(endpoint: BackchannelLogout) -> String {
    let events = endpoint.events().look_every(LOOK).heartbeat_every(LOOK);
    let server = HttpServer::new(move || {
        App::new()
            .wrap(NormalizePath::trim())
            .wrap(DefaultHeaders::new().add(("x-app", "1")))
            .app_data(web::FormConfig::default().limit(16))
            .app_data(web::PayloadConfig::new(16))
            .service(endpoint.resource(PATH))
            .configure(endpoint.configure("/second/backchannel-logout"))
            .route("/extractor", web::get().to(|| async { "the login" }))
            .route("/extractor", web::post().to(extracted_by_actix))
            .service({
                let registry = Arc::clone(endpoint.registry());
                events.resource("/session-events", move |request| {
                    let cookie = request.headers().get("cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
                    who(Arc::clone(&registry), cookie)
                })
            })
            .service(SessionEvents::script_resource("/session-events.js"))
            .app_data(web::Data::new(endpoint.clone()))
            .default_service(web::to(|| async { "the application" }))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0].to_string();
    let running = server.run();
    spawn(async move { running.await.unwrap() });
    address
}

async fn extracted_by_actix(endpoint: web::Data<BackchannelLogout>, token: LogoutToken) -> String {
    carry_out(&endpoint, token).await
}

fn serve_axum(endpoint: BackchannelLogout) -> String {
    let registry = Arc::clone(endpoint.registry());
    let events = endpoint.events().look_every(LOOK).heartbeat_every(LOOK);
    let streams = events.router("/session-events", move |request| {
        let cookie = request.headers().get("cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
        who(Arc::clone(&registry), cookie)
    });
    let router = Router::new()
        .merge(streams)
        .merge(SessionEvents::script_router("/session-events.js"))
        .merge(endpoint.router(PATH))
        .merge(endpoint.router("/second/backchannel-logout"))
        .route("/extractor", axum::routing::post(extracted_by_axum).get(|| async { "the login" }))
        .fallback(|| async { "the application" })
        .layer(DefaultBodyLimit::max(16))
        .with_state(endpoint);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    spawn(async move { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap() });
    address
}

async fn extracted_by_axum(State(endpoint): State<BackchannelLogout>, token: LogoutToken) -> String {
    carry_out(&endpoint, token).await
}

/// The session whose id is the cookie.
async fn who(registry: Arc<dyn SessionRegistry>, cookie: Option<String>) -> Option<Watched> {
    let local_id = cookie?;
    let login = registry.logins(&local_id).await.unwrap().pop()?;
    Some(Registration::new(local_id, login).into())
}

/// What a handler does that wants the token itself.
async fn carry_out(endpoint: &BackchannelLogout, token: LogoutToken) -> String {
    let jti = token.jti.clone();
    format!("{jti} ended {}", endpoint.carry_out(token).await.unwrap().sessions)
}

#[expect(clippy::disallowed_methods, reason = "the test plays the sender")]
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only(Vec::<reqwest::Certificate>::new()).build().unwrap()
}
