//! Where does an application keep its sessions? In a store of its own, which sometimes fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use signoff_receiver::{Killed, StoreError};
use uuid::Uuid;

use super::application::Trouble;
use crate::model::{Clock as _, SystemClock};

/// The sessions of one application. Clones are the same store.
#[derive(Debug, Clone)]
pub(super) struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sessions: Mutex<BTreeMap<String, Session>>,
    /// How many of the next writes fail.
    failures: AtomicU32,
}

/// One session, alive or ended.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) user: String,
    /// When it was ended.
    pub(super) ended_at: Option<Instant>,
    /// The `jti` of the logout token that ended it.
    pub(super) ended_by: Option<String>,
}

impl Sessions {
    pub(super) fn new(trouble: Trouble) -> Self {
        let failures = match trouble {
            Trouble::None => 0,
            Trouble::AtFirst(times) => times,
            Trouble::Always => u32::MAX,
        };
        Self(Arc::new(Inner { sessions: Mutex::default(), failures: failures.into() }))
    }

    /// A new session of this user; its id is the value of the session cookie.
    pub(super) fn open(&self, user: &str) -> String {
        let id = Uuid::new_v4().simple().to_string();
        self.lock().insert(id.clone(), Session { user: user.to_owned(), ended_at: None, ended_by: None });
        id
    }

    pub(super) fn get(&self, id: &str) -> Option<Session> {
        self.lock().get(id).cloned()
    }

    /// Ends a session, if the store is in the mood.
    pub(super) fn end(&self, id: &str) -> Result<(), StoreError> {
        let less = |left: u32| left.checked_sub(1);
        if self.0.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(StoreError::new("the session store is out of order"));
        }
        if let Some(session) = self.lock().get_mut(id) {
            session.ended_at.get_or_insert_with(|| SystemClock.instant());
        }
        Ok(())
    }

    /// Remembers which token ended what.
    pub(super) fn note(&self, killed: &Killed) {
        let mut sessions = self.lock();
        for login in &killed.sessions {
            if let Some(session) = sessions.get_mut(&login.local_id) {
                session.ended_by.get_or_insert_with(|| killed.token.jti.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        // No call above can panic half-way through a change.
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_in_trouble_ends_nothing_until_it_works() {
        for (trouble, answers) in [
            (Trouble::None, [true, true, true]),
            (Trouble::AtFirst(2), [false, false, true]),
            (Trouble::Always, [false, false, false]),
        ] {
            let sessions = Sessions::new(trouble);
            let id = sessions.open("alice");
            let ended = std::array::from_fn(|_| {
                sessions.end(&id).is_ok() && sessions.get(&id).is_some_and(|session| session.ended_at.is_some())
            });
            assert_eq!(ended, answers, "{trouble:?}");
        }
    }
}
