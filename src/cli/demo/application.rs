//! What does a relying party look like that uses the receiver? A small one: a session store, a
//! page for those who are signed in, and the logout endpoint.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use signoff_receiver::{
    BackchannelLogout, Login, LogoutTokenVerifier, MemoryRegistry, Registration, SessionRegistry as _, Standing,
};
use url::Url;

use super::page::{self, Site};
use super::sessions::Sessions;
use crate::model::{Clock as _, SystemClock};
use crate::shutdown::Shutdown;

/// Where logout tokens are sent to.
pub(super) const LOGOUT_PATH: &str = "/backchannel-logout";

/// What is the matter with an application's session store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// It fails so many times.
    AtFirst(u32),
    /// It fails every time.
    Always,
}

/// A running application.
pub(super) struct Application {
    pub(super) name: &'static str,
    pub(super) trouble: Trouble,
    pub(super) sessions: Sessions,
    address: SocketAddr,
    issuer: String,
    registry: MemoryRegistry,
    server: ServerHandle,
}

impl Application {
    /// Serves on this listener. `issuer` publishes its keys where every signoff does.
    pub(super) fn start(
        name: &'static str,
        trouble: Trouble,
        issuer: &str,
        listener: TcpListener,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let (sessions, registry) = (Sessions::new(trouble), MemoryRegistry::new());
        let verifier = LogoutTokenVerifier::builder()
            .issuer(issuer)
            .client_id(name)
            .jwks_uri(format!("{issuer}/.well-known/jwks.json"))
            .build()?;
        let (store, noted) = (sessions.clone(), sessions.clone());
        let logout = BackchannelLogout::new(verifier, registry.clone())
            .kill_with(move |login| std::future::ready(store.end(&login.local_id)))
            .on_killed(move |killed| noted.note(killed));

        let site = Data::new(Site { name, sessions: sessions.clone() });
        let server = HttpServer::new(move || {
            App::new().app_data(site.clone()).service(logout.resource(LOGOUT_PATH)).service(page::show)
        });
        let server = server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run();
        let handle = server.handle();
        shutdown.spawn(server);
        Ok(Self { name, trouble, sessions, address, issuer: issuer.to_owned(), registry, server: handle })
    }

    /// What happens at a login, once the ID token is verified. Returns the new session's id.
    pub(super) async fn log_in(&self, sub: &str, sid: &str) -> anyhow::Result<String> {
        let local_id = self.sessions.open(sub);
        let login = Login {
            issuer: self.issuer.clone(),
            client_id: self.name.to_owned(),
            sub: sub.to_owned(),
            sid: Some(sid.to_owned()),
            at: SystemClock.now().unix_timestamp(),
        };
        match self.registry.register(&Registration::new(local_id.clone(), login)).await? {
            Standing::Alive => Ok(local_id),
            Standing::Ended => anyhow::bail!("the provider session is over"),
        }
    }

    /// The page, as somebody with this session sees it.
    pub(super) fn page(&self, session: &str) -> anyhow::Result<Url> {
        Ok(Url::parse_with_params(&self.url(), [(page::PARAMETER, session)])?)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// At once: nobody's work is lost.
    pub(super) async fn stop(&self) {
        self.server.stop(false).await;
    }
}
