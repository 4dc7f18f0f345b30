//! How does an application say who signed in to a session?

use actix_session::{Session, SessionGetError, SessionInsertError};

use crate::Login;
use crate::session::{Entry, LOGIN_KEY};

/// The login that a session came from.
pub trait SessionLogin {
    /// This session came from this login: once, where the ID token has been verified. The session takes
    /// a new id, so that nobody who knew the old one is signed in with it.
    ///
    /// If a logout has overtaken the login, the session is dropped when the response is sent, and the
    /// user is not signed in at the next request.
    fn sign_in(&self, login: &Login) -> Result<(), SessionInsertError>;

    /// The login, if somebody is signed in. Behind an [`IndexedSessionStore`](super::IndexedSessionStore)
    /// or [`DenyEnded`](super::DenyEnded), only if no logout has ended it.
    fn login(&self) -> Result<Option<Login>, SessionGetError>;

    /// The user signs out here: the session goes with all it holds.
    fn sign_out(&self);
}

impl SessionLogin for Session {
    fn sign_in(&self, login: &Login) -> Result<(), SessionInsertError> {
        self.renew();
        self.insert(LOGIN_KEY, Entry::new(login.clone()))
    }

    fn login(&self) -> Result<Option<Login>, SessionGetError> {
        self.get(LOGIN_KEY)
    }

    fn sign_out(&self) {
        self.purge();
    }
}
