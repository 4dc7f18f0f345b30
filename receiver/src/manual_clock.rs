//! What time is it in a test?

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::{Clock, SystemClock};

/// A clock for tests: it stands still until it is told to go on. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    start: Instant,
    unix: i64,
    passed: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows this time, in seconds since the Unix epoch.
    #[must_use]
    pub fn at(unix_seconds: i64) -> Self {
        Self { start: SystemClock.instant(), unix: unix_seconds, passed: Arc::default() }
    }

    /// A clock that shows the machine's time of now.
    #[must_use]
    pub fn now() -> Self {
        Self::at(SystemClock.unix_seconds())
    }

    /// Lets this much time pass, in whole seconds.
    pub fn advance(&self, by: Duration) {
        self.passed.fetch_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    fn passed(&self) -> i64 {
        self.passed.load(Ordering::SeqCst)
    }
}

impl Clock for ManualClock {
    fn unix_seconds(&self) -> i64 {
        self.unix.saturating_add(self.passed())
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_secs(self.passed().unsigned_abs())
    }
}
