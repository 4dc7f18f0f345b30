//! What time is it? The only file of this crate that asks the machine.

use std::fmt::Debug;
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
