//! How many attempts are in flight under one limit? Some of it is kept for first attempts.

/// Attempts in flight under one limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    all: usize,
    yielding: usize,
}

impl Load {
    /// Attempts in flight.
    #[must_use]
    pub(super) fn all(self) -> usize {
        self.all
    }

    /// Whether one more fits; those that yield fit only into their share.
    #[must_use]
    pub(super) fn has_room(self, limit: usize, share: usize, yields: bool) -> bool {
        self.all < limit && (!yields || self.yielding < share)
    }

    /// One more.
    pub(super) fn enter(&mut self, yields: bool) {
        self.all += 1;
        self.yielding += usize::from(yields);
    }

    /// One less.
    pub(super) fn leave(&mut self, yields: bool) {
        self.all = self.all.saturating_sub(1);
        self.yielding = self.yielding.saturating_sub(usize::from(yields));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yields_leaves_the_rest_of_the_limit_to_others() {
        let mut load = Load::default();
        for _ in 0..3 {
            assert!(load.has_room(4, 3, true));
            load.enter(true);
        }
        assert!(!load.has_room(4, 3, true) && load.has_room(4, 3, false));
        load.enter(false);
        assert!(!load.has_room(4, 3, false));
        load.leave(true);
        assert!(load.has_room(4, 3, true));
        assert_eq!(load.all(), 3);
    }
}
