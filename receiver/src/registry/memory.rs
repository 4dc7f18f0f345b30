//! How does one process remember its sessions? Maps under a lock.

mod index;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use index::Index;

use super::{Check, Cursor, Login, Logout, Name, Page, Registration, SessionAge, SessionRegistry, Standing, Tombstone};
use crate::StoreError;

/// Sessions in the memory of this process. Clones share what they hold.
///
/// For one process whose sessions do not outlive it.
#[derive(Debug, Clone, Default)]
pub struct MemoryRegistry {
    age: SessionAge,
    index: Arc<Mutex<Index>>,
}

impl MemoryRegistry {
    /// An empty registry; sessions live at most 14 days.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty registry, with this greatest age of a session.
    #[must_use]
    pub fn with_age(age: SessionAge) -> Self {
        Self { age, index: Arc::default() }
    }

    /// Whether this local session is signed in, where the registry alone decides it.
    #[must_use]
    pub fn contains(&self, local_id: &str) -> bool {
        self.lock().held(local_id).iter().any(|login| !self.age.is_over(login))
    }

    /// How many local sessions are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().sessions()
    }

    /// Whether no session is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much is held in all: logins, names that lead to them, and tombstones.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.lock().entries()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // No call below can panic half-way through a change.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For writing: what is over goes now and then.
    fn lock_and_sweep(&self) -> MutexGuard<'_, Index> {
        let mut index = self.lock();
        if index.is_due() {
            index.sweep(&self.age);
        }
        index
    }

    fn judge(&self, index: &Index, login: &Login) -> Standing {
        if self.age.is_over(login) || index.any_stands(&login.checks(), self.age.now()) {
            Standing::Ended
        } else {
            Standing::Alive
        }
    }
}

#[async_trait]
impl SessionRegistry for MemoryRegistry {
    async fn register(&self, session: &Registration) -> Result<Standing, StoreError> {
        let mut index = self.lock_and_sweep();
        let standing = self.judge(&index, &session.login);
        index.forget(&session.local_id, |old| same_client(old, &session.login));
        if standing == Standing::Alive {
            index.insert(session.clone());
            index.exhume(&Name::local(&session.local_id));
        }
        Ok(standing)
    }

    async fn rekey(&self, old_id: &str, new_id: &str) -> Result<Standing, StoreError> {
        let mut index = self.lock_and_sweep();
        let logins = index.held(old_id).to_vec();
        let ended = index.any_stands(&[Check::local(old_id)], self.age.now())
            || logins.iter().any(|login| self.judge(&index, login) == Standing::Ended);
        if ended {
            index.forget(old_id, |_| true);
            index.bury(Tombstone::local(new_id), &self.age);
            return Ok(Standing::Ended);
        }
        if old_id != new_id {
            index.forget(old_id, |_| true);
            for login in logins {
                index.forget(new_id, |old| same_client(old, &login));
                index.insert(Registration::new(new_id, login));
            }
        }
        Ok(Standing::Alive)
    }

    async fn unregister(&self, local_id: &str) -> Result<(), StoreError> {
        self.lock_and_sweep().forget(local_id, |_| true);
        Ok(())
    }

    async fn standing(&self, local_id: Option<&str>, login: &Login) -> Result<Standing, StoreError> {
        let index = self.lock();
        if local_id.is_some_and(|id| index.any_stands(&[Check::local(id)], self.age.now())) {
            return Ok(Standing::Ended);
        }
        Ok(self.judge(&index, login))
    }

    async fn logins(&self, local_id: &str) -> Result<Vec<Login>, StoreError> {
        Ok(self.lock().held(local_id).iter().filter(|login| !self.age.is_over(login)).cloned().collect())
    }

    async fn bury(&self, logout: &Logout) -> Result<(), StoreError> {
        let mut index = self.lock_and_sweep();
        for tombstone in logout.tombstones() {
            index.bury(tombstone, &self.age);
        }
        Ok(())
    }

    async fn find(&self, logout: &Logout, after: Option<&Cursor>) -> Result<Page, StoreError> {
        Ok(self.lock().find(&logout.names(), after))
    }

    async fn remove(&self, sessions: &[Registration]) -> Result<Vec<Registration>, StoreError> {
        let mut index = self.lock_and_sweep();
        let mut gone = Vec::new();
        for session in sessions {
            if index.held(&session.local_id).contains(&session.login) {
                index.forget(&session.local_id, |_| true);
                index.bury(Tombstone::local(&session.local_id), &self.age);
                gone.push(session.clone());
            }
        }
        Ok(gone)
    }

    async fn prune(&self) -> Result<(), StoreError> {
        self.lock().sweep(&self.age);
        Ok(())
    }
}

fn same_client(one: &Login, other: &Login) -> bool {
    one.issuer == other.issuer && one.client_id == other.client_id
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{LogoutTarget, ManualClock};

    #[tokio::test]
    async fn e22_what_is_over_goes_without_being_asked() {
        let clock = ManualClock::at(1_700_000_000);
        let registry = MemoryRegistry::with_age(SessionAge::at_most(Duration::from_mins(1)).clock(clock.clone()));
        for n in 0..10_000 {
            let target = LogoutTarget::Session { sid: n.to_string() };
            let at = 1_700_000_000 + n;
            registry.bury(&Logout { issuer: "i".into(), client_id: "c".into(), target, at }).await.unwrap();
            clock.advance(Duration::from_secs(1));
        }
        assert!(registry.entries() <= 1024, "{}", registry.entries());
    }
}
