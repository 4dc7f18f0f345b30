//! Whom does a logout end, and up to when?

use super::{Name, Tombstone};
use crate::{LogoutTarget, LogoutToken};

/// A logout, as the registry needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Logout {
    /// The issuer that asks for it.
    pub issuer: String,
    /// The client it is meant for.
    pub client_id: String,
    /// Whose sessions end.
    pub target: LogoutTarget,
    /// `iat` of the logout token, in seconds since the Unix epoch: a user who logged in later is not meant.
    // Not the time of arrival: logins carry the `iat` of the ID token, and only two dates of the same
    // clock, the provider's, can be told apart to the second. Ours may be off by a minute either way.
    pub at: i64,
}

impl Logout {
    /// The names whose sessions end: those with any of them among their
    /// [`names`](super::Login::names). `sid` wins over `sub`: where a token has both, the user finds
    /// only what was stored without `sid`.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        let (issuer, client) = (&self.issuer, &self.client_id);
        match &self.target {
            LogoutTarget::Session { sid } => vec![Name::sid(issuer, client, sid)],
            LogoutTarget::SessionOfSubject { sid, sub } => {
                vec![Name::sid(issuer, client, sid), Name::sub_without_sid(issuer, client, sub)]
            }
            LogoutTarget::Subject { sub } => vec![Name::sub(issuer, client, sub)],
        }
    }

    /// What it leaves behind.
    #[must_use]
    pub fn tombstones(&self) -> Vec<Tombstone> {
        self.names().into_iter().map(|name| Tombstone { name, at: self.at }).collect()
    }
}

impl From<&LogoutToken> for Logout {
    fn from(token: &LogoutToken) -> Self {
        Self {
            issuer: token.iss.clone(),
            client_id: token.client_id.clone(),
            target: token.target.clone(),
            at: token.iat,
        }
    }
}
