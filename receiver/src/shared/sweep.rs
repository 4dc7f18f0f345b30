//! When are rows dropped that are over?

use std::sync::atomic::{AtomicI64, Ordering};

/// How many rows of a table one sweep drops at most, so that no login waits long for it.
pub(crate) const BATCH: i64 = 1000;

/// Seconds from one sweep of a handle to the next.
const EVERY: i64 = 10;

/// Writes sweep now and then. Clones of a handle share it.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    due: AtomicI64,
}

impl Sweep {
    /// Whether the caller is to sweep: one of those that ask at the same time.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        due <= now
            && self.due.compare_exchange(due, now.saturating_add(EVERY), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sweep_in_ten_seconds() {
        let sweep = Sweep::default();
        let due = [100, 100, 109, 110, 119, 500].map(|now| sweep.is_due(now));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
