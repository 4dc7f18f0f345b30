//! What happens when a logout request arrives? The whole endpoint, without a web framework.

mod answer;
mod form;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use answer::Answer;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::error::chain;
use crate::{
    LogoutError, LogoutToken, LogoutTokenVerifier, Reason, Registration, SessionRegistry, StoreError, Unavailable,
};

/// The largest body that is read; a logout token is about one kilobyte.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How many sessions of one logout are killed at the same time.
const KILLS_AT_ONCE: usize = 16;

type Kill = dyn Fn(Registration) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync;
type OnKilled = dyn Fn(&Killed) + Send + Sync;

/// A valid logout, and the sessions that ended by it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Killed {
    /// The token that asked for it.
    pub token: LogoutToken,
    /// The sessions that died; none if they had ended before, which is a success too.
    pub sessions: Vec<Registration>,
}

/// The back-channel logout endpoint of one client at one issuer. Clones are the same endpoint.
#[derive(Clone)]
pub struct BackchannelLogout {
    verifier: LogoutTokenVerifier,
    registry: Arc<dyn SessionRegistry>,
    kill: Option<Arc<Kill>>,
    on_killed: Option<Arc<OnKilled>>,
}

impl BackchannelLogout {
    /// An endpoint that ends what the registry holds.
    pub fn new(verifier: LogoutTokenVerifier, registry: impl SessionRegistry + 'static) -> Self {
        Self { verifier, registry: Arc::new(registry), kill: None, on_killed: None }
    }

    /// Ends one session where the application keeps it: called for each session of a logout, before
    /// the registry forgets it. If it fails for some, the others still die, the sender is told to try
    /// again (503), and finds those that are left. It may be called twice for a session.
    #[must_use]
    pub fn kill_with<F, Killing>(mut self, kill: F) -> Self
    where
        F: Fn(Registration) -> Killing + Send + Sync + 'static,
        Killing: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        self.kill = Some(Arc::new(move |session| kill(session).boxed()));
        self
    }

    /// Is told of every logout that was carried out, before the sender gets its answer. Must not block.
    #[must_use]
    pub fn on_killed(mut self, hook: impl Fn(&Killed) + Send + Sync + 'static) -> Self {
        self.on_killed = Some(Arc::new(hook));
        self
    }

    /// The verifier in use.
    #[must_use]
    pub fn verifier(&self) -> &LogoutTokenVerifier {
        &self.verifier
    }

    /// Answers a POST with this `Content-Type` and body, whose size the caller has bounded by
    /// [`BODY_LIMIT`].
    pub async fn respond(&self, content_type: Option<&str>, body: &[u8]) -> Answer {
        let outcome = match form::logout_token(content_type, body) {
            Ok(token) => self.logout(&token).await,
            Err(reason) => Err(reason.into()),
        };
        match outcome {
            Ok(_) => Answer::done(),
            Err(error) => Self::refuse(&error),
        }
    }

    /// Verifies a logout token and ends the sessions it names.
    pub async fn logout(&self, token: &str) -> Result<Killed, LogoutError> {
        let token = self.verifier.verify(token).await?;
        let (sessions, failure) = self.end_sessions(&token).await.map_err(Unavailable::from)?; // 30
        let killed = Killed { token, sessions };
        tracing::debug!(sessions = killed.sessions.len(), complete = failure.is_none(), "back-channel logout");
        if let Some(hook) = self.on_killed.as_ref().filter(|_| failure.is_none() || !killed.sessions.is_empty()) {
            hook(&killed);
        }
        failure.map_or(Ok(killed), |failure| Err(Unavailable::from(failure).into()))
    }

    /// The answer to a request whose body could not be read, or is too large.
    #[must_use]
    pub fn reject(reason: Reason) -> Answer {
        Self::refuse(&reason.into())
    }

    fn refuse(error: &LogoutError) -> Answer {
        match error {
            LogoutError::Rejected(reason) => tracing::info!(reason = reason.code(), "back-channel logout refused"),
            LogoutError::Unavailable(cause) => {
                tracing::warn!(reason = cause.code(), error = %chain(cause), "back-channel logout not possible now");
            }
        }
        Answer::error(error)
    }

    /// The sessions that died, and the failure that left others alive.
    async fn end_sessions(&self, token: &LogoutToken) -> Result<(Vec<Registration>, Option<StoreError>), StoreError> {
        let Some(kill) = &self.kill else {
            return Ok((self.registry.take(&token.iss, &token.client_id, &token.target).await?, None));
        };
        let found = self.registry.find(&token.iss, &token.client_id, &token.target).await?;
        let kills = found.into_iter().map(|session| async move { (kill(session.clone()).await, session) });
        let results: Vec<_> = stream::iter(kills).buffer_unordered(KILLS_AT_ONCE).collect().await;
        let (mut dead, mut failure) = (Vec::new(), None);
        for (result, session) in results {
            match result {
                Ok(()) => dead.push(session),
                Err(error) => failure = Some(error),
            }
        }
        self.registry.remove(&dead).await?;
        Ok((dead, failure))
    }
}

impl fmt::Debug for BackchannelLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogout").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
