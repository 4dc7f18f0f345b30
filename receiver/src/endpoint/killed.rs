//! What came of a logout, and who is told what?

use std::fmt;
use std::sync::Arc;

use crate::{Login, Logout, LogoutToken, Registration};

/// What a kill hook hands back about the session it ended. `()` will do where there is nothing.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Ended {
    /// The refresh token that the session held. It passes from the kill hook to
    /// [`revoke_with`](crate::BackchannelLogout::revoke_with) and is kept nowhere on the way: neither in
    /// the registry nor in an event.
    pub refresh_token: Option<RefreshToken>,
}

impl Ended {
    /// The session is gone, and held this refresh token.
    #[must_use]
    pub fn with_refresh_token(token: RefreshToken) -> Self {
        Self { refresh_token: Some(token) }
    }
}

impl From<()> for Ended {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Option<RefreshToken>> for Ended {
    fn from(refresh_token: Option<RefreshToken>) -> Self {
        Self { refresh_token }
    }
}

/// A refresh token. `Debug` does not show it.
pub struct RefreshToken {
    token: String,
    offline_access: bool,
}

impl RefreshToken {
    /// A token that was granted for the time the user is signed in.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), offline_access: false }
    }

    /// A token whose grant has these scopes, as in the token response: with `offline_access` among them
    /// it outlives the session.
    #[must_use]
    pub fn with_scope(token: impl Into<String>, scope: &str) -> Self {
        let offline_access = scope.split(' ').any(|one| one == "offline_access");
        Self { token: token.into(), offline_access }
    }

    /// The secret itself, to be sent to the provider and nowhere else.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.token
    }

    /// Whether it is to outlive the session, and is not to be revoked (section 2.7).
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline_access
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").field("offline_access", &self.offline_access).finish_non_exhaustive()
    }
}

/// A refresh token that is to be revoked, and the login it came from.
#[derive(Debug)]
#[non_exhaustive]
pub struct Revocation {
    /// Which provider issued it to which client, for whom.
    pub login: Login,
    /// Without `offline_access`.
    pub refresh_token: RefreshToken,
}

/// Sessions that a logout ended: told to [`on_killed`](crate::BackchannelLogout::on_killed) and to
/// every [subscriber](crate::BackchannelLogout::subscribe).
///
/// A logout that ends very many sessions is told in parts; one that found none is told as well, since
/// cookie-only sessions are registered nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Killed {
    /// The token that asked for it.
    pub token: Arc<LogoutToken>,
    /// Whom it ended.
    pub logout: Logout,
    /// The sessions that died; none if they had ended before, which is a success too. Each is named
    /// once, to whoever ended it.
    pub sessions: Vec<Registration>,
}

impl Killed {
    /// Whether this ended the session that came from this login, registered or not, under whatever
    /// local id: for open connections that belong to a session.
    #[must_use]
    pub fn concerns(&self, login: &Login) -> bool {
        login.is_ended_by(&self.logout) || self.sessions.iter().any(|one| one.login == *login)
    }
}

/// A logout that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedOut {
    /// The token that asked for it.
    pub token: Arc<LogoutToken>,
    /// How many registered sessions it ended; none if they had ended before.
    pub sessions: usize,
    /// The token had been carried out before, and nothing was done.
    pub replayed: bool,
}
