//! How do the sessions of actix-session obey logouts?
//!
//! Wrap the session store of the application in an [`IndexedSessionStore`], and tell each session of its
//! login with [`SessionLogin::sign_in`]: the rest happens by itself.
//!
//! ```no_run
//! use actix_session::{Session, SessionMiddleware};
//! use actix_web::{App, HttpResponse, HttpServer, cookie::Key, web};
//! use signoff_receiver::actix_session::{IndexedSessionStore, SessionLogin as _};
//! use signoff_receiver::{BackchannelLogout, Login, MemoryRegistry};
//!
//! async fn callback(session: Session) -> actix_web::Result<HttpResponse> {
//!     # fn verified_id_token() -> Login { unimplemented!() }
//!     let login: Login = verified_id_token();
//!     session.sign_in(&login)?;
//!     Ok(HttpResponse::SeeOther().insert_header(("Location", "/")).finish())
//! }
//!
//! async fn me(session: Session) -> actix_web::Result<HttpResponse> {
//!     Ok(match session.login()? {
//!         Some(login) => HttpResponse::Ok().body(login.sub),
//!         None => HttpResponse::Unauthorized().finish(),
//!     })
//! }
//!
//! # async fn serve<S: actix_session::storage::SessionStore + Clone + Send + 'static>(
//! #     store: S, key: Key, logout: BackchannelLogout,
//! # ) -> std::io::Result<()> {
//! let sessions = MemoryRegistry::new(); // of several replicas: PostgresRegistry, RedisRegistry
//! let store = IndexedSessionStore::new(store, sessions); // a RedisSessionStore, for example
//! HttpServer::new(move || {
//!     App::new()
//!         .wrap(SessionMiddleware::new(store.clone(), key.clone()))
//!         .route("/callback", web::get().to(callback))
//!         .route("/me", web::get().to(me))
//!         .service(logout.resource("/backchannel-logout"))
//! })
//! .bind("127.0.0.1:8000")?
//! .run()
//! .await
//! # }
//! ```

mod deny;
mod login;
mod store;

pub use deny::{DenyEnded, DenyEndedService};
pub use login::SessionLogin;
pub use store::IndexedSessionStore;

pub use crate::session::LOGIN_KEY;
