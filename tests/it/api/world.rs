//! A running API with everything around it in the test's hands.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use signoff::admin::{Admin, Events, Health, InvalidMember, Jwks, Scope, Settings, Token, Tokens, server};
use signoff::intake::SubmitError;
use signoff::metrics::Metrics;
use signoff::model::{
    Attempt, Cause, Client, ClientKey, Clock, Directory, Event, EventKind, Issuer, IssuerKey, Logout, LogoutRequest,
    LogoutTokenSubject, Opening, Outcome, Receipt, Scope as LogoutScope, SkipReason, SubjectLogout, SystemClock,
    Target, Verdict,
};
use signoff::shutdown::Shutdown;
use signoff::store::{Decision, Options, Planner, Rooms, Settlement, Store, Want, Which};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::http::{Answer, Call};
use super::switched::Switched;

/// A short lease suffices: every test settles at once.
const LEASE: Duration = Duration::from_secs(30);

/// What the API is started with.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) tokens: Vec<Token>,
    pub(crate) issuers: Vec<&'static str>,
    /// Of the first issuer.
    pub(crate) file_clients: Vec<&'static str>,
    /// Connections at most.
    pub(crate) connections: Option<usize>,
}

impl Setup {
    /// One issuer, `main`, no tokens.
    pub(crate) fn open() -> Self {
        Self { issuers: vec!["main"], ..Self::default() }
    }

    /// Two issuers, `main` and `other`, and these tokens.
    pub(crate) fn closed(tokens: Vec<Token>) -> Self {
        Self { tokens, issuers: vec!["main", "other"], ..Self::default() }
    }
}

pub(crate) fn token(secret: &str, scopes: &[Scope], issuers: &[&str]) -> Token {
    Token {
        file: None,
        name: secret.to_owned(),
        secret: secret.to_owned().into(),
        scopes: scopes.to_vec(),
        issuers: issuers.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// What the door was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    pub(crate) issuers: Option<Vec<String>>,
    pub(crate) allow_bulk: bool,
}

/// A door for events that answers what the test says.
#[derive(Default)]
pub(crate) struct ScriptedDoor {
    pub(crate) answer: Mutex<Option<Result<Vec<Receipt>, SubmitError>>>,
    pub(crate) asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Events for ScriptedDoor {
    async fn submit(
        &self,
        content_type: &str,
        body: &[u8],
        issuers: Option<&[String]>,
        allow_bulk: bool,
    ) -> Result<Vec<Receipt>, SubmitError> {
        self.asked.lock().unwrap().push(Asked {
            content_type: content_type.to_owned(),
            body: body.to_owned(),
            issuers: issuers.map(<[String]>::to_vec),
            allow_bulk,
        });
        self.answer.lock().unwrap().clone().unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// Key sets by issuer.
#[derive(Default)]
pub(crate) struct Keys(pub(crate) Mutex<HashMap<IssuerKey, Value>>);

impl Jwks for Keys {
    fn jwks(&self, issuer: IssuerKey) -> Option<Value> {
        self.0.lock().unwrap().get(&issuer).cloned()
    }
}

/// Owes everything, except to clients called `skipped…`.
struct Owes(Vec<(ClientKey, String)>);

impl Planner for Owes {
    fn plan(&self, _: &Logout, targets: &[Target]) -> Vec<Decision> {
        let skips = |key| self.0.iter().any(|(known, id)| *known == key && id.starts_with("skipped"));
        let decide = |target: &Target| {
            if skips(target.session.client) {
                Decision::Skip(SkipReason::NoLogoutUri)
            } else {
                Decision::Owe { whole_subject: false }
            }
        };
        targets.iter().map(decide).collect()
    }

    fn reuses_session_ids(&self, _: IssuerKey) -> bool {
        false
    }
}

struct NoRoom;

impl Rooms for NoRoom {
    fn reserve(&self, _: ClientKey) -> bool {
        false
    }

    fn cancel(&self, _: ClientKey) {}
}

/// A running API.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    /// What the API reads.
    pub(crate) store: Arc<dyn Store>,
    /// The same, where a test switches it off.
    pub(crate) switch: Arc<Switched>,
    pub(crate) time: Arc<Time>,
    pub(crate) door: Arc<ScriptedDoor>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
    pub(crate) changes: Arc<AtomicUsize>,
    pub(crate) shutdown: Shutdown,
    issuers: HashMap<&'static str, IssuerKey>,
    handle: actix_web::dev::ServerHandle,
    _home: TempDir,
}

/// A clock that a test moves; it shows 10:15 when the API starts.
#[derive(Debug)]
pub(crate) struct Time(Mutex<OffsetDateTime>);

impl Time {
    pub(crate) fn passes(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }
}

impl Clock for Time {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
}

impl World {
    pub(crate) async fn start(setup: Setup) -> Self {
        let time = Arc::new(Time(Mutex::new(datetime!(2026-11-22 10:15:00 UTC))));
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", home.path().join("signoff.db").display());
        let opened = signoff::store::open(&url, Options::default(), Arc::<Time>::clone(&time)).await.unwrap();
        let switch = Arc::new(Switched::new(opened));
        let store: Arc<dyn Store> = Arc::<Switched>::clone(&switch);
        let mut issuers = HashMap::new();
        for name in &setup.issuers {
            issuers.insert(*name, store.issuer_key(&url_of(name)).await.unwrap());
        }
        let mut file_clients = Vec::new();
        for client_id in &setup.file_clients {
            let issuer = issuers[setup.issuers[0]];
            let key = store.client_keys(&[(issuer, (*client_id).to_owned())]).await.unwrap()[0];
            file_clients.push(client(key, issuer, client_id));
        }
        let directory = Directory::new(
            issuers.iter().map(|(name, key)| Arc::new(issuer(name, *key))),
            file_clients.iter().cloned().map(Arc::new),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (door, keys, health) = (Arc::default(), Arc::<Keys>::default(), Arc::new(Health::new()));
        for key in issuers.values() {
            let set = json!({"keys": [{"kty": "EC", "kid": format!("key-of-{key}")}]});
            keys.0.lock().unwrap().insert(*key, set);
        }
        let (changes, shutdown, metrics) = (Arc::new(AtomicUsize::new(0)), Shutdown::new(), Metrics::new().unwrap());
        let counted = Arc::clone(&changes);
        let admin = Admin {
            store: Arc::clone(&store),
            directory: Arc::new(ArcSwap::from_pointee(directory)),
            file_clients: Arc::new(file_clients.iter().map(|client| client.key).collect::<HashSet<_>>()),
            metrics: metrics.clone(),
            tokens: Arc::new(Tokens::new(setup.tokens.clone())),
            settings: Arc::new(Settings {
                listen: address,
                tokens: setup.tokens,
                workers: 1,
                connections_per_worker: setup.connections.unwrap_or(64),
                tls: None,
            }),
            events: Arc::<ScriptedDoor>::clone(&door),
            jwks: Arc::<Keys>::clone(&keys),
            health: Arc::clone(&health),
            validate: Arc::new(validate),
            changed: Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            }),
            clock: Arc::new(SystemClock),
            stop: shutdown.stop.clone(),
        };
        let server = server(admin, listener, None).unwrap();
        let handle = server.handle();
        shutdown.spawn(server);
        Self {
            address,
            store,
            switch,
            time,
            door,
            keys,
            health,
            metrics,
            changes,
            shutdown,
            issuers,
            handle,
            _home: home,
        }
    }

    pub(crate) async fn call(&self, call: Call) -> Answer {
        call.send(self.address).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call(Call::get(target)).await
    }

    pub(crate) fn issuer(&self, name: &str) -> IssuerKey {
        self.issuers[name]
    }

    /// Records a session: `user-…` at `client_id` under the provider session `psid-…`.
    pub(crate) async fn opened(&self, issuer: &str, user: &str, client_id: &str) {
        let opening = Opening {
            session_id: format!("psid-{user}"),
            subject: format!("user-{user}"),
            client_id: client_id.to_owned(),
            sid: Some(format!("sid-{user}-{client_id}")),
            sub: format!("sub-{user}"),
            expires_at: None,
            offline: false,
        };
        self.record(issuer, &format!("open-{user}-{client_id}"), EventKind::Opened(opening)).await;
    }

    /// Records the logout of the user's provider session.
    pub(crate) async fn logout(&self, issuer: &str, user: &str) -> Receipt {
        let request = LogoutRequest {
            scope: LogoutScope::Session { session_id: format!("psid-{user}") },
            cause: Cause::UserLogout,
            initiator: None,
            exclude_initiator: false,
            sessions: Vec::new(),
        };
        self.record(issuer, &format!("logout-{user}"), EventKind::Logout(request)).await
    }

    async fn record(&self, issuer: &str, id: &str, kind: EventKind) -> Receipt {
        let issuer = self.issuer(issuer);
        let names = ["shop", "mail", "wiki", "skipped"].map(|client_id| (issuer, client_id.to_owned()));
        let keys = self.store.client_keys(&names).await.unwrap();
        let planner = Owes(keys.into_iter().zip(names.map(|(_, client_id)| client_id)).collect());
        let event = Event { issuer, id: id.to_owned(), time: Some(datetime!(2026-11-22 10:14:00 UTC)), kind };
        let recorded = self.store.record(&[event], &planner, &NoRoom, LEASE).await.unwrap();
        recorded.receipts.into_iter().next().unwrap()
    }

    /// Tries everything the client is owed once, with this result.
    pub(crate) async fn tried(&self, issuer: &str, client_id: &str, outcome: Outcome, verdict: Verdict) {
        let client = self.store.client_keys(&[(self.issuer(issuer), client_id.to_owned())]).await.unwrap()[0];
        let wants = [Want { client, room: 100, which: Which::Due }];
        let leased = self.store.lease(&wants, LEASE).await.unwrap();
        assert!(!leased.is_empty(), "{client_id} is owed nothing");
        let settle = |row: &signoff::model::Leased| Settlement {
            delivery: row.delivery.id,
            lease: row.lease,
            number: row.delivery.attempts + 1,
            attempt: attempt(outcome),
            verdict,
        };
        self.store.settle(&leased.iter().map(settle).collect::<Vec<_>>()).await.unwrap();
    }

    /// Stops the server as the service does.
    pub(crate) async fn stop(self) {
        self.shutdown.stop.cancel();
        self.handle.stop(true).await;
        self.shutdown.finish().await;
    }
}

fn attempt(outcome: Outcome) -> Attempt {
    Attempt {
        outcome,
        status: Some(if outcome == Outcome::Accepted { 200 } else { 503 }),
        retry_after: None,
        jti: Some(Uuid::new_v4()),
        kid: Some("key-1".to_owned()),
        started_at: datetime!(2026-11-22 10:15:01 UTC),
        took: Duration::from_millis(250),
        detail: "kept of the answer".to_owned(),
    }
}

pub(crate) fn url_of(name: &str) -> String {
    format!("https://{name}.example.com")
}

fn issuer(name: &str, key: IssuerKey) -> Issuer {
    Issuer {
        key,
        name: name.to_owned(),
        issuer: url_of(name),
        default_alg: Algorithm::RS256,
        sid_is_session_id: true,
        reuses_session_ids: false,
        logs_out_offline: false,
    }
}

/// A client as the configuration file would register it.
fn client(key: ClientKey, issuer: IssuerKey, client_id: &str) -> Client {
    Client {
        key,
        issuer,
        client_id: client_id.to_owned(),
        backchannel_logout_uri: Some("https://rp.example.com/logout".parse().unwrap()),
        backchannel_logout_session_required: false,
        id_token_signed_response_alg: None,
        logout_token_subject: LogoutTokenSubject::Both,
        subject_logout: SubjectLogout::EachSession,
        logout_causes: None,
        include_cause: false,
        allow_networks: Vec::new(),
        allow_http: None,
        ca_file: None,
        client_certificate_file: None,
        timeout: None,
    }
}

/// Takes everything but a URI that is no string.
fn validate(metadata: &Value, _: &Issuer) -> Result<Value, Vec<InvalidMember>> {
    match &metadata["backchannel_logout_uri"] {
        Value::String(_) | Value::Null => Ok(metadata.clone()),
        _ => Err(vec![InvalidMember { path: "backchannel_logout_uri".into(), detail: "is a URL".into() }]),
    }
}
