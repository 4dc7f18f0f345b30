//! What does the planner want for each of them? Step 6, pure.

use std::collections::BTreeMap;

use super::{Covered, Planned, Run};
use crate::model::{LogoutId, Target};
use crate::store::Decision;
use crate::store::rows::SessionRow;

/// A session, and how many of the logouts that cover it were asked.
struct Undecided {
    row: SessionRow,
    logouts: Vec<LogoutId>,
    asked: usize,
    /// What the first of them said.
    first: Option<Decision>,
}

impl Run<'_> {
    /// Asks the planner, logout by logout, until one wants the session to end.
    pub(super) fn plan(&self, covered: Covered) -> Vec<Planned> {
        let undecided = |(row, logouts)| Undecided { row, logouts, asked: 0, first: None };
        let mut open: Vec<_> = covered.into_values().map(undecided).collect();
        let mut planned = Vec::new();
        while !open.is_empty() {
            let mut groups: BTreeMap<LogoutId, Vec<Undecided>> = BTreeMap::new();
            for session in open.drain(..) {
                groups.entry(session.logouts[session.asked]).or_default().push(session);
            }
            for (logout, sessions) in groups {
                let decisions = self.ask(logout, &sessions);
                for (mut session, decision) in sessions.into_iter().zip(decisions) {
                    session.asked += 1;
                    session.first = session.first.or(Some(decision));
                    if leaves_alone(decision) && session.asked < session.logouts.len() {
                        open.push(session);
                    } else {
                        planned.push(self.planned(session, logout, decision));
                    }
                }
            }
        }
        planned
    }

    fn ask(&self, id: LogoutId, sessions: &[Undecided]) -> Vec<Decision> {
        let target = |session: &Undecided| Target { session: session.row.session(), logout: id };
        let targets: Vec<_> = sessions.iter().map(target).collect();
        self.logouts.get(&id).map(|logout| self.input.planner.plan(logout, &targets)).unwrap_or_default()
    }

    /// The delivery belongs to the first logout of its provider session, whoever decided.
    fn planned(&self, session: Undecided, decided_by: LogoutId, last: Decision) -> Planned {
        let earliest = session.logouts[0];
        let logout = self.first.get(&earliest).copied().unwrap_or(earliest);
        let decision = session.first.filter(|_| leaves_alone(last)).unwrap_or(last);
        Planned { row: session.row, logout, decided_by, decision }
    }
}

/// The session stays in the registry; another logout may still end it.
pub(super) fn leaves_alone(decision: Decision) -> bool {
    matches!(decision, Decision::Skip(why) if why.keeps_session())
}
