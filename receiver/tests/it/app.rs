//! What does a relying party look like? An actix-web server on loopback with the endpoint in it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::middleware::{DefaultHeaders, NormalizePath};
use actix_web::{App, HttpServer, web};
use reqwest::{Method, Response};
use serde_json::Value;
use signoff_receiver::{
    BackchannelLogout, Clock, Killed, Login, LogoutTokenVerifier, LogoutTokenVerifierBuilder, MemoryRegistry,
    Registration, SessionRegistry as _, Standing, SystemClock,
};

use crate::idp::{Idp, spawn};
use crate::mint::{CLIENT, ISS, now, rsa};

pub(crate) const PATH: &str = "/backchannel-logout";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

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
    pub(crate) async fn start() -> Self {
        Self::start_with(|builder| builder, |endpoint| endpoint).await
    }

    pub(crate) async fn start_with(
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
        let address = serve(hooks(endpoint));
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
        let mut request = self.client.request(method, format!("http://{}{PATH}{query}", self.address)).body(body);
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

/// An application with configuration and middleware of its own, none of which may matter.
fn serve(endpoint: BackchannelLogout) -> String {
    let server = HttpServer::new(move || {
        App::new()
            .wrap(NormalizePath::trim())
            .wrap(DefaultHeaders::new().add(("x-app", "1")))
            .app_data(web::FormConfig::default().limit(16))
            .app_data(web::PayloadConfig::new(16))
            .service(endpoint.resource(PATH))
            .configure(endpoint.configure("/second/backchannel-logout"))
            .default_service(web::to(|| async { "the application" }))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0].to_string();
    let running = server.run();
    spawn(async move { running.await.unwrap() });
    address
}

#[expect(clippy::disallowed_methods, reason = "the test plays the sender")]
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only(Vec::<reqwest::Certificate>::new()).build().unwrap()
}
