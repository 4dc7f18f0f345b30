//! How does an application say who signed in to a session?

use async_trait::async_trait;
use tower_sessions::Session;
use tower_sessions::session::Error;

use crate::Login;
use crate::session::{Entry, LOGIN_KEY};

/// The login that a session came from.
#[async_trait]
pub trait SessionLogin {
    /// This session came from this login: once, where the ID token has been verified. The session takes
    /// a new id, so that nobody who knew the old one is signed in with it.
    ///
    /// If a logout has overtaken the login, the session is dropped when the response is sent, and the
    /// user is not signed in at the next request.
    async fn sign_in(&self, login: &Login) -> Result<(), Error>;

    /// The login, if somebody is signed in. Behind an [`IndexedSessionStore`](super::IndexedSessionStore),
    /// only if no logout has ended it.
    async fn login(&self) -> Result<Option<Login>, Error>;

    /// The user signs out here: the session goes with all it holds.
    async fn sign_out(&self) -> Result<(), Error>;
}

#[async_trait]
impl SessionLogin for Session {
    async fn sign_in(&self, login: &Login) -> Result<(), Error> {
        if self.id().is_some() {
            self.cycle_id().await?;
        }
        self.insert(LOGIN_KEY, Entry::new(login.clone())).await
    }

    async fn login(&self) -> Result<Option<Login>, Error> {
        self.get(LOGIN_KEY).await
    }

    async fn sign_out(&self) -> Result<(), Error> {
        self.flush().await
    }
}
