//! In what order is a logout carried out, so that no session slips through?

use super::{Cursor, Logout, Registration, SessionRegistry};
use crate::StoreError;

/// How far the clock that dated the logout may be behind the one that dated the logins, in seconds:
/// logout tokens are not always signed by the machine that signs ID tokens.
const LEEWAY: i64 = 60;

/// A logout on its way: tombstones first, then the sessions page by page.
///
/// The caller ends the sessions of a page and [removes](SessionRegistry::remove) them before it asks
/// for the next.
pub struct Ending<'a> {
    registry: &'a dyn SessionRegistry,
    logout: Logout,
    next: Option<Next>,
}

enum Next {
    First,
    After(Cursor),
}

impl<'a> Ending<'a> {
    /// Puts up the tombstones: from now on no such session is alive, and none can start.
    pub async fn begin(registry: &'a dyn SessionRegistry, logout: Logout) -> Result<Self, StoreError> {
        registry.bury(&logout).await?;
        Ok(Self { registry, logout, next: Some(Next::First) })
    }

    /// The next sessions to end; `None` when there are no more. A page may be empty.
    pub async fn page(&mut self) -> Result<Option<Vec<Registration>>, StoreError> {
        let after = match self.next.take() {
            None => return Ok(None),
            Some(Next::First) => None,
            Some(Next::After(cursor)) => Some(cursor),
        };
        let found = self.registry.find(&self.logout, after.as_ref()).await?;
        let sessions = self.concerned(found.sessions);
        // What dies here must be covered by the tombstone as well, or a request in flight brings it back.
        if let Some(latest) = sessions.iter().map(|one| one.login.at).max().filter(|at| *at > self.logout.at) {
            self.registry.bury(&Logout { at: latest, ..self.logout.clone() }).await?;
        }
        self.next = found.next.map(Next::After);
        Ok(Some(sessions))
    }

    /// A session that was there when the logout came gets the benefit of no doubt: it dies unless it is
    /// newer than clocks differ. One that comes later is judged to the second, so that the user who
    /// logs in again at once is not turned away.
    fn concerned(&self, sessions: Vec<Registration>) -> Vec<Registration> {
        let generous = Logout { at: self.logout.at.saturating_add(LEEWAY), ..self.logout.clone() };
        sessions.into_iter().filter(|one| one.login.is_ended_by(&generous)).collect()
    }
}

/// Carries out a logout on the registry alone: for applications whose sessions live and die with it.
/// Returns the sessions that ended.
pub async fn take(registry: &dyn SessionRegistry, logout: Logout) -> Result<Vec<Registration>, StoreError> {
    let mut ending = Ending::begin(registry, logout).await?;
    let mut taken = Vec::new();
    while let Some(sessions) = ending.page().await? {
        taken.extend(registry.remove(&sessions).await?);
    }
    Ok(taken)
}
