//! How do the sessions of tower-sessions obey logouts?
//!
//! Wrap the session store of the application in an [`IndexedSessionStore`], and tell each session of its
//! login with [`SessionLogin::sign_in`]: the rest happens by itself.
//!
//! ```no_run
//! use signoff_receiver::tower_sessions::{IndexedSessionStore, SessionLogin as _};
//! use signoff_receiver::{Login, MemoryRegistry};
//! use tower_sessions::{Session, SessionManagerLayer, SessionStore, session};
//!
//! async fn callback(session: Session, login: Login) -> Result<(), session::Error> {
//!     session.sign_in(&login).await
//! }
//!
//! async fn me(session: Session) -> Result<Option<String>, session::Error> {
//!     Ok(session.login().await?.map(|login| login.sub))
//! }
//!
//! # fn serve(store: impl SessionStore + Clone) {
//! let sessions = MemoryRegistry::new(); // of several replicas: PostgresRegistry, RedisRegistry
//! let store = IndexedSessionStore::new(store, sessions);
//! let layer = SessionManagerLayer::new(store); // for Router::layer
//! # }
//! ```

mod deny;
mod login;
mod store;

pub use deny::{DenyEnded, DenyEndedLayer};
pub use login::SessionLogin;
pub use store::IndexedSessionStore;

pub use crate::session::LOGIN_KEY;
