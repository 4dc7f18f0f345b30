//! What leads from a name to sessions, and what has ended? The maps of the memory store.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use crate::registry::{Check, Cursor, Login, Name, PAGE_SIZE, Page, Registration, SessionAge, Tombstone};

/// Fewer entries than this are not swept.
const SMALL: usize = 1024;

/// `sessions` is the truth, by local id; `names` leads to local ids and holds nothing else.
#[derive(Debug, Default)]
pub(super) struct Index {
    sessions: HashMap<String, Vec<Login>>,
    names: HashMap<Name, BTreeSet<String>>,
    tombstones: HashMap<Name, Kept>,
    /// How many sessions and tombstones the last sweep left.
    left: usize,
}

/// A tombstone.
#[derive(Debug)]
struct Kept {
    at: i64,
    last_second: i64,
}

impl Index {
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn entries(&self) -> usize {
        let logins: usize = self.sessions.values().map(Vec::len).sum();
        let names: usize = self.names.values().map(BTreeSet::len).sum();
        logins + names + self.tombstones.len()
    }

    /// Each sweep looks at everything: one is due when there is twice as much as the last one left.
    pub(super) fn is_due(&self) -> bool {
        self.sessions.len() + self.tombstones.len() >= (2 * self.left).max(SMALL)
    }

    pub(super) fn sweep(&mut self, age: &SessionAge) {
        let now = age.now();
        self.tombstones.retain(|_, kept| kept.last_second >= now);
        let old: Vec<String> =
            self.sessions.iter().filter(|(_, held)| held.iter().any(|one| age.is_over(one))).map(id).collect();
        for local_id in old {
            self.forget(&local_id, |login| age.is_over(login));
        }
        self.left = self.sessions.len() + self.tombstones.len();
    }

    pub(super) fn held(&self, local_id: &str) -> &[Login] {
        self.sessions.get(local_id).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn insert(&mut self, session: Registration) {
        for name in session.login.names() {
            self.names.entry(name).or_default().insert(session.local_id.clone());
        }
        self.sessions.entry(session.local_id).or_default().push(session.login);
    }

    /// Forgets the logins of a local session that are `meant`.
    pub(super) fn forget(&mut self, local_id: &str, meant: impl Fn(&Login) -> bool) {
        let Some(held) = self.sessions.get_mut(local_id) else { return };
        let gone: Vec<Login> = held.extract_if(.., |login| meant(login)).collect();
        // Two logins at one client would share names; register() keeps one.
        for name in gone.iter().flat_map(Login::names) {
            if let Some(ids) = self.names.get_mut(&name) {
                ids.remove(local_id);
                if ids.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        if held.is_empty() {
            self.sessions.remove(local_id);
        }
    }

    pub(super) fn find(&self, names: &[Name], after: Option<&Cursor>) -> Page {
        let from = after.map_or(Bound::Unbounded, |cursor| Bound::Excluded(cursor.0.as_str()));
        let first = |ids| BTreeSet::range::<str, _>(ids, (from, Bound::Unbounded)).take(PAGE_SIZE);
        let ids: BTreeSet<&String> = names.iter().filter_map(|name| self.names.get(name)).flat_map(first).collect();
        let next = (ids.len() >= PAGE_SIZE).then(|| ids.iter().nth(PAGE_SIZE - 1)).flatten();
        let next = next.map(|id| Cursor((*id).clone()));
        let sessions = ids.into_iter().take(PAGE_SIZE).flat_map(|id| {
            let found = self.held(id).iter().filter(|login| login.names().iter().any(|name| names.contains(name)));
            found.map(move |login| Registration::new(id.clone(), login.clone()))
        });
        Page { sessions: sessions.collect(), next }
    }

    pub(super) fn bury(&mut self, tombstone: Tombstone, age: &SessionAge) {
        let last_second = age.last_second_of_tombstone(tombstone.at);
        let kept = self.tombstones.entry(tombstone.name).or_insert(Kept { at: tombstone.at, last_second });
        kept.at = kept.at.max(tombstone.at);
        kept.last_second = kept.last_second.max(last_second);
    }

    pub(super) fn exhume(&mut self, name: &Name) {
        self.tombstones.remove(name);
    }

    pub(super) fn any_stands(&self, checks: &[Check], now: i64) -> bool {
        checks.iter().any(|check| {
            self.tombstones.get(&check.name).is_some_and(|kept| kept.at >= check.since && kept.last_second >= now)
        })
    }
}

fn id((local_id, _): (&String, &Vec<Login>)) -> String {
    local_id.clone()
}
