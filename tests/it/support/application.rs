//! What does an application do with a logout token? Three lines with signoff-receiver, and a page
//! that only those see who are signed in.

use std::net::TcpListener;

use actix_web::web::{self, Path};
use actix_web::{App, HttpResponse, HttpServer};
use signoff_receiver::{
    BackchannelLogout, Clock as _, Login, LogoutTokenVerifier, MemoryRegistry, Registration, SessionRegistry as _,
    Standing, SystemClock,
};
use tokio::task::JoinSet;

use super::http_client;
use super::setup::ISSUER;

/// A relying party on loopback, in this process.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) client_id: &'static str,
    listener: TcpListener,
    sessions: MemoryRegistry,
    serving: JoinSet<()>,
}

impl Application {
    /// Has its port, does not serve yet: who publishes the keys may not be known.
    pub(crate) fn new(client_id: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { client_id, listener, sessions: MemoryRegistry::new(), serving: JoinSet::new() }
    }

    /// Its back-channel logout URI.
    pub(crate) fn logout_uri(&self) -> String {
        self.url("/backchannel-logout")
    }

    /// Serves, with the provider's keys from here.
    pub(crate) fn serve(&mut self, jwks_uri: &str) {
        let verifier = LogoutTokenVerifier::builder().issuer(ISSUER).client_id(self.client_id).jwks_uri(jwks_uri);
        let logout = BackchannelLogout::new(verifier.build().expect("a verifier"), self.sessions.clone());
        let sessions = self.sessions.clone();
        let server = HttpServer::new(move || {
            App::new()
                .service(logout.resource("/backchannel-logout"))
                .app_data(web::Data::new(sessions.clone()))
                .route("/account/{session}", web::get().to(account))
        });
        let listener = self.listener.try_clone().expect("the listener");
        let server = server.workers(1).disable_signals().listen(listener).expect("the listener").run();
        self.serving.spawn(async move { server.await.expect("the application serves") });
    }

    /// A login: from now on the account page opens for the session `local`.
    pub(crate) async fn sign_in(&self, local: &str, sub: &str, sid: &str) {
        let login = Login {
            issuer: ISSUER.into(),
            client_id: self.client_id.into(),
            sub: sub.into(),
            sid: Some(sid.into()),
            at: SystemClock.unix_seconds(),
        };
        let standing = self.sessions.register(&Registration::new(local, login)).await.expect("the registry");
        assert_eq!(standing, Standing::Alive);
    }

    /// What the account page answers this session.
    pub(crate) async fn account(&self, local: &str) -> u16 {
        let answer = http_client().get(self.url(&format!("/account/{local}"))).send().await.expect("an answer");
        answer.status().as_u16()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listener.local_addr().expect("an address"))
    }
}

async fn account(sessions: web::Data<MemoryRegistry>, local: Path<String>) -> HttpResponse {
    if sessions.contains(&local) { HttpResponse::Ok().finish() } else { HttpResponse::Unauthorized().finish() }
}
