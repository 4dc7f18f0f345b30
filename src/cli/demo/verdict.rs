//! Are exactly the right sessions dead? Pure.

use std::time::Duration;

/// The status of the page with a live session.
pub(super) const ALIVE: u16 = 200;
/// And without.
pub(super) const DEAD: u16 = 401;

/// One session, before and after the logout, as its application's page answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) user: &'static str,
    pub(super) application: String,
    /// Whether it is one of those that signed out.
    pub(super) to_end: bool,
    pub(super) before: u16,
    pub(super) after: u16,
    /// How long after the logout it ended.
    pub(super) ended_after: Option<Duration>,
    /// The `jti` of the token that ended it.
    pub(super) ended_by: Option<String>,
}

impl Fate {
    /// It was alive, and is now as it must be.
    pub(super) fn is_right(&self) -> bool {
        let expected = if self.to_end { DEAD } else { ALIVE };
        self.before == ALIVE && self.after == expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_right_if_it_was_alive_and_only_those_to_end_are_dead() {
        for (to_end, before, after, right) in [
            (true, 200, 401, true),
            (true, 200, 200, false),
            (true, 401, 401, false),
            (true, 200, 500, false),
            (false, 200, 200, true),
            (false, 200, 401, false),
            (false, 500, 200, false),
        ] {
            let (ended_after, ended_by) = (None, None);
            let fate = Fate { user: "alice", application: "shop".into(), to_end, before, after, ended_after, ended_by };
            assert_eq!(fate.is_right(), right, "{fate:?}");
        }
    }
}
