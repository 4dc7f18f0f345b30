//! What do both example applications share? Everything but the web framework.

pub(crate) mod login;
pub(crate) mod options;
pub(crate) mod pages;
pub(crate) mod sessions;

use std::error::Error;
use std::sync::Arc;

use signoff_receiver::{BackchannelLogout, Clock as _, Login, LogoutTokenVerifier, SessionRegistry, SystemClock};

use self::login::Provider;
use self::options::Options;
use self::sessions::{Opened, Sessions};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The parts of the application. One for the process, shared by all requests.
pub(crate) struct Site {
    pub(crate) options: Options,
    pub(crate) provider: Provider,
    pub(crate) sessions: Sessions,
    pub(crate) registry: Arc<dyn SessionRegistry>,
    pub(crate) logout: BackchannelLogout,
}

impl Site {
    /// Asks nobody but the store: it starts while the provider is down.
    pub(crate) async fn new(options: Options) -> Result<Self, Failure> {
        let builder = LogoutTokenVerifier::builder().issuer(&options.issuer).client_id(&options.client_id);
        let builder = match &options.jwks_uri {
            Some(uri) => builder.jwks_uri(uri),
            None => builder.discover(),
        };
        let verifier = if options.allow_plain_http { builder.allow_plain_http() } else { builder }.build()?;
        let provider = Provider::new(&options, verifier.id_tokens())?;
        let Opened { sessions, registry, replay } = sessions::open(&options.store).await?;
        let logout = BackchannelLogout::new(verifier, Arc::clone(&registry)).replay_guard(replay);
        Ok(Self { options, provider, sessions, registry, logout })
    }

    /// A login that no provider stands behind, as of now.
    pub(crate) fn dev_login(&self, sub: String, sid: Option<String>) -> Login {
        let (issuer, client_id) = (self.options.issuer.clone(), self.options.client_id.clone());
        Login { issuer, client_id, sub, sid, at: SystemClock.unix_seconds() }
    }
}
