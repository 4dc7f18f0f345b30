//! What do we do about this outcome? `judge` is the whole policy of retries, and pure.

use std::time::Duration;

/// The numbers of the table of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Waits after the 1st, 2nd, … refusal; after the last of them comes the end.
    pub refused: Vec<Duration>,
    /// First wait after an answer from the wrong place or a forbidden address.
    pub misdirected_first: Duration,
    /// Given up when it stayed misdirected or blocked this long.
    pub misdirected_for: Duration,
    /// First wait after a failure.
    pub first: Duration,
    /// Longest wait after a failure.
    pub longest: Duration,
    /// Longest `Retry-After` that is honoured.
    pub retry_after_cap: Duration,
    /// Attempts that fail while the client accepts others before the end.
    pub failing_attempts: u16,
    /// Given up when it was owed this long.
    pub give_up_after: Duration,
    /// Jitter, upward only, in percent of the wait.
    pub jitter: u8,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            refused: [1, 10, 60, 289].map(Duration::from_secs).to_vec(),
            misdirected_first: Duration::from_secs(30),
            misdirected_for: Duration::from_secs(60 * 60),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5 * 60),
            retry_after_cap: Duration::from_secs(10 * 60),
            failing_attempts: 8,
            give_up_after: Duration::from_secs(24 * 60 * 60),
            jitter: 10,
        }
    }
}
