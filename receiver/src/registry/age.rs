//! How old can a session become, and how long are its traces kept?

use std::sync::Arc;
use std::time::Duration;

use super::Login;
use crate::{Clock, SystemClock};

/// The greatest age of a session, and the clock it is measured by. Every store takes one.
///
/// A session that is older has ended, however active it is; in return a tombstone may go when the
/// sessions it stands for are that old. All replicas of an application must agree on the age. Their
/// clocks need to agree to the minute: nothing here is decided by less.
#[derive(Debug, Clone)]
pub struct SessionAge {
    max: i64,
    clock: Arc<dyn Clock>,
}

impl SessionAge {
    /// Sessions live at most this long, counted from the login.
    #[must_use]
    pub fn at_most(age: Duration) -> Self {
        Self { max: i64::try_from(age.as_secs()).unwrap_or(i64::MAX), clock: Arc::new(SystemClock) }
    }

    /// Where the time comes from; the machine unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The time, in seconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    /// The last second of a session that came from this login; its registration can go after it.
    #[must_use]
    pub fn last_second(&self, login: &Login) -> i64 {
        login.at.saturating_add(self.max)
    }

    /// Whether a session that came from this login is too old.
    #[must_use]
    pub fn is_over(&self, login: &Login) -> bool {
        self.last_second(login) < self.now()
    }

    /// The last second for which a tombstone is needed that is put up now. `at` is the tombstone's own
    /// time: the provider's clock may be ahead of ours.
    #[must_use]
    pub fn last_second_of_tombstone(&self, at: i64) -> i64 {
        let now = self.now();
        // The tombstone of a local session has no date.
        let from = if at == i64::MAX { now } else { at.max(now) };
        from.saturating_add(self.max)
    }
}

impl Default for SessionAge {
    /// 14 days, by the machine's clock.
    fn default() -> Self {
        Self::at_most(Duration::from_hours(14 * 24))
    }
}
