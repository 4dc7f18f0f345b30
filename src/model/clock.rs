//! What time is it? The only file that asks the machine.

use std::time::Instant;

use time::OffsetDateTime;

/// Time as an argument: tests pass their own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock, for `iat`, `exp` and log lines; never for leases.
    fn now(&self) -> OffsetDateTime;
    /// The monotonic clock, for leases, breakers and durations.
    fn instant(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the file the ban points to")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the file the ban points to")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}
