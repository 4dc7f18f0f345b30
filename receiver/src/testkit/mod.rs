//! How does an application try its logout without a provider? An issuer in the test's own process,
//! with a key set, and with every good and bad token of the catalogue.
//!
//! ```
//! use signoff_receiver::testkit::{CASES, Expected, TestIssuer};
//! use signoff_receiver::{BackchannelLogout, LogoutTokenVerifier, MemoryRegistry, Registration, SessionRegistry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = TestIssuer::start().await;
//! let verifier = LogoutTokenVerifier::builder()
//!     .issuer(issuer.issuer())
//!     .client_id(issuer.client_id())
//!     .jwks_uri(issuer.jwks_uri())
//!     .build()?;
//! let sessions = MemoryRegistry::new();
//! let logout = BackchannelLogout::new(verifier, sessions.clone()); // here: the application's own
//!
//! // Somebody is signed in, and the issuer ends the session.
//! let _alive = sessions.register(&Registration::new("local", issuer.login("alice", Some("s1")))).await?;
//! logout.logout(&issuer.logout_token("alice", Some("s1")).sign()).await?;
//! assert!(!sessions.contains("local"));
//!
//! // What it makes of a token by its id, or of all of them.
//! assert!(logout.logout(&issuer.mint("J07")).await.is_err());
//! for case in CASES {
//!     let accepted = logout.verifier().verify(&case.mint(&issuer)).await.is_ok();
//!     assert_eq!(accepted, case.expected == Expected::Accepted, "{} {}", case.id, case.what);
//! }
//! # Ok(())
//! # }
//! ```
#![expect(clippy::expect_used, reason = "a test that cannot go on ends there")]

mod cases;
mod key;
mod keys;
mod mint;
mod server;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub use cases::{CASES, Case, Expected};
pub use key::SigningKey;
use keys::{Keys, rs256};
pub use mint::Mint;
use serde_json::{Value, json};
use server::Log;
pub use server::Mood;
use tokio::net::TcpListener;

use crate::claims::LOGOUT_EVENT;
use crate::{Clock, Login, SystemClock};

/// The `kid` of the key that was there from the beginning.
pub const FIRST_KID: &str = "first";

/// The secret with which the client is registered, for HMAC signatures; 32 bytes.
pub const CLIENT_SECRET: &[u8] = b"the secret that both sides know.";

/// A provider for tests: its issuer URL, its keys, its tokens. Clones have the same keys; a new RSA key
/// takes a good part of a second, so that many tests may like to [serve](Self::serve) clones of one issuer.
#[derive(Clone)]
pub struct TestIssuer {
    issuer: String,
    client_id: String,
    base: String,
    clock: Arc<dyn Clock>,
    keys: Arc<Mutex<Keys>>,
    tokens: Arc<AtomicU64>,
    pages: Arc<Mutex<HashMap<String, String>>>,
    log: Log,
}

impl TestIssuer {
    /// Served over HTTP on loopback, on a free port, until the runtime ends; the issuer URL is its address,
    /// the client `shop`.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        Self::new("", "shop").serve().await
    }

    /// An issuer of any name, served nowhere: [`jwks`](Self::jwks) and
    /// [`discovery`](Self::discovery) are the test's to publish.
    #[must_use]
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self {
            base: issuer.clone(),
            issuer,
            client_id: client_id.into(),
            clock: Arc::new(SystemClock),
            keys: Arc::new(Mutex::new(Keys::generate())),
            tokens: Arc::default(),
            pages: Arc::default(),
            log: Log::default(),
        }
    }

    /// Dates its tokens by this clock; by the machine's unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Serves keys and discovery over HTTP on loopback, on a free port, until the runtime ends. An empty
    /// issuer URL becomes that address.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn serve(mut self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        self.base = format!("http://{}", listener.local_addr().expect("its address"));
        (self.log, self.pages) = (Log::default(), Arc::default());
        if self.issuer.is_empty() {
            self.issuer.clone_from(&self.base);
        }
        let pages = self.clone();
        server::serve(listener, self.log.clone(), Arc::new(move |path| pages.page(path)));
        self
    }

    /// `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The client its tokens are for.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where its keys are.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.base)
    }

    /// Its keys: those that sign, and those that the cases need, such as one that is too weak.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys = self.keys();
        let own = keys.own.iter().map(|(kid, key)| key.jwk(kid));
        json!({"keys": own.chain(keys.others.iter().cloned()).collect::<Vec<_>>()})
    }

    /// Its discovery document (OpenID Connect Discovery 1.0, section 4.2).
    #[must_use]
    pub fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}/{path}", self.base);
        json!({
            "issuer": self.issuer, "jwks_uri": self.jwks_uri(),
            "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
            "end_session_endpoint": at("end-session"), "revocation_endpoint": at("revoke"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
        })
    }

    /// A new key signs from now on, and is published beside the old ones.
    pub fn rotate(&self) {
        let next = self.next_key();
        let mut keys = self.keys();
        keys.next = None;
        keys.own.push(next);
    }

    /// Only the newest key is published from now on: the older ones have been withdrawn.
    pub fn withdraw_old_keys(&self) {
        let mut keys = self.keys();
        let old = keys.own.len() - 1;
        keys.own.drain(..old);
    }

    /// Serves this JSON at this path from now on, such as other keys at `/jwks`.
    pub fn publish(&self, path: impl Into<String>, json: &Value) {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(path.into(), json.to_string());
    }

    /// How it answers over HTTP from now on.
    pub fn set_mood(&self, mood: Mood) {
        self.log.lock().mood = mood;
    }

    /// The paths that were asked for over HTTP, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().paths.clone()
    }

    /// A good logout token with a new `jti`, to be signed or spoiled.
    #[must_use]
    pub fn logout_token(&self, sub: &str, sid: Option<&str>) -> Mint {
        let iat = self.now();
        let mint = self.token(json!({
            "iss": self.issuer, "aud": self.client_id, "iat": iat, "exp": iat + 120, "sub": sub, "sid": sid,
            "jti": format!("logout-{}", self.tokens.fetch_add(1, Ordering::Relaxed)),
            "events": {LOGOUT_EVENT: {}},
        }));
        let mint = mint.header("typ", "logout+jwt");
        if sid.is_none() { mint.without("sid") } else { mint }
    }

    /// A good ID token, with this `nonce`.
    #[must_use]
    pub fn id_token(&self, sub: &str, sid: Option<&str>, nonce: &str) -> Mint {
        let iat = self.now();
        let mint = self.token(json!({
            "iss": self.issuer, "aud": self.client_id, "iat": iat, "exp": iat + 3600, "sub": sub, "sid": sid,
            "nonce": nonce, "auth_time": iat,
        }));
        if sid.is_none() { mint.without("sid") } else { mint }
    }

    /// The login that comes with such an ID token, as of now.
    #[must_use]
    pub fn login(&self, sub: &str, sid: Option<&str>) -> Login {
        let (issuer, client_id) = (self.issuer.clone(), self.client_id.clone());
        Login { issuer, client_id, sub: sub.to_owned(), sid: sid.map(str::to_owned), at: self.now() }
    }

    /// The first token of the catalogue under this id, such as `J07`.
    ///
    /// # Panics
    /// If there is no such id in [`CASES`].
    #[must_use]
    pub fn mint(&self, id: &str) -> String {
        CASES.iter().find(|case| case.id == id).expect("an id of CASES").mint(self)
    }

    fn token(&self, claims: Value) -> Mint {
        let (kid, key) = self.keys().own.last().expect("a key").clone();
        Mint { header: json!({"alg": "RS256", "kid": kid, "typ": "JWT"}), claims, key }
    }

    /// The key that signs after the next rotation.
    fn next_key(&self) -> (String, Arc<SigningKey>) {
        let mut keys = self.keys();
        let name = format!("next-{}", keys.own.len());
        keys.next.get_or_insert_with(|| (name, rs256())).clone()
    }

    /// The key of somebody else.
    fn stranger(&self) -> Arc<SigningKey> {
        Arc::clone(self.keys().stranger.get_or_insert_with(rs256))
    }

    fn page(&self, path: &str) -> Option<String> {
        let published = self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        match path {
            _ if published.is_some() => published,
            "/jwks" => Some(self.jwks().to_string()),
            "/.well-known/openid-configuration" => Some(self.discovery().to_string()),
            _ => None,
        }
    }

    fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
