//! What time is it? The only file of this crate that asks the machine.

use std::fmt::Debug;
#[cfg(any(test, feature = "suite"))]
use std::sync::Arc;
#[cfg(any(test, feature = "suite"))]
use std::sync::atomic::{AtomicI64, Ordering};
#[cfg(any(test, feature = "suite"))]
use std::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Time as an argument: tests pass their own.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock in seconds since the Unix epoch, for `iat`, `exp` and `nbf`.
    fn unix_seconds(&self) -> i64;
    /// The monotonic clock, for the age of a key set.
    fn instant(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn unix_seconds(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock for tests: it stands still until it is told to go on. Clones are the same clock.
#[cfg(any(test, feature = "suite"))]
#[derive(Debug, Clone)]
pub struct ManualClock {
    start: Instant,
    unix: i64,
    passed: Arc<AtomicI64>,
}

#[cfg(any(test, feature = "suite"))]
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

#[cfg(any(test, feature = "suite"))]
impl Clock for ManualClock {
    fn unix_seconds(&self) -> i64 {
        self.unix.saturating_add(self.passed())
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_secs(self.passed().unsigned_abs())
    }
}
