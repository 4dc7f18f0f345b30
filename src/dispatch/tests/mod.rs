//! Does the loop keep its promises? Scenarios in virtual time, with a store and clients of our own.

mod durable;
mod isolation;
mod net;
mod recovery;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use time::OffsetDateTime;

use self::net::Net;
use self::store::FakeStore;
use super::queue::Row;
use super::rooms::Door;
use super::{Dispatcher, Handle, LaneRooms, Parts, Settings};
use crate::metrics::Metrics;
use crate::model::{
    Cause, Client, ClientKey, Clock, Delivery, DeliveryId, Directory, Issuer, IssuerKey, LeaseId, Leased, LogoutId,
    LogoutTokenSubject, SharedDirectory, SubjectLogout,
};
use crate::retry::Schedule;
use crate::shutdown::Shutdown;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// tokio's clock, which tests pause.
#[derive(Debug)]
struct PausedClock;

impl Clock for PausedClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + BEGAN.with(|began| now().saturating_duration_since(*began))
    }

    fn instant(&self) -> Instant {
        now()
    }
}

thread_local! {
    /// When this test began.
    static BEGAN: Instant = now();
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Lets virtual time pass.
async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// A row as a lane holds it, leased for 30 s.
pub(super) fn row(client: i32, id: i64, tries: u16, since: Instant) -> Row {
    Row { leased: leased(ClientKey(client), DeliveryId(id), LeaseId(1), tries, since), door: Door::Lease }
}

fn leased(client: ClientKey, id: DeliveryId, lease: LeaseId, tries: u16, since: Instant) -> Leased {
    let delivery = Delivery {
        id,
        logout: LogoutId(1),
        issuer: IssuerKey(1),
        client,
        sid: None,
        sub: Some("u".into()),
        cause: Cause::Unspecified,
        tries,
        attempts: tries,
        owed_for: Duration::ZERO,
        accepted_at: OffsetDateTime::UNIX_EPOCH,
        streak: None,
        bulk: false,
    };
    Leased { delivery, lease, since, lasts: 30 * SECOND }
}

/// A registered client, each at its own origin.
pub(super) fn client(key: i32) -> Client {
    Client {
        key: ClientKey(key),
        issuer: IssuerKey(1),
        client_id: format!("client-{key}"),
        backchannel_logout_uri: Some(format!("https://client-{key}.example/logout").parse().unwrap()),
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

pub(super) fn directory(clients: impl IntoIterator<Item = Client>) -> Directory {
    let issuer = Issuer {
        key: IssuerKey(1),
        name: "main".into(),
        issuer: "https://idp.example".into(),
        default_alg: Algorithm::RS256,
        sid_is_session_id: true,
        reuses_session_ids: false,
        logs_out_offline: false,
    };
    Directory::new([Arc::new(issuer)], clients.into_iter().map(Arc::new))
}

/// A running loop and everything around it.
struct World {
    store: Arc<FakeStore>,
    net: Arc<Net>,
    directory: SharedDirectory,
    rooms: Arc<LaneRooms>,
    lease: Duration,
    metrics: Metrics,
    handle: Handle,
    shutdown: Shutdown,
}

impl World {
    /// Clients 1 to `clients`, who all accept within 20 ms until told otherwise.
    fn start(settings: Settings, clients: i32) -> Self {
        BEGAN.with(|_| {});
        let directory: SharedDirectory = Arc::new(ArcSwap::from_pointee(directory((1..=clients).map(client))));
        let world = Parts {
            schedule: Schedule::default(),
            timeout: 10 * SECOND,
            store: Arc::new(FakeStore::default()),
            directory: Arc::clone(&directory),
            carrier: Arc::new(Net::default()),
            rooms: Arc::new(LaneRooms::new(settings.clone(), directory)),
            metrics: Metrics::new().unwrap(),
            clock: Arc::new(PausedClock),
            shutdown: Shutdown::new(),
            settings,
        };
        Self::run(world)
    }

    fn run(mut parts: Parts) -> Self {
        let (store, net) = (Arc::new(FakeStore::default()), Arc::new(Net::default()));
        (parts.store, parts.carrier) = (Arc::clone(&store) as _, Arc::clone(&net) as _);
        let (directory, rooms) = (Arc::clone(&parts.directory), Arc::clone(&parts.rooms));
        let (metrics, shutdown, lease) = (parts.metrics.clone(), parts.shutdown.clone(), parts.settings.lease);
        let dispatcher = Dispatcher::new(parts);
        let handle = dispatcher.handle();
        shutdown.spawn(dispatcher.run());
        Self { store, net, directory, rooms, lease, metrics, handle, shutdown }
    }

    /// Accepts a logout that owes the client this many deliveries, as `record` does.
    fn logout(&self, client: i32, deliveries: usize) {
        let (leased, overflow) = self.store.accept(ClientKey(client), deliveries, &*self.rooms, self.lease);
        self.handle.hand_off(leased, overflow);
    }

    /// The lane's state as operators see it.
    fn lane(&self, client: i32) -> Option<super::LaneStatus> {
        self.handle.lanes().iter().find(|lane| lane.client == ClientKey(client)).copied()
    }
}
