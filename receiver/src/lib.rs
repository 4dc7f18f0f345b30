//! OpenID Connect Back-Channel Logout 1.0 for relying parties: what a provider sends when a user
//! signs out, verified, and carried out on the application's own sessions.
//!
//! # In five minutes
//! **Register** the address of the endpoint with the provider, as `backchannel_logout_uri`, and set
//! `backchannel_logout_session_required`.
//!
//! **Serve** the endpoint, in actix-web (feature `actix`):
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
//!     .discover() // or .jwks_uri("https://idp.example.com/jwks")
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
//! or in axum (feature `axum`; on any other tower stack: feature `receiver`, `logout.service()`):
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! # use signoff_receiver::BackchannelLogout;
//! # async fn serve(logout: BackchannelLogout) -> std::io::Result<()> {
//! let router = axum::Router::new().merge(logout.router("/backchannel-logout"));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! axum::serve(listener, router).await
//! # }
//! ```
//!
//! **Tell** the registry of every login, with the claims of the ID token:
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
//! From then on the session lives while `sessions.contains(local_id)`. With **actix-session** or
//! **tower-sessions** a decorator round the session store does all of this: `session.sign_in(&login)` is
//! what is left (features `actix-session`, `tower-sessions`, modules of the same names). With a session store of your own,
//! [`BackchannelLogout::kill_with`] ends sessions there, and since a request that was in flight may save
//! its session a moment after that, ask [`SessionRegistry::standing`] after each save and before each use,
//! with the [`Login`] that the session carries. Sessions that live in a cookie alone have nothing else.
//!
//! **Several replicas** share the registry, and the memory of tokens that have been carried out:
//! Postgres, SQLite or Redis (features `postgres`, `sqlite`, `redis`), one of each kind, the second by
//! [`BackchannelLogout::replay_guard`].
//!
//! # What else ends with a session
//! - **Refresh tokens** (feature `revocation`): the kill hook hands them over, and they are revoked at the
//!   provider after the sender has its answer.
//! - **Open tabs** (feature `events`): they hear at once, by server-sent events, and leave the page.
//! - **The session at the provider** (feature `rp-logout`), when it is here that the user signs out.
//!
#![cfg_attr(
    all(feature = "actix", feature = "events", feature = "revocation", feature = "rp-logout"),
    doc = "```no_run"
)]
#![cfg_attr(
    not(all(feature = "actix", feature = "events", feature = "revocation", feature = "rp-logout")),
    doc = "```ignore"
)]
//! use signoff_receiver::{
//!     BackchannelLogout, ClientAuth, EndSession, Ended, RefreshToken, Registration, SessionEvents, StoreError,
//!     TokenRevoker, Watched,
//! };
//!
//! # type Failure = Box<dyn std::error::Error>;
//! # async fn end(session: &Registration) -> Result<String, StoreError> { Ok(String::new()) }
//! # async fn session_of(request: actix_web::HttpRequest) -> Option<Watched> { None }
//! # async fn example(logout: BackchannelLogout, id_token: &str) -> Result<(), Failure> {
//! let revoker = TokenRevoker::builder("https://idp.example.com/revoke", "shop")
//!     .auth(ClientAuth::ClientSecretBasic("the client secret".into()))
//!     .start()?;
//! let logout = logout
//!     .kill_with(async |session: Registration| {
//!         let refresh_token = end(&session).await?; // in the application's own store
//!         Ok(Ended::with_refresh_token(RefreshToken::with_scope(refresh_token, "openid profile")))
//!     })
//!     .revoke_with(revoker.hook());
//!
//! let events = logout.events();
//! let app = actix_web::App::new()
//!     .service(logout.resource("/backchannel-logout"))
//!     .service(events.resource("/session-events", session_of)) // whose session is this request's?
//!     .service(SessionEvents::script_resource("/session-events.js")); // <script src="/session-events.js">
//!
//! let end_session = EndSession::new("https://idp.example.com/end-session", "shop")?
//!     .post_logout_redirect_uri("https://shop.example.com/signed-out");
//! let end_here = async { /* purge the session */ Ok::<(), StoreError>(()) };
//! let departure = end_session.request().id_token_hint(id_token).after(end_here).await?;
//! // Redirect to departure.url.
//! # Ok(())
//! # }
//! ```
//!
//! # What the sender hears
//! | answer | when |
//! |---|---|
//! | 200 | the sessions are gone, or were gone before |
//! | 400, with a [`Reason`] | the request is wrong and stays wrong |
//! | 503, with an [`Unavailable`] | the issuer's keys or the sessions are out of reach: send it again |
//! | 405 | not a `POST` |
//!
//! [`BackchannelLogout::on_outcome`] is told the same, for metrics.
//!
//! # Providers differ
//! By default a token must be what the specification says. For a provider that deviates there is a setting
//! of [`LogoutTokenVerifierBuilder`]; each widens what is accepted, or narrows it, for one issuer.
//!
//! | the provider | unless set | setting |
//! |---|---|---|
//! | sends no `exp`, as before the first errata | refused | `exp(ExpPolicy::IfPresent)`: the maximum age alone bounds it |
//! | sends no `jti` | refused | `jti(JtiPolicy::HashIfAbsent)`: known again by its hash |
//! | says `typ: JWT` in the header, or nothing | accepted | `typ(TypPolicy::Strict)` refuses it |
//! | says `typ: logout+jwt`, in any case, or `application/logout+jwt` | accepted | |
//! | has a claim `typ`, such as `Logout` (Keycloak) | ignored | |
//! | has an issuer that ends with a slash, sometimes | refused | `ignore_trailing_slash()` |
//! | has members in the `events` entry | accepted | |
//! | has other entries in `events`, objects or not, such as `revoke_offline_access: true` | ignored | |
//! | has a string or `true` for the logout event | refused | none: that is another token |
//! | addresses several clients, without `azp` | accepted if we are among them | `multi_audience(MultiAudience::RequireAzp)` refuses it |
//! | sends no `sid`, although it is registered | accepted, all sessions of the user end | `require_sid()` refuses it |
//! | sends tokens late, or resends old ones | refused after 10 minutes | `max_age` |
//! | has a clock that is off | 60 s are forgiven | `skew` |
//! | dates tokens back, for receivers that are behind (signoff) | sessions in a cookie may survive | [`BackchannelLogout::iat_backdated_by`] |
//! | signs with the client secret | refused | `hmac(HmacAlgorithm::HS256, secret)` |
//! | has keys without `kid`, or names none | every key of the kind is tried | |
//! | encrypts | refused, `token_encrypted` | none |
//! | has several issuers, or we several clients | | [`LogoutTokenVerifier::any_of`] |
//!
//! # The map
//! - [`claims`]: is this payload a logout token for us, now? Pure, always there.
//! - [`registry`]: which local sessions hang on a provider session, or on a user, and which have ended?
//! - [`replay`]: has this token been carried out before?
//! - feature `verifier` (default): [`LogoutTokenVerifier`], signature and keys; [`BackchannelLogout`],
//!   the endpoint without a framework; [`IdTokenVerifier`] for the login; [`ProviderMetadata`].
//! - feature `receiver`: [`BackchannelLogout::service`], the endpoint as a tower service.
//! - feature `actix`: [`BackchannelLogout::resource`], the endpoint in actix-web; `axum`:
//!   [`BackchannelLogout::router`]. Both take [`LogoutToken`] as an extractor, for handlers that do the
//!   rest themselves.
//! - features `postgres`, `sqlite`, `redis`: registry and replay guard for replicas.
//! - features `actix-session`, `tower-sessions`: session stores that obey.
//! - features `revocation`: [`TokenRevoker`]; `events`: [`SessionEvents`]; `rp-logout`: [`EndSession`].
//! - feature `testkit`: an issuer in the test's own process, with every good and bad token; `suite`: the
//!   behaviour suites, for stores of your own.
//!
//! The cryptography is aws-lc-rs. No process-wide provider is installed.
#![deny(missing_docs)]

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "actix-session")]
pub mod actix_session;
#[cfg(feature = "axum")]
mod axum;
pub mod claims;
mod clock;
#[cfg(feature = "verifier")]
mod endpoint;
mod error;
#[cfg(feature = "events")]
mod events;
#[cfg(feature = "verifier")]
mod jose;
#[cfg(feature = "verifier")]
mod keys;
#[cfg(any(test, feature = "suite"))]
mod manual_clock;
#[cfg(feature = "verifier")]
mod metadata;
#[cfg(feature = "verifier")]
mod outbound;
mod reason;
pub mod registry;
pub mod replay;
#[cfg(feature = "revocation")]
mod revocation;
#[cfg(feature = "rp-logout")]
mod rp_logout;
#[cfg(feature = "receiver")]
mod service;
#[cfg(any(feature = "actix-session", feature = "tower-sessions"))]
mod session;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod shared;
#[cfg(feature = "testkit")]
pub mod testkit;
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
#[cfg(feature = "events")]
pub use events::{EventStream, SessionEvents, TAB_SCRIPT, TAB_SCRIPT_HASH, Watched};
#[cfg(feature = "verifier")]
pub use jose::{Algorithm, HmacAlgorithm, TypPolicy};
#[cfg(any(test, feature = "suite"))]
pub use manual_clock::ManualClock;
#[cfg(feature = "verifier")]
pub use metadata::{DiscoveryError, ProviderMetadata};
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
#[cfg(feature = "revocation")]
pub use revocation::{ClientAuth, RevocationOutcome, RevokerError, TokenRevoker, TokenRevokerBuilder};
#[cfg(feature = "rp-logout")]
pub use rp_logout::{Departure, EndSession, EndSessionRequest, NotAnEndpoint, is_returned};
#[cfg(feature = "receiver")]
pub use service::LogoutService;
pub use token::{LogoutTarget, LogoutToken};
#[cfg(feature = "verifier")]
pub use verifier::{BuildError, IdToken, IdTokenVerifier, LoginError, LogoutTokenVerifier, LogoutTokenVerifierBuilder};
