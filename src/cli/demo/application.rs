//! What does a relying party look like that uses the receiver? A small one: a session store, a
//! page for those who are signed in, and the logout endpoint.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use signoff_receiver::{
    BackchannelLogout, Login, LogoutTokenVerifier, MemoryRegistry, Registration, SessionRegistry as _, Standing,
    StoreError,
};
use url::Url;

use super::page;
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

/// What an application is told of itself and its provider.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Its client id.
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) jwks_uri: String,
    /// Whether `/dev-login` starts sessions, as the login with a provider would.
    pub(super) dev_login: bool,
}

/// What a request at an application needs of it.
pub(super) struct Site {
    pub(super) identity: Identity,
    pub(super) sessions: Sessions,
    registry: MemoryRegistry,
}

/// A running application.
pub(super) struct Application {
    pub(super) site: Data<Site>,
    pub(super) trouble: Trouble,
    address: SocketAddr,
    server: ServerHandle,
}

impl Site {
    /// What happens at a login, once the ID token is verified. Returns the new session's id;
    /// `None`: the provider session is over already.
    pub(super) async fn log_in(&self, sub: &str, sid: Option<&str>) -> Result<Option<String>, StoreError> {
        let local_id = self.sessions.open(sub);
        let login = Login {
            issuer: self.identity.issuer.clone(),
            client_id: self.identity.name.clone(),
            sub: sub.to_owned(),
            sid: sid.map(Into::into),
            at: SystemClock.now().unix_timestamp(),
        };
        let standing = self.registry.register(&Registration::new(local_id.clone(), login)).await?;
        Ok((standing == Standing::Alive).then_some(local_id))
    }

    fn endpoint(&self) -> anyhow::Result<BackchannelLogout> {
        let verifier = LogoutTokenVerifier::builder()
            .issuer(&self.identity.issuer)
            .client_id(&self.identity.name)
            .jwks_uri(&self.identity.jwks_uri)
            .build()?;
        let (store, noted) = (self.sessions.clone(), self.sessions.clone());
        Ok(BackchannelLogout::new(verifier, self.registry.clone())
            .kill_with(move |login| std::future::ready(store.end(&login.local_id)))
            .on_killed(move |killed| noted.note(killed)))
    }
}

impl Application {
    /// Serves on this listener.
    pub(super) fn start(
        identity: Identity,
        trouble: Trouble,
        listener: TcpListener,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let sessions = Sessions::new(trouble);
        let site = Data::new(Site { identity, sessions, registry: MemoryRegistry::new() });
        let (logout, shown) = (site.endpoint()?, site.clone());
        let server = HttpServer::new(move || {
            let app = App::new().app_data(shown.clone());
            app.service(logout.resource(LOGOUT_PATH)).service(page::show).configure(|config| {
                if shown.identity.dev_login {
                    config.service(page::dev_login);
                }
            })
        });
        let server = server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run();
        let handle = server.handle();
        shutdown.spawn(server);
        Ok(Self { site, trouble, address, server: handle })
    }

    pub(super) fn name(&self) -> &str {
        &self.site.identity.name
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
