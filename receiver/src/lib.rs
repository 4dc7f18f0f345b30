//! OpenID Connect Back-Channel Logout 1.0 for relying parties: what a provider sends when a user
//! signs out, verified, and carried out on the application's own sessions.
//!
//! # An actix-web application
//! Two things are to be done: tell the registry of every login, and serve the endpoint.
//!
#![cfg_attr(feature = "actix", doc = "```no_run")]
#![cfg_attr(not(feature = "actix"), doc = "```ignore")]
//! use actix_web::{App, HttpServer};
//! use signoff_receiver::{BackchannelLogout, LogoutTokenVerifier, MemoryRegistry};
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = LogoutTokenVerifier::builder()
//!     .issuer("https://idp.example.com")
//!     .client_id("shop")
//!     .jwks_uri("https://idp.example.com/jwks")
//!     .build()?;
//! let sessions = MemoryRegistry::new();
//! let logout = BackchannelLogout::new(verifier, sessions.clone());
//! HttpServer::new(move || App::new().service(logout.resource("/backchannel-logout")))
//!     .bind("127.0.0.1:8000")?
//!     .run()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! At login, with the claims of the ID token; from then on the session lives while
//! `sessions.contains(local_id)`:
//!
//! ```
//! # use signoff_receiver::StoreError;
//! use signoff_receiver::{Login, MemoryRegistry, Registration, SessionRegistry, Standing};
//!
//! # async fn signed_in(sessions: &MemoryRegistry) -> Result<(), StoreError> {
//! let login = Login {
//!     issuer: "https://idp.example.com".into(),
//!     client_id: "shop".into(),
//!     sub: "248289761001".into(),
//!     sid: Some("08a5019c-17e1-4977-8f42-65a12843ea02".into()),
//!     at: 1_700_000_000, // iat
//! };
//! match sessions.register(&Registration::new("the value of the session cookie", login)).await? {
//!     Standing::Alive => {} // start the session
//!     Standing::Ended => {} // a logout was faster: send the user to log in again
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where sessions live in a store of the application, [`BackchannelLogout::kill_with`] ends them there;
//! [`BackchannelLogout::on_killed`] tells who died, by which token. A request that was in flight may save
//! its session a moment after that: ask [`SessionRegistry::standing`] after each save and before each use,
//! with the [`Login`] that the session carries.
//!
//! # What the sender hears
//! | answer | when |
//! |---|---|
//! | 200 | the sessions are gone, or were gone before |
//! | 400, with a [`Reason`] | the request is wrong and stays wrong |
//! | 503, with an [`Unavailable`] | the issuer's keys or the sessions are out of reach: send it again |
//! | 405 | not a `POST` |
//!
//! # The map
//! - [`claims`]: is this payload a logout token for us, now? Pure, always there.
//! - [`registry`]: which local sessions hang on a provider session, or on a user, and which have ended?
//! - [`replay`]: has this token been carried out before?
//! - feature `verifier` (default): [`LogoutTokenVerifier`], signature and keys; [`BackchannelLogout`],
//!   the endpoint without a framework.
//! - feature `actix`: [`BackchannelLogout::resource`], the endpoint in actix-web.
//! - features `postgres`, `sqlite`, `redis`: `PostgresRegistry`, `PostgresReplayGuard` and their siblings,
//!   which replicas share.
//! - features `actix-session`, `tower-sessions`: a module each, with an `IndexedSessionStore` around the
//!   application's own that keeps the registry, and a layer for sessions in cookies.
//!
//! The cryptography is aws-lc-rs. No process-wide provider is installed.
#![deny(missing_docs)]

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "actix-session")]
pub mod actix_session;
pub mod claims;
mod clock;
#[cfg(feature = "verifier")]
mod endpoint;
mod error;
#[cfg(feature = "verifier")]
mod jose;
#[cfg(feature = "verifier")]
mod keys;
#[cfg(any(test, feature = "suite"))]
mod manual_clock;
mod reason;
pub mod registry;
pub mod replay;
#[cfg(any(feature = "actix-session", feature = "tower-sessions"))]
mod session;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod shared;
mod token;
#[cfg(feature = "tower-sessions")]
pub mod tower_sessions;
#[cfg(feature = "verifier")]
mod verifier;

pub use clock::{Clock, SystemClock};
#[cfg(feature = "verifier")]
pub use endpoint::{
    Answer, BODY_LIMIT, BackchannelLogout, Ended, Killed, LoggedOut, RefreshToken, ReplayOutage, Revocation,
};
pub use error::{LogoutError, StoreError, Unavailable};
#[cfg(feature = "verifier")]
pub use jose::{Algorithm, TypPolicy};
#[cfg(any(test, feature = "suite"))]
pub use manual_clock::ManualClock;
pub use reason::Reason;
#[cfg(feature = "postgres")]
pub use registry::PostgresRegistry;
#[cfg(feature = "redis")]
pub use registry::RedisRegistry;
#[cfg(feature = "sqlite")]
pub use registry::SqliteRegistry;
pub use registry::{Login, Logout, MemoryRegistry, Registration, SessionAge, SessionRegistry, Standing};
#[cfg(feature = "postgres")]
pub use replay::PostgresReplayGuard;
#[cfg(feature = "redis")]
pub use replay::RedisReplayGuard;
#[cfg(feature = "sqlite")]
pub use replay::SqliteReplayGuard;
pub use replay::{MemoryReplayGuard, ReplayGuard};
pub use token::{LogoutTarget, LogoutToken};
#[cfg(feature = "verifier")]
pub use verifier::{BuildError, LogoutTokenVerifier, LogoutTokenVerifierBuilder};
