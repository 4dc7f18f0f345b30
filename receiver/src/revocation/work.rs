//! Who revokes, how often, and how many at once?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, mpsc};

use super::request::{Attempt, Endpoint};
use super::{OnOutcome, RevocationOutcome};
use crate::{Login, RefreshToken, Revocation};

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

pub(super) struct Job(pub(super) Revocation);

/// How often, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) attempts: u32,
    pub(super) first_pause: Duration,
    pub(super) timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { attempts: 8, first_pause: Duration::from_secs(1), timeout: Duration::from_secs(10) }
    }
}

impl Pace {
    /// After this many failures; longer if the provider asks for it.
    fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first_pause.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        doubled.max(asked.unwrap_or_default()).min(LONGEST_PAUSE)
    }
}

pub(super) struct Workers {
    endpoint: Endpoint,
    pace: Pace,
    on_outcome: Option<Arc<OnOutcome>>,
    pending: AtomicUsize,
    one_done: Notify,
}

impl Workers {
    pub(super) fn new(endpoint: Endpoint, pace: Pace, on_outcome: Option<Arc<OnOutcome>>) -> Arc<Self> {
        Arc::new(Self { endpoint, pace, on_outcome, pending: AtomicUsize::new(0), one_done: Notify::new() })
    }

    /// As many tasks as requests may be under way; each takes the next job when it is done with one.
    pub(super) fn start(self: &Arc<Self>, runtime: &Handle, tasks: usize, jobs: mpsc::Receiver<Job>) {
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..tasks {
            let (this, jobs) = (Arc::clone(self), Arc::clone(&jobs));
            runtime.spawn(async move {
                while let Some(Job(revocation)) = next(&jobs).await {
                    let outcome = this.revoke(&revocation.refresh_token).await;
                    this.leave(&revocation.login, outcome);
                }
            });
        }
    }

    async fn revoke(&self, token: &RefreshToken) -> RevocationOutcome {
        for failures in 1..=self.pace.attempts {
            let attempt = tokio::time::timeout(self.pace.timeout, self.endpoint.revoke(token)).await;
            match attempt.unwrap_or(Attempt::Again(None)) {
                Attempt::Revoked => return RevocationOutcome::Revoked,
                Attempt::Refused(status) => {
                    tracing::warn!(status, "the provider refuses to revoke a refresh token");
                    return RevocationOutcome::Refused(status);
                }
                Attempt::Again(asked) if failures < self.pace.attempts => {
                    tokio::time::sleep(self.pace.pause(failures, asked)).await;
                }
                Attempt::Again(_) => {}
            }
        }
        tracing::warn!(attempts = self.pace.attempts, "a refresh token could not be revoked");
        RevocationOutcome::GivenUp
    }

    pub(super) fn enter(&self) {
        self.pending.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn leave(&self, login: &Login, outcome: RevocationOutcome) {
        if let Some(hook) = &self.on_outcome {
            hook(login, outcome);
        }
        self.pending.fetch_sub(1, Ordering::SeqCst);
        self.one_done.notify_waiters();
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }

    pub(super) async fn idle(&self) {
        loop {
            // Listens before it looks.
            let one_done = self.one_done.notified();
            if self.pending() == 0 {
                return;
            }
            one_done.await;
        }
    }
}

async fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    jobs.lock().await.recv().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_follow_the_provider() {
        let pace = Pace::default();
        let pauses = [1, 2, 3, 6, 7, 8, 40].map(|failures| pace.pause(failures, None).as_secs());
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(pace.pause(1, Some(Duration::from_secs(20))), Duration::from_secs(20));
        assert_eq!(pace.pause(1, Some(Duration::from_hours(1))), LONGEST_PAUSE);
        assert_eq!(pace.pause(3, Some(Duration::from_secs(1))), Duration::from_secs(4));
    }
}
