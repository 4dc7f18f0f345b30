//! What happens when a logout request arrives? The whole endpoint, without a web framework.

mod answer;
#[cfg(any(feature = "actix", feature = "receiver"))]
mod envelope;
mod form;
mod hooks;
mod killed;
mod replay;

use std::fmt;
use std::sync::Arc;

pub use answer::Answer;
#[cfg(any(feature = "actix", feature = "receiver"))]
pub(crate) use envelope::Envelope;
use futures_util::{StreamExt as _, stream};
use hooks::Hooks;
pub use hooks::ReplayOutage;
pub use killed::{Ended, Killed, LoggedOut, RefreshToken, Revocation};
use replay::Replay;

use crate::error::chain;
use crate::registry::Ending;
use crate::replay::TokenId;
use crate::{
    Logout, LogoutError, LogoutTarget, LogoutToken, LogoutTokenVerifier, MemoryReplayGuard, Reason, Registration,
    SessionRegistry, StoreError, Unavailable,
};

/// The largest body that is read; a logout token is about one kilobyte.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How many sessions of one logout are killed at the same time.
const KILLS_AT_ONCE: usize = 16;

/// The back-channel logout endpoint. Clones are the same endpoint.
#[derive(Clone)]
pub struct BackchannelLogout {
    verifier: LogoutTokenVerifier,
    registry: Arc<dyn SessionRegistry>,
    replay: Replay,
    hooks: Hooks,
    all_of_the_user: bool,
    /// Seconds.
    backdated: i64,
}

impl BackchannelLogout {
    /// An endpoint that ends what the registry holds.
    pub fn new(verifier: LogoutTokenVerifier, registry: impl SessionRegistry + 'static) -> Self {
        let replay = Replay { guard: Arc::new(MemoryReplayGuard::new()), outage: ReplayOutage::default() };
        let (registry, hooks) = (Arc::new(registry), Hooks::new());
        Self { verifier, registry, replay, hooks, all_of_the_user: false, backdated: 0 }
    }

    /// The verifier in use.
    #[must_use]
    pub fn verifier(&self) -> &LogoutTokenVerifier {
        &self.verifier
    }

    /// The registry in use.
    #[must_use]
    pub fn registry(&self) -> &Arc<dyn SessionRegistry> {
        &self.registry
    }

    /// Answers a POST with this `Content-Type` and body, whose size the caller has bounded by
    /// [`BODY_LIMIT`].
    pub async fn respond(&self, content_type: Option<&str>, body: &[u8]) -> Answer {
        match form::logout_token(content_type, body) {
            Ok(token) => self.tell(&self.logout(&token).await),
            Err(reason) => self.reject(reason),
        }
    }

    /// Verifies a logout token and ends the sessions it names.
    ///
    /// Dropped half-way, it leaves sessions that are over for [`SessionRegistry::standing`] but not all
    /// killed; the token stays in flight for [`LEASE`](crate::replay::LEASE), then the sender's retry
    /// finishes.
    pub async fn logout(&self, token: &str) -> Result<LoggedOut, LogoutError> {
        self.carry_out(self.verifier.verify(token).await?).await
    }

    /// Ends the sessions that a verified token names, unless it has been carried out before: what
    /// [`logout`](Self::logout) does after it has verified.
    pub async fn carry_out(&self, token: LogoutToken) -> Result<LoggedOut, LogoutError> {
        let token = Arc::new(token);
        let id = TokenId::from(&*token);
        if !self.replay.begin(&id).await? {
            tracing::info!("back-channel logout seen before");
            return Ok(LoggedOut { token, sessions: 0, replayed: true });
        }
        match self.end_sessions(&token).await {
            Ok(sessions) => {
                self.replay.commit(&id, &token).await;
                tracing::debug!(sessions, "back-channel logout");
                Ok(LoggedOut { token, sessions, replayed: false })
            }
            Err(failure) => {
                self.replay.release(&id).await;
                Err(Unavailable::Sessions(failure).into())
            }
        }
    }

    /// The answer to a request whose body could not be read, or is too large.
    #[must_use]
    pub fn reject(&self, reason: Reason) -> Answer {
        self.tell(&Err(reason.into()))
    }

    fn tell(&self, outcome: &Result<LoggedOut, LogoutError>) -> Answer {
        if let Some(hook) = &self.hooks.on_outcome {
            hook(outcome);
        }
        match outcome {
            Ok(_) => Answer::done(),
            Err(error) => {
                log(error);
                Answer::error(error)
            }
        }
    }

    /// 30: how many died. A failure to kill some is told after all others were tried.
    async fn end_sessions(&self, token: &Arc<LogoutToken>) -> Result<usize, StoreError> {
        let (mut ended, mut failure) = (0, None);
        for logout in self.logouts(token) {
            let mut ending = Ending::begin(&*self.registry, logout.clone()).await?;
            let tell =
                |sessions| self.hooks.tell(Killed { token: Arc::clone(token), logout: logout.clone(), sessions });
            let before = ended;
            while let Some(page) = ending.page().await? {
                let (dead, failed) = self.kill(page).await;
                failure = failure.or(failed);
                let sessions = self.registry.remove(&dead).await?;
                ended += sessions.len();
                if !sessions.is_empty() {
                    tell(sessions);
                }
            }
            if ended == before && failure.is_none() {
                tell(Vec::new());
            }
        }
        failure.map_or(Ok(ended), Err)
    }

    fn logouts(&self, token: &LogoutToken) -> Vec<Logout> {
        let mut logout = Logout::from(token);
        logout.at = logout.at.saturating_add(self.backdated);
        match token.sub().filter(|_| self.all_of_the_user && token.sid().is_some()) {
            Some(sub) => {
                vec![Logout { target: LogoutTarget::Subject { sub: sub.to_owned() }, ..logout.clone() }, logout]
            }
            None => vec![logout],
        }
    }

    /// The sessions that died, and a failure that left others alive.
    async fn kill(&self, sessions: Vec<Registration>) -> (Vec<Registration>, Option<StoreError>) {
        let Some(kill) = &self.hooks.kill else { return (sessions, None) };
        let kills = sessions.into_iter().map(|session| async move { (kill(session.clone()).await, session) });
        let mut results = stream::iter(kills).buffer_unordered(KILLS_AT_ONCE);
        let (mut dead, mut failure) = (Vec::new(), None);
        while let Some((result, session)) = results.next().await {
            match result {
                Ok(ended) => {
                    self.hand_over(ended, &session);
                    dead.push(session);
                }
                Err(error) => failure = Some(error),
            }
        }
        (dead, failure)
    }

    /// At once: a second kill would not find the refresh token again.
    fn hand_over(&self, ended: Ended, session: &Registration) {
        let token = ended.refresh_token.filter(|token| !token.is_offline());
        if let (Some(revoke), Some(refresh_token)) = (&self.hooks.revoke, token) {
            revoke(Revocation { login: session.login.clone(), refresh_token });
        }
    }
}

fn log(error: &LogoutError) {
    match error {
        LogoutError::Rejected(reason) => tracing::info!(reason = reason.code(), "back-channel logout refused"),
        LogoutError::Unavailable(cause) => {
            tracing::warn!(reason = cause.code(), error = %chain(cause), "back-channel logout not possible now");
        }
    }
}

impl fmt::Debug for BackchannelLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogout").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
