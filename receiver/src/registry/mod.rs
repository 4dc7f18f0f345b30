//! Which local sessions hang on a provider session, or on a user, and which have ended?
//!
//! Sessions are found by [`Name`]s; what ended leaves a [`Tombstone`] under the name it was ended by,
//! so that it does not come alive again: not by a request in flight that saves it a moment later, not
//! by a login whose callback was overtaken by the logout, not at another replica, and not out of a
//! cookie. Names, tombstones and the questions to them are data that [`Login`] and [`Logout`] make;
//! a store keeps them and compares numbers.
//!
//! To add a store: implement [`SessionRegistry`] in a file beside `memory.rs`, and let the behaviour
//! suite of the feature `suite` try it.

mod age;
mod ending;
mod login;
mod logout;
mod memory;
mod name;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;

use std::sync::Arc;

pub use age::SessionAge;
use async_trait::async_trait;
pub use ending::{Ending, take};
pub use login::{Login, Registration};
pub use logout::Logout;
pub use memory::MemoryRegistry;
pub use name::{Check, Name, Tombstone};
#[cfg(feature = "postgres")]
pub use postgres::PostgresRegistry;
#[cfg(feature = "redis")]
pub use redis::RedisRegistry;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteRegistry;

use crate::StoreError;

/// The most sessions a store returns at once.
pub const PAGE_SIZE: usize = 256;

/// Whether a session may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Standing {
    /// No logout has ended it.
    Alive,
    /// A logout ended it, or it is too old. It must not start, be saved, or be let in.
    Ended,
}

/// Where the next page starts. Only the store that made it can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(pub String);

/// Some of the sessions a logout ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// At most [`PAGE_SIZE`] of them.
    pub sessions: Vec<Registration>,
    /// Where the next page starts; `None` if this was the last.
    pub next: Option<Cursor>,
}

/// Local sessions by the logins they came from, and the tombstones of those that ended.
///
/// # What a store promises
/// - What one handle has written, every other handle on the same data sees at once.
/// - `register` and `rekey` write first, visible to everybody, and look for tombstones after that;
///   [`bury`](Self::bury) comes before [`find`](Self::find). So of a login and a logout that cross, one
///   always sees the other. Both in one transaction of a database is *not* that: the write would be
///   invisible while it looks.
/// - Registrations go when the session is [over](SessionAge::is_over), tombstones at
///   [their last second](SessionAge::last_second_of_tombstone), without being asked.
#[async_trait]
pub trait SessionRegistry: Send + Sync {
    /// Remembers a login. The same local session logging in again at the same issuer and client
    /// replaces what was remembered: the older login no longer ends it. A tombstone of the local id goes.
    ///
    /// [`Standing::Ended`]: a logout has overtaken this login. Nothing is remembered; the application
    /// does not start the session and sends the user to log in again.
    async fn register(&self, session: &Registration) -> Result<Standing, StoreError>;

    /// The local session has a new id, as after `renew` or `cycle_id`. Both are alike if it had no
    /// login: then nothing happens.
    ///
    /// [`Standing::Ended`]: the session was ended under its old id, or is being ended now; the new id
    /// gets a tombstone, and the application does not save the session.
    async fn rekey(&self, old_id: &str, new_id: &str) -> Result<Standing, StoreError>;

    /// Forgets a local session that ended by itself: local logout, expiry. Unknown ids are fine.
    async fn unregister(&self, local_id: &str) -> Result<(), StoreError>;

    /// Whether a session may go on, by what it carries itself; registered or not. `local_id` is absent
    /// where the application has none, as with cookie-only sessions.
    ///
    /// One round trip: is there a tombstone that meets any of the login's [checks](Login::checks), or
    /// that of the local id? And is the login [too old](SessionAge::is_over)?
    async fn standing(&self, local_id: Option<&str>, login: &Login) -> Result<Standing, StoreError>;

    /// The logins of a local session, one per issuer and client. Empty if it never was, ended, or is too
    /// old: where the registry alone decides, that session is not signed in.
    async fn logins(&self, local_id: &str) -> Result<Vec<Login>, StoreError>;

    /// Puts up the [tombstones](Logout::tombstones) of a logout. Under each name the latest `at` stays.
    async fn bury(&self, logout: &Logout) -> Result<(), StoreError>;

    /// Registrations that have one of the [names](Logout::names) of a logout, of any date; nothing is
    /// changed. Those that stay from page to page appear exactly once, whatever happens to others.
    async fn find(&self, logout: &Logout, after: Option<&Cursor>) -> Result<Page, StoreError>;

    /// Forgets these local sessions, each as a whole, and leaves the [tombstone](Tombstone::local) of its
    /// id. One whose registration is not exactly what was found stays: it was replaced in the meantime.
    /// Returns those that went; of several that remove the same session at once, one gets it.
    async fn remove(&self, sessions: &[Registration]) -> Result<Vec<Registration>, StoreError>;

    /// Drops now what is over and would be dropped some time.
    async fn prune(&self) -> Result<(), StoreError>;
}

#[async_trait]
impl<R: SessionRegistry + ?Sized> SessionRegistry for Arc<R> {
    async fn register(&self, session: &Registration) -> Result<Standing, StoreError> {
        (**self).register(session).await
    }

    async fn rekey(&self, old_id: &str, new_id: &str) -> Result<Standing, StoreError> {
        (**self).rekey(old_id, new_id).await
    }

    async fn unregister(&self, local_id: &str) -> Result<(), StoreError> {
        (**self).unregister(local_id).await
    }

    async fn standing(&self, local_id: Option<&str>, login: &Login) -> Result<Standing, StoreError> {
        (**self).standing(local_id, login).await
    }

    async fn logins(&self, local_id: &str) -> Result<Vec<Login>, StoreError> {
        (**self).logins(local_id).await
    }

    async fn bury(&self, logout: &Logout) -> Result<(), StoreError> {
        (**self).bury(logout).await
    }

    async fn find(&self, logout: &Logout, after: Option<&Cursor>) -> Result<Page, StoreError> {
        (**self).find(logout, after).await
    }

    async fn remove(&self, sessions: &[Registration]) -> Result<Vec<Registration>, StoreError> {
        (**self).remove(sessions).await
    }

    async fn prune(&self) -> Result<(), StoreError> {
        (**self).prune().await
    }
}
