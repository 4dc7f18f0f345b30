//! What do both example applications share? Everything but the web framework.

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod options;
pub(crate) mod pages;
pub(crate) mod sessions;

use std::error::Error;
use std::sync::Arc;

use signoff_receiver::{
    BackchannelLogout, Clock as _, Ended, Login, LogoutTokenVerifier, Registration, SessionEvents, SessionRegistry,
    StoreError, SystemClock,
};

use self::login::Provider;
use self::options::Options;
use self::sessions::{Opened, Sessions};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Where a session keeps what the login brought: for `id_token_hint`, and to be revoked.
pub(crate) const TOKENS: &str = "tokens";
/// Where a session keeps a login on its way.
pub(crate) const PENDING: &str = "pending";

/// The parts of the application. One for the process, shared by all requests.
pub(crate) struct Site {
    pub(crate) options: Options,
    pub(crate) provider: Arc<Provider>,
    pub(crate) sessions: Sessions,
    pub(crate) registry: Arc<dyn SessionRegistry>,
    pub(crate) logout: BackchannelLogout,
    pub(crate) events: SessionEvents,
}

impl Site {
    /// Asks nobody but the store: it starts while the provider is down. `refresh_token` finds it in a session
    /// as the framework writes it.
    pub(crate) async fn new(options: Options, refresh_token: fn(&str) -> Option<String>) -> Result<Self, Failure> {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        let builder = LogoutTokenVerifier::builder().issuer(&options.issuer).client_id(&options.client_id);
        let builder = match &options.jwks_uri {
            Some(uri) => builder.jwks_uri(uri),
            None => builder.discover(),
        };
        let verifier = if options.allow_plain_http { builder.allow_plain_http() } else { builder }.build()?;
        let provider = Arc::new(Provider::new(&options, verifier.id_tokens()));
        let Opened { sessions, registry, replay } = sessions::open(&options.store).await?;
        let kept = sessions.clone();
        let logout = BackchannelLogout::new(verifier, Arc::clone(&registry))
            .replay_guard(replay)
            .kill_with(move |session| end(kept.clone(), session, refresh_token))
            .revoke_with(logout::revoke_later(Arc::clone(&provider)));
        Ok(Self { events: logout.events(), options, provider, sessions, registry, logout })
    }

    /// A login that no provider stands behind, as of now.
    pub(crate) fn dev_login(&self, sub: String, sid: Option<String>) -> Login {
        let (issuer, client_id) = (self.options.issuer.clone(), self.options.client_id.clone());
        Login { issuer, client_id, sub, sid, at: SystemClock.unix_seconds() }
    }
}

/// Ends one session in the application's own store, and hands back what is to be revoked.
async fn end(
    sessions: Sessions,
    session: Registration,
    refresh_token: fn(&str) -> Option<String>,
) -> Result<Ended, StoreError> {
    let kept = sessions.get(&session.local_id).await.map_err(StoreError::new)?;
    sessions.delete(&session.local_id).await.map_err(StoreError::new)?;
    let token = kept.and_then(|text| refresh_token(&text));
    Ok(token.map(signoff_receiver::RefreshToken::new).into())
}
