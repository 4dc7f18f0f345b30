//! What if the store goes away? The real one behind a switch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use signoff::model::{ClientKey, DeliveryId, Event, IssuerKey, LeaseId, Leased, LogoutId, SkipReason};
use signoff::store::views::{
    ClientRecord, Counts, DeliveryDetail, DeliveryFilter, DeliveryView, ExpiredSession, LogoutDetail, LogoutFilter,
    LogoutView, Page, PageOf, SessionFilter, SessionView,
};
use signoff::store::{
    Backlog, DueLane, Expanded, Outbox, Planner, Rate, Recorded, Registry, Retention, Rooms, Settled, Settlement,
    Store, StoreError, Want,
};
use time::OffsetDateTime;

/// A store; `down` makes every call fail.
#[derive(Debug)]
pub(crate) struct Switched {
    store: Arc<dyn Store>,
    pub(crate) down: AtomicBool,
    pings: AtomicUsize,
}

impl Switched {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, down: AtomicBool::new(false), pings: AtomicUsize::new(0) }
    }

    /// How often anybody asked whether the store answers.
    pub(crate) fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    fn up(&self, call: &str) -> Result<&dyn Store, StoreError> {
        self.pings.fetch_add(usize::from(call == "ping"), Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(anyhow::anyhow!("switched off")));
        }
        Ok(&*self.store)
    }
}

/// Each call goes to the store behind the switch.
macro_rules! through {
    ($side:ident: $($call:ident($($name:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl $side for Switched {
            $(async fn $call(&self, $($name: $type),*) -> Result<$result, StoreError> {
                self.up(stringify!($call))?.$call($($name),*).await
            })*
        }
    };
}

through! { Outbox:
    record(events: &[Event], planner: &dyn Planner, rooms: &dyn Rooms, lease: Duration) -> Recorded;
    expand(planner: &dyn Planner, rate: Rate) -> Option<Expanded>;
    due_lanes() -> Vec<DueLane>;
    lease(wants: &[Want], lasts: Duration) -> Vec<Leased>;
    settle(done: &[Settlement]) -> Settled;
    release(rows: &[(DeliveryId, LeaseId)]) -> u64;
    clients_have_uri(clients: &[ClientKey]) -> u64;
    skip_clients(clients: &[ClientKey], why: SkipReason) -> u64;
    redeliver(id: DeliveryId) -> bool;
    redeliver_where(filter: &DeliveryFilter) -> u64;
    backlog() -> Backlog;
    prune(keep: &Retention, limit: u32) -> u64;
}

through! { Registry:
    ping() -> ();
    now() -> OffsetDateTime;
    issuer_key(issuer: &str) -> IssuerKey;
    client_keys(clients: &[(IssuerKey, String)]) -> Vec<ClientKey>;
    client_ids(keys: &[ClientKey]) -> Vec<(ClientKey, IssuerKey, String)>;
    find_client(issuer: IssuerKey, client_id: &str) -> Option<ClientKey>;
    clients() -> Vec<ClientRecord>;
    put_client(issuer: IssuerKey, client_id: &str, metadata: &Value, if_version: Option<i64>) -> Option<ClientRecord>;
    delete_client(issuer: IssuerKey, client_id: &str, if_version: Option<i64>) -> Option<bool>;
    key_first_seen(issuer: IssuerKey, kid: &str) -> OffsetDateTime;
    sessions(filter: &SessionFilter, page: &Page) -> PageOf<SessionView>;
    expired_sessions(issuer: IssuerKey, limit: u32) -> Vec<ExpiredSession>;
    logouts(filter: &LogoutFilter, page: &Page) -> PageOf<LogoutView>;
    logout(id: LogoutId) -> Option<LogoutDetail>;
    logout_counts(ids: &[LogoutId]) -> Vec<(LogoutId, Counts)>;
    deliveries(filter: &DeliveryFilter, page: &Page) -> PageOf<DeliveryView>;
    delivery(id: DeliveryId) -> Option<DeliveryDetail>;
}
