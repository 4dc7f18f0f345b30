//! Where did a local session come from? The login at the provider, as the ID token told it.

use serde::{Deserialize, Serialize};

use super::{Check, Logout, Name};

/// One login at a provider, from the ID token. Small enough for a session to carry with it: then
/// [`standing`](super::SessionRegistry::standing) can judge it wherever it turns up, under whatever id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Login {
    /// `iss` of the ID token.
    pub issuer: String,
    /// Our client id: with pairwise subjects the same user is another `sub` at another client.
    pub client_id: String,
    /// `sub` of the ID token.
    pub sub: String,
    /// `sid` of the ID token, where the provider sends one.
    pub sid: Option<String>,
    /// `iat` of the first ID token of this login, in seconds since the Unix epoch. Not `auth_time`:
    /// who comes back by single sign-on has an old one, and the new session would count as ended.
    pub at: i64,
}

impl Login {
    /// The names under which logouts find this login.
    #[must_use]
    pub fn names(&self) -> [Name; 2] {
        let sub = Name::sub(&self.issuer, &self.client_id, &self.sub);
        let other = match &self.sid {
            Some(sid) => Name::sid(&self.issuer, &self.client_id, sid),
            None => Name::sub_without_sid(&self.issuer, &self.client_id, &self.sub),
        };
        [sub, other]
    }

    /// The tombstones that would mean that this login is over; any of them does.
    ///
    /// A provider session that was ended does not come back, whatever the date of the login. A user
    /// does: there the date decides, and whoever logged in later is alive.
    #[must_use]
    pub fn checks(&self) -> [Check; 2] {
        let [sub, other] = self.names();
        let since = if self.sid.is_some() { i64::MIN } else { self.at };
        [Check { name: sub, since: self.at }, Check { name: other, since }]
    }

    /// Whether this logout ends this login: the rule of [`checks`](Self::checks), without a store.
    #[must_use]
    pub fn is_ended_by(&self, logout: &Logout) -> bool {
        let tombstones = logout.tombstones();
        self.checks().iter().any(|check| tombstones.iter().any(|one| one.name == check.name && one.at >= check.since))
    }
}

/// One local session and the login it came from. Written at every login.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Registration {
    /// The application's own id of the session.
    pub local_id: String,
    /// The login it came from.
    pub login: Login,
}

impl Registration {
    /// A local session and its login.
    pub fn new(local_id: impl Into<String>, login: Login) -> Self {
        Self { local_id: local_id.into(), login }
    }
}
