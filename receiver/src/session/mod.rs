//! What does a session carry of its login, and what follows from that when it is loaded and saved?
//! The same for every session library.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Login, Registration, SessionRegistry, Standing, StoreError};

/// Where a session keeps its [`Login`]; nothing else may be kept there.
pub const LOGIN_KEY: &str = "signoff_receiver.login";

/// What is kept there. A plain [`Login`] will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) login: Login,
    /// The local id that the session was loaded under: so that a save knows whether the login is new,
    /// or the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    under: Option<String>,
}

impl Entry {
    pub(crate) fn new(login: Login) -> Self {
        Self { login, under: None }
    }

    pub(crate) fn under(self, local_id: &str) -> Self {
        Self { under: Some(local_id.to_owned()), ..self }
    }
}

/// Keeps the registry as sessions come and go. Clones share it.
#[derive(Clone)]
pub(crate) struct Keeper {
    registry: Arc<dyn SessionRegistry>,
}

impl Keeper {
    pub(crate) fn new(registry: impl SessionRegistry + 'static) -> Self {
        Self { registry: Arc::new(registry) }
    }

    /// Whether a session may be used that was loaded, or carried by a cookie.
    pub(crate) async fn standing(&self, local_id: Option<&str>, login: &Login) -> Result<Standing, StoreError> {
        self.registry.standing(local_id, login).await
    }

    /// Whether a session may stay that has been saved. Asked after, not before: a logout that comes
    /// between a question and the save would be missed.
    pub(crate) async fn saved(&self, local_id: &str, entry: &Entry) -> Result<Standing, StoreError> {
        match entry.under.as_deref() {
            Some(under) if under == local_id => return self.standing(Some(local_id), &entry.login).await,
            Some(under) if self.registry.rekey(under, local_id).await? == Standing::Ended => {
                return Ok(Standing::Ended);
            }
            // The library deletes the old id before it saves the new one: then there is nothing to move.
            Some(_) | None => {}
        }
        self.registry.register(&Registration::new(local_id, entry.login.clone())).await
    }

    /// The session is gone by itself.
    pub(crate) async fn deleted(&self, local_id: &str) -> Result<(), StoreError> {
        self.registry.unregister(local_id).await
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_login_is_an_entry() {
        let login =
            Login { issuer: "i".into(), client_id: "c".into(), sub: "alice".into(), sid: Some("s1".into()), at: 1 };
        let plain = serde_json::to_string(&login).unwrap();
        let entry: Entry = serde_json::from_str(&plain).unwrap();
        assert_eq!(entry, Entry::new(login.clone()));
        assert_eq!(serde_json::to_string(&entry).unwrap(), plain);
        let loaded = serde_json::to_string(&entry.under("l1")).unwrap();
        assert_eq!(serde_json::from_str::<Login>(&loaded).unwrap(), login);
    }
}
