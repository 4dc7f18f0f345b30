//! What does the application want done when sessions end?

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use super::{Ended, Killed, LoggedOut, Revocation};
use crate::{BackchannelLogout, LogoutError, Registration, ReplayGuard, StoreError};

/// How many events a slow subscriber may be behind before it misses some.
const EVENTS: usize = 1024;

type Kill = dyn Fn(Registration) -> BoxFuture<'static, Result<Ended, StoreError>> + Send + Sync;
type OnKilled = dyn Fn(&Killed) + Send + Sync;
type OnOutcome = dyn Fn(&Result<LoggedOut, LogoutError>) + Send + Sync;
type Revoke = dyn Fn(Revocation) + Send + Sync;

/// What to do with a logout when the replay guard is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplayOutage {
    /// Answer 503, so that the sender tries again.
    #[default]
    Refuse,
    /// Carry it out, at the risk of doing so twice, which ends nothing more.
    Act,
}

#[derive(Clone)]
pub(super) struct Hooks {
    pub(super) kill: Option<Arc<Kill>>,
    pub(super) revoke: Option<Arc<Revoke>>,
    pub(super) on_outcome: Option<Arc<OnOutcome>>,
    on_killed: Option<Arc<OnKilled>>,
    events: broadcast::Sender<Arc<Killed>>,
}

impl Hooks {
    pub(super) fn new() -> Self {
        Self { kill: None, revoke: None, on_outcome: None, on_killed: None, events: broadcast::Sender::new(EVENTS) }
    }

    pub(super) fn tell(&self, killed: Killed) {
        if let Some(hook) = &self.on_killed {
            hook(&killed);
        }
        // An error means that nobody listens.
        let _listeners = self.events.send(Arc::new(killed));
    }
}

impl BackchannelLogout {
    /// Ends one session where the application keeps it: called for each session of a logout, before
    /// the registry forgets it. If it fails for some, the others still die, the sender is told to try
    /// again (503), and finds those that are left. It may be called twice for a session.
    ///
    /// It returns `()`, or [`Ended`] with what the session held that must go as well.
    #[must_use]
    pub fn kill_with<F, Killing, E>(mut self, kill: F) -> Self
    where
        F: Fn(Registration) -> Killing + Send + Sync + 'static,
        Killing: Future<Output = Result<E, StoreError>> + Send + 'static,
        E: Into<Ended> + 'static,
    {
        self.hooks.kill = Some(Arc::new(move |session| kill(session).map(|ended| ended.map(Into::into)).boxed()));
        self
    }

    /// Is told of every logout that was carried out, before the sender gets its answer. Must not block.
    #[must_use]
    pub fn on_killed(mut self, hook: impl Fn(&Killed) + Send + Sync + 'static) -> Self {
        self.hooks.on_killed = Some(Arc::new(hook));
        self
    }

    /// Is told how each request to the endpoint came out, for metrics: how many sessions ended, whether it
    /// had been carried out before, or by [code](crate::Reason::code) why not. Must not block.
    #[must_use]
    pub fn on_outcome(mut self, hook: impl Fn(&Result<LoggedOut, LogoutError>) + Send + Sync + 'static) -> Self {
        self.hooks.on_outcome = Some(Arc::new(hook));
        self
    }

    /// Takes the refresh tokens that the kill hook handed back and that are not for offline access, one
    /// by one, before the sender gets its answer. Must not block: it puts them somewhere to be revoked.
    #[must_use]
    pub fn revoke_with(mut self, revoke: impl Fn(Revocation) + Send + Sync + 'static) -> Self {
        self.hooks.revoke = Some(Arc::new(revoke));
        self
    }

    /// Every logout that this process carries out from now on. A subscriber that falls 1024 behind
    /// misses some and is told so: it then asks the registry. What other replicas carry out is not
    /// among them.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Killed>> {
        self.hooks.events.subscribe()
    }

    /// Remembers tokens here; in the memory of this process unless set.
    #[must_use]
    pub fn replay_guard(mut self, guard: impl ReplayGuard + 'static) -> Self {
        self.replay.guard = Arc::new(guard);
        self
    }

    /// What to do when the replay guard is out of order; refuse unless set.
    #[must_use]
    pub fn on_replay_outage(mut self, policy: ReplayOutage) -> Self {
        self.replay.outage = policy;
        self
    }

    /// A token that names a provider session and its user ends all sessions of the user at this client,
    /// not just those of the provider session.
    #[must_use]
    pub fn end_all_of_the_user(mut self) -> Self {
        self.all_of_the_user = true;
        self
    }

    /// The provider dates logout tokens back by this much, for receivers whose clock is behind (signoff:
    /// `iat_backdate`, 2 s). Without it, a cookie-only session that began in those seconds survives a
    /// logout that names the user alone.
    #[must_use]
    pub fn iat_backdated_by(mut self, by: Duration) -> Self {
        self.backdated = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self
    }
}
