//! How are the refresh tokens of ended sessions revoked at the provider (RFC 7009)? After the answer to
//! the sender, a few at a time, again and again until it is done or hopeless.

mod request;
mod work;

use std::sync::Arc;
use std::time::Duration;

pub use request::ClientAuth;
use request::Endpoint;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use work::{Job, Pace, Workers};

use crate::outbound::{BadRemote, Remote};
use crate::{Login, Revocation};

/// What became of one refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationOutcome {
    /// The provider revoked it, or did not know it any more.
    Revoked,
    /// The provider refuses for good, with this status: 400 or 401 mean a wrong configuration.
    Refused(u16),
    /// It did not answer usefully in all attempts.
    GivenUp,
    /// The queue was full.
    Dropped,
}

type OnOutcome = dyn Fn(&Login, RevocationOutcome) + Send + Sync;

/// Revokes refresh tokens in the background: `endpoint.revoke_with(revoker.hook())`. Clones share the
/// queue.
///
/// The queue is in the memory of this process and is gone with it; [`idle`](Self::idle) waits for it.
/// Tokens for offline access never come here: [`revoke_with`](crate::BackchannelLogout::revoke_with)
/// holds them back.
#[derive(Clone)]
pub struct TokenRevoker {
    queue: mpsc::Sender<Job>,
    workers: Arc<Workers>,
}

/// Collects what [`TokenRevoker`] needs to know.
#[must_use]
pub struct TokenRevokerBuilder {
    endpoint: String,
    client_id: String,
    auth: ClientAuth,
    plain_http: bool,
    queue: usize,
    concurrency: usize,
    pace: Pace,
    on_outcome: Option<Arc<OnOutcome>>,
}

/// Why a revoker cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokerError {
    /// `revocation_endpoint` is not an absolute http or https URL.
    #[error("revocation_endpoint is not an absolute http or https URL")]
    Endpoint,
    /// `revocation_endpoint` is http, beyond this machine: tokens would travel in the clear.
    #[error("revocation_endpoint is not https; allow_plain_http() accepts that")]
    PlainHttp,
    /// The HTTP client cannot work here; on machines without CA certificates, for one.
    #[error("the HTTP client could not be built")]
    HttpClient(#[source] reqwest::Error),
    /// Not called from within a tokio runtime.
    #[error("there is no tokio runtime here")]
    NoRuntime,
}

impl TokenRevoker {
    /// For the tokens of this client, at the provider's `revocation_endpoint`. The client has no secret
    /// unless one is set.
    pub fn builder(revocation_endpoint: impl Into<String>, client_id: impl Into<String>) -> TokenRevokerBuilder {
        TokenRevokerBuilder {
            endpoint: revocation_endpoint.into(),
            client_id: client_id.into(),
            auth: ClientAuth::None,
            plain_http: false,
            queue: 10_000,
            concurrency: 4,
            pace: Pace::default(),
            on_outcome: None,
        }
    }

    /// Puts a token into the queue, and returns at once.
    pub fn revoke(&self, revocation: Revocation) {
        self.workers.enter();
        if let Err(refused) = self.queue.try_send(Job(revocation)) {
            let Job(revocation) = refused.into_inner();
            tracing::warn!("the queue of refresh tokens to revoke is full: one stays valid");
            self.workers.leave(&revocation.login, RevocationOutcome::Dropped);
        }
    }

    /// [`revoke`](Self::revoke), for [`revoke_with`](crate::BackchannelLogout::revoke_with).
    pub fn hook(&self) -> impl Fn(Revocation) + Send + Sync + use<> {
        let revoker = self.clone();
        move |revocation| revoker.revoke(revocation)
    }

    /// How many tokens are waiting or under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.workers.pending()
    }

    /// Returns when no token is waiting or under way: for the end of the process, with a time limit.
    pub async fn idle(&self) {
        self.workers.idle().await;
    }
}

impl TokenRevokerBuilder {
    /// How the client proves who it is at this endpoint, as registered
    /// (`token_endpoint_auth_method`).
    pub fn auth(mut self, auth: ClientAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Accept an endpoint over plain http on another machine: whoever listens on the way has the tokens.
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// How many tokens may wait; 10 000 unless set. Those beyond are dropped, and told as such.
    pub fn queue(mut self, tokens: usize) -> Self {
        self.queue = tokens.max(1);
        self
    }

    /// How many requests are under way at once; 4 unless set.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// How often a token is tried, and how long after the first failure; the pause doubles up to a
    /// minute. 8 times and 1 s unless set, some two minutes in all.
    pub fn attempts(mut self, attempts: u32, first_pause: Duration) -> Self {
        (self.pace.attempts, self.pace.first_pause) = (attempts.max(1), first_pause);
        self
    }

    /// How long one request may take; 10 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.pace.timeout = timeout;
        self
    }

    /// Is told what became of each token, for metrics. Must not block.
    pub fn on_outcome(mut self, hook: impl Fn(&Login, RevocationOutcome) + Send + Sync + 'static) -> Self {
        self.on_outcome = Some(Arc::new(hook));
        self
    }

    /// Starts the work, on the tokio runtime this is called from. It ends when the last clone of the
    /// revoker is gone and the queue is empty.
    pub fn start(self) -> Result<TokenRevoker, RevokerError> {
        let runtime = Handle::try_current().map_err(|_| RevokerError::NoRuntime)?;
        let remote = Remote::new(&self.endpoint, self.plain_http).map_err(|bad| match bad {
            BadRemote::NotAUrl => RevokerError::Endpoint,
            BadRemote::PlainHttp => RevokerError::PlainHttp,
            BadRemote::Client(error) => RevokerError::HttpClient(error),
        })?;
        let (queue, jobs) = mpsc::channel(self.queue);
        let endpoint = Endpoint { remote, client_id: self.client_id, auth: self.auth };
        let workers = Workers::new(endpoint, self.pace, self.on_outcome);
        workers.start(&runtime, self.concurrency, jobs);
        Ok(TokenRevoker { queue, workers })
    }
}
