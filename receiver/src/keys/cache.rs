//! When are the keys read again? One reading at a time, each stamped before it starts.
//!
//! - nothing read yet: read; after a failure not again within a second
//! - the set is older than its maximum age: read, but go on with the last good set if that fails
//! - a token names a key the set does not hold: read once a minute, whatever the tokens say

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::source::{FetchError, Fetched};
use super::{KeySet, KeySource};
use crate::error::chain;
use crate::jose::Algorithm;
use crate::{Clock, Unavailable};

/// Between two readings that unknown keys ask for, and between two tries to renew an old set.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_mins(1);
/// After a failure that leaves a request without an answer.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// The issuer's keys, as last read.
#[derive(Debug)]
pub(crate) struct KeyCache {
    source: KeySource,
    times: Times,
    algorithms: Vec<Algorithm>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held while a reading is under way.
    flight: Arc<tokio::sync::Mutex<()>>,
}

/// How long a reading may take, and how long a set is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) timeout: Duration,
    pub(crate) max_age: Duration,
}

#[derive(Debug, Default)]
struct State {
    set: Option<Arc<KeySet>>,
    read_at: Option<Instant>,
    started_at: Option<Instant>,
    ended_at: Option<Instant>,
    asked_for_unknown_at: Option<Instant>,
    /// How many readings have ended; tells a waiter that somebody else's answer is there.
    readings: u64,
    failure: Option<Arc<FetchError>>,
}

/// A set of keys and the count of readings it was seen at.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) set: Arc<KeySet>,
    /// Read for this very request: asking again at once would bring the same.
    pub(crate) brand_new: bool,
    readings: u64,
}

impl KeyCache {
    pub(crate) fn new(source: KeySource, times: Times, algorithms: Vec<Algorithm>, clock: Arc<dyn Clock>) -> Self {
        Self { source, times, algorithms, clock, state: Mutex::default(), flight: Arc::default() }
    }

    /// Those it reads keys for.
    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The keys to judge a token by.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Seen, Unavailable> {
        let (set, readings, renew) = {
            let state = self.state();
            (state.set.clone(), state.readings, self.is_old(&state))
        };
        match set {
            None => {
                let set = self.read_first(readings).await.map_err(|error| Unavailable::Keys(error))?;
                Ok(Seen { set, brand_new: true, readings: self.state().readings })
            }
            Some(set) if renew => Ok(self.renew(set, readings).await),
            Some(set) => Ok(Seen { set, brand_new: false, readings }),
        }
    }

    /// A newer set than the one seen, because a token names a key it does not hold. `None`: there is
    /// none, or it is too soon to ask.
    pub(crate) async fn newer(self: &Arc<Self>, seen: &Seen) -> Result<Option<Arc<KeySet>>, Unavailable> {
        if seen.brand_new {
            // That reading was the one of this minute.
            self.state().asked_for_unknown_at = Some(self.clock.instant());
            return Ok(None);
        }
        let flight = Arc::clone(&self.flight).lock_owned().await;
        let now = self.clock.instant();
        let outcome = {
            let mut state = self.state();
            if state.readings != seen.readings {
                Some(state.outcome().map(Some))
            } else if let Some(failure) = state.fresh_failure(now) {
                // Failed while this very request renewed an old set.
                Some(Err(failure))
            } else if within(state.asked_for_unknown_at, now, UNKNOWN_KEY_INTERVAL) {
                Some(state.failure.clone().map_or(Ok(None), Err))
            } else {
                state.asked_for_unknown_at = Some(now);
                None
            }
        };
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => self.read(flight).await.map(Some),
        };
        outcome.map_err(|error| Unavailable::Keys(error))
    }

    async fn read_first(self: &Arc<Self>, seen: u64) -> Fetched {
        let flight = Arc::clone(&self.flight).lock_owned().await;
        {
            let state = self.state();
            if state.readings != seen {
                return state.outcome();
            }
            if let Some(failure) = state.fresh_failure(self.clock.instant()) {
                return Err(failure);
            }
        }
        self.read(flight).await
    }

    /// Whoever finds the set old reads it again; everybody else goes on with what is there.
    async fn renew(self: &Arc<Self>, old: Arc<KeySet>, readings: u64) -> Seen {
        let kept = Seen { set: old, brand_new: false, readings };
        let Ok(flight) = Arc::clone(&self.flight).try_lock_owned() else { return kept };
        if !self.is_old(&self.state()) {
            drop(flight);
            let state = self.state();
            return Seen { set: state.set.clone().unwrap_or(kept.set), brand_new: false, readings: state.readings };
        }
        match self.read(flight).await {
            Ok(set) => Seen { set, brand_new: true, readings: self.state().readings },
            Err(_) => Seen { readings: self.state().readings, ..kept },
        }
    }

    fn is_old(&self, state: &State) -> bool {
        let now = self.clock.instant();
        !within(state.read_at, now, self.times.max_age) && !within(state.started_at, now, UNKNOWN_KEY_INTERVAL)
    }

    /// One reading, in a task of its own: a sender that hangs up must not waste it.
    async fn read(self: &Arc<Self>, flight: OwnedMutexGuard<()>) -> Fetched {
        self.state().started_at = Some(self.clock.instant());
        let this = Arc::clone(self);
        let reading = async move {
            let fetched = this.source.fetch(this.times.timeout, &this.algorithms).await;
            let outcome = this.keep(fetched);
            drop(flight);
            outcome
        };
        #[expect(clippy::disallowed_methods, reason = "bounded by its own timeout; there is no tracker in a library")]
        let task = tokio::spawn(reading);
        task.await.unwrap_or_else(|_| Err(Arc::new(FetchError::Interrupted)))
    }

    fn keep(&self, fetched: Result<KeySet, FetchError>) -> Fetched {
        let mut state = self.state();
        state.readings += 1;
        state.ended_at = Some(self.clock.instant());
        match fetched {
            Ok(set) => {
                state.read_at = state.ended_at;
                state.set = Some(Arc::new(set));
                state.failure = None;
            }
            Err(error) => {
                let kept = state.set.is_some();
                tracing::warn!(error = %chain(&error), last_good_set_kept = kept, "the issuer's keys could not be read");
                state.failure = Some(Arc::new(error));
            }
        }
        state.outcome()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change below can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh_failure(&self, now: Instant) -> Option<Arc<FetchError>> {
        self.failure.clone().filter(|_| within(self.ended_at, now, FAILURE_INTERVAL))
    }

    /// What the last reading brought.
    fn outcome(&self) -> Fetched {
        match (&self.failure, &self.set) {
            (Some(error), _) => Err(Arc::clone(error)),
            (None, Some(set)) => Ok(Arc::clone(set)),
            (None, None) => Err(Arc::new(FetchError::Interrupted)),
        }
    }
}

fn within(stamp: Option<Instant>, now: Instant, interval: Duration) -> bool {
    stamp.is_some_and(|stamp| now.saturating_duration_since(stamp) < interval)
}
