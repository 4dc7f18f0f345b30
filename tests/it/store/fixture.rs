//! A store under test, and the smallest way to say what a provider said.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signoff::model::{
    Attempt, Cause, ClientKey, Closing, DeliveryState, Event, EventKind, IssuerKey, Leased, Logout, LogoutId,
    LogoutRequest, Opening, Outcome, Receipt, Scope, SkipReason, SystemClock, Target, Verdict,
};
use signoff::store::postgres::PostgresStore;
use signoff::store::probe::Probe;
use signoff::store::sqlite::SqliteStore;
use signoff::store::views::{DeliveryFilter, DeliveryView, Page, SessionFilter, SessionView};
use signoff::store::{Decision, Options, Planner, Rate, Recorded, Rooms, Settlement, Store, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use time::OffsetDateTime;

use crate::support::postgres::TestDatabase;

pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// As many deliveries a second as anybody likes.
pub(crate) const AT_ONCE: Rate = Rate(NonZeroU32::MAX);
/// 2026-01-01T00:00:00Z: events are dated in seconds after it.
const EPOCH: i64 = 1_767_225_600;

/// Where the store lives; dropped last.
enum Home {
    Sqlite(#[expect(dead_code, reason = "removed on drop")] tempfile::TempDir, PathBuf),
    Postgres(TestDatabase),
}

pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: IssuerKey,
    pub(crate) rules: Rules,
    pub(crate) rooms: Lanes,
    home: Home,
}

pub(crate) async fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("signoff.db");
    Fixture::new(Home::Sqlite(dir, file)).await
}

pub(crate) async fn postgres() -> Option<Fixture> {
    Some(Fixture::new(Home::Postgres(TestDatabase::new().await?)).await)
}

impl Fixture {
    async fn new(home: Home) -> Self {
        let store = open(&home, Options::default(), None).await;
        let issuer = store.issuer_key("https://idp.example.com").await.unwrap();
        Self { store, issuer, rules: Rules::default(), rooms: Lanes::default(), home }
    }

    /// The same data through another store, as another replica sees it.
    pub(crate) async fn replica(&self, offset: Duration, probe: Option<Arc<dyn Probe>>) -> Arc<dyn Store> {
        let clock_offset = time::Duration::try_from(offset).unwrap();
        open(&self.home, Options { clock_offset, ..Options::default() }, probe).await
    }

    /// From outside the store.
    pub(crate) async fn postgres_connection(&self) -> PgConnection {
        let Home::Postgres(database) = &self.home else { panic!("a Postgres") };
        PgConnection::connect(database.url()).await.unwrap()
    }

    /// Rows of a table.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        match &self.home {
            Home::Sqlite(_, file) => {
                let options = SqliteConnectOptions::new().filename(file);
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
            }
            Home::Postgres(_) => {
                let mut connection = self.postgres_connection().await;
                sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    pub(crate) async fn client(&self, name: &str) -> ClientKey {
        self.store.client_keys(&[(self.issuer, name.to_owned())]).await.unwrap()[0]
    }

    pub(crate) async fn try_record(&self, events: &[Event]) -> Result<Recorded, StoreError> {
        self.store.record(events, &self.rules, &self.rooms, LEASE).await
    }

    pub(crate) async fn record(&self, events: &[Event]) -> Recorded {
        self.try_record(events).await.unwrap()
    }

    pub(crate) async fn record_one(&self, event: Event) -> Receipt {
        self.record(&[event]).await.receipts.remove(0)
    }

    /// Takes every step that is due of what covers too much for one transaction; how many.
    pub(crate) async fn expand(&self) -> usize {
        let mut steps = 0;
        while self.store.expand(&self.rules, AT_ONCE).await.unwrap().is_some() {
            steps += 1;
        }
        steps
    }

    pub(crate) async fn deliveries(&self) -> Vec<DeliveryView> {
        let page = Page { after: None, limit: 10_000 };
        self.store.deliveries(&DeliveryFilter::default(), &page).await.unwrap().rows
    }

    pub(crate) async fn in_state(&self, state: DeliveryState) -> usize {
        self.deliveries().await.iter().filter(|row| row.state == state).count()
    }

    pub(crate) async fn sessions(&self) -> Vec<SessionView> {
        let page = Page { after: None, limit: 10_000 };
        self.store.sessions(&SessionFilter::default(), &page).await.unwrap().rows
    }

    pub(crate) fn opened(&self, id: &str, session_id: &str, client_id: &str, subject: &str, at: i64) -> Event {
        self.event(
            id,
            at,
            EventKind::Opened(Opening {
                session_id: session_id.into(),
                subject: subject.into(),
                client_id: client_id.into(),
                sid: Some(session_id.into()),
                sub: subject.into(),
                expires_at: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::days(365 * 100)),
                offline: false,
            }),
        )
    }

    pub(crate) fn closed(&self, id: &str, session_id: &str, client_id: &str, at: i64) -> Event {
        let closing = Closing { session_id: session_id.into(), client_id: client_id.into() };
        self.event(id, at, EventKind::Closed(closing))
    }

    pub(crate) fn logout(&self, id: &str, scope: Scope, at: i64) -> Event {
        self.logout_for(id, scope, at, Cause::UserLogout)
    }

    pub(crate) fn logout_for(&self, id: &str, scope: Scope, at: i64, cause: Cause) -> Event {
        let request = LogoutRequest { scope, cause, initiator: None, exclude_initiator: false, sessions: Vec::new() };
        self.event(id, at, EventKind::Logout(request))
    }

    fn event(&self, id: &str, at: i64, kind: EventKind) -> Event {
        let time = OffsetDateTime::from_unix_timestamp(EPOCH + at).unwrap();
        Event { issuer: self.issuer, id: id.into(), time: Some(time), kind }
    }
}

async fn open(home: &Home, options: Options, probe: Option<Arc<dyn Probe>>) -> Arc<dyn Store> {
    let clock = Arc::new(SystemClock);
    match home {
        Home::Sqlite(_, file) => {
            let url = format!("sqlite://{}", file.display());
            let store = SqliteStore::connect(&url, options, clock).await.unwrap();
            Arc::new(if let Some(probe) = probe { store.with_probe(probe) } else { store })
        }
        Home::Postgres(database) => {
            let store = PostgresStore::connect(database.url(), options, clock).await.unwrap();
            Arc::new(if let Some(probe) = probe { store.with_probe(probe) } else { store })
        }
    }
}

pub(crate) fn session(session_id: &str) -> Scope {
    Scope::Session { session_id: session_id.into() }
}

/// All of a client, or all there are.
pub(crate) fn all(client_id: Option<&str>) -> Scope {
    Scope::Bulk { client_id: client_id.map(Into::into) }
}

pub(crate) fn subject(subject: &str) -> Scope {
    Scope::Subject { subject: subject.into(), client_id: None }
}

/// Owes everything, but for what a test says.
#[derive(Default, Clone)]
pub(crate) struct Rules {
    pub(crate) skip: Arc<Mutex<HashMap<(ClientKey, Cause), SkipReason>>>,
    pub(crate) reuses: bool,
}

impl Rules {
    pub(crate) fn skip(&self, client: ClientKey, cause: Cause, why: SkipReason) {
        self.skip.lock().unwrap().insert((client, cause), why);
    }
}

impl Planner for Rules {
    fn plan(&self, logout: &Logout, targets: &[Target]) -> Vec<Decision> {
        let skip = self.skip.lock().unwrap();
        let decide = |target: &Target| {
            skip.get(&(target.session.client, logout.cause))
                .map_or(Decision::Owe { whole_subject: false }, |why| Decision::Skip(*why))
        };
        targets.iter().map(decide).collect()
    }

    fn reuses_session_ids(&self, _issuer: IssuerKey) -> bool {
        self.reuses
    }
}

/// Lanes with room for the clients a test names.
#[derive(Default)]
pub(crate) struct Lanes {
    pub(crate) open: Mutex<HashSet<ClientKey>>,
    pub(crate) taken: Mutex<i64>,
}

impl Rooms for Lanes {
    fn reserve(&self, client: ClientKey) -> bool {
        let open = self.open.lock().unwrap().contains(&client);
        *self.taken.lock().unwrap() += i64::from(open);
        open
    }

    fn cancel(&self, _client: ClientKey) {
        *self.taken.lock().unwrap() -= 1;
    }
}

/// An outcome as the dispatcher reports it.
pub(crate) fn settlement(row: &Leased, outcome: Outcome, verdict: Verdict) -> Settlement {
    Settlement {
        delivery: row.delivery.id,
        lease: row.lease,
        number: row.delivery.attempts + 1,
        attempt: Attempt {
            outcome,
            status: Some(if outcome == Outcome::Accepted { 200 } else { 503 }),
            retry_after: None,
            jti: Some(uuid::Uuid::new_v4()),
            kid: Some("k1".into()),
            started_at: OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000),
            took: Duration::from_millis(3),
            detail: "answer".into(),
        },
        verdict,
    }
}

/// The number behind a logout, for receipts that must name one.
pub(crate) fn named(receipt: &Receipt) -> LogoutId {
    receipt.logout.expect("the receipt names its logout")
}
