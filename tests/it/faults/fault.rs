//! What goes wrong, when, and for how long? Schedules of faults, drawn from a seed. Pure.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use super::clients::{CLIENTS, Manner};
use super::{LEASE, Store};

/// One thing that goes wrong and, after a while, is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL, then started again.
    Kill(usize),
    /// SIGTERM, which must end with 0, then started again.
    Term(usize),
    /// SIGSTOP for longer than a lease, then SIGCONT.
    Pause(usize),
    /// RabbitMQ is asked to stop, then started again.
    BrokerStop,
    /// RabbitMQ is killed, then started again.
    BrokerKill,
    /// The broker closes the service's connections.
    CutAmqp,
    /// Postgres cuts its connections, stops cleanly, and comes back.
    StoreFast,
    /// Postgres stops without a checkpoint, and recovers.
    StoreImmediate,
    /// Every process of Postgres is killed, and it recovers.
    StoreKill,
    /// Every process of Postgres stands still for longer than a lease.
    StoreFreeze,
    /// The disk of the SQLite file is full.
    DiskFull,
    /// The services' wall clock is off by so many seconds.
    Clock(i64),
    /// The issuer's key is replaced.
    NewKey,
    /// A client gets another logout URI through the API.
    Move,
}

/// What a fault is done to. Two at once never have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Broker,
    Store,
    Clock,
    Replica,
    Key,
    Client,
}

/// One or two faults at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strike {
    /// How long all is well before it.
    pub(super) after: Duration,
    pub(super) faults: Vec<Fault>,
    pub(super) lasts: Duration,
}

/// Everything that happens to one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) seed: u64,
    pub(super) strikes: Vec<Strike>,
    /// One for each client.
    pub(super) manners: Vec<Manner>,
}

/// Strikes of one schedule.
const STRIKES: usize = 3;
/// Clients of a schedule that are well all the time.
const WELL: usize = 3;

impl Fault {
    pub(super) fn target(self) -> Target {
        match self {
            Self::Kill(_) | Self::Term(_) | Self::Pause(_) => Target::Replica,
            Self::BrokerStop | Self::BrokerKill | Self::CutAmqp => Target::Broker,
            Self::StoreFast | Self::StoreImmediate | Self::StoreKill | Self::StoreFreeze | Self::DiskFull => {
                Target::Store
            }
            Self::Clock(_) => Target::Clock,
            Self::NewKey => Target::Key,
            Self::Move => Target::Client,
        }
    }

    /// Whether a delivery in flight may be tried once more because of it. Everything else must not
    /// lead to a single duplicate.
    pub(super) fn may_double(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Pause(_) | Self::Clock(_)) || self.target() == Target::Store
    }

    /// It proves nothing unless it outlasts a lease.
    fn outlasts_lease(self) -> bool {
        matches!(self, Self::Pause(_) | Self::StoreFreeze | Self::DiskFull)
    }

    /// One of each kind that this store's deployment can suffer.
    pub(super) fn kinds(store: Store, dice: &mut StdRng) -> Vec<Self> {
        let mut replica = || dice.random_range(0..store.replicas());
        let of_replicas = [Self::Kill(replica()), Self::Term(replica()), Self::Pause(replica())];
        let shared = [Self::BrokerStop, Self::BrokerKill, Self::CutAmqp, Self::NewKey, Self::Move];
        // The store's clock is the machine's on SQLite: what is postponed meanwhile waits for as long
        // as the clock is put back.
        let far = if store == Store::Postgres { 3600 } else { 20 };
        let clock = Self::Clock(*[-20, -5, 5, far].choose(dice).expect("a step"));
        let of_store: &[Self] = match store {
            Store::Postgres => &[Self::StoreFast, Self::StoreImmediate, Self::StoreKill, Self::StoreFreeze],
            Store::Sqlite => &[Self::DiskFull],
        };
        of_replicas.into_iter().chain(shared).chain([clock]).chain(of_store.iter().copied()).collect()
    }
}

impl Schedule {
    /// The schedule of this seed. Seeds in a row begin with every kind of fault in turn.
    pub(super) fn draw(seed: u64, store: Store) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let strikes = (0..STRIKES).map(|number| {
            let mut kinds = Fault::kinds(store, &mut dice);
            let turn = usize::try_from(seed % kinds.len() as u64).expect("a small number");
            let mut faults = vec![if number == 0 { kinds[turn] } else { *kinds.choose(&mut dice).expect("a fault") }];
            kinds.retain(|kind| kind.target() != faults[0].target());
            if dice.random_bool(0.4) {
                faults.push(*kinds.choose(&mut dice).expect("a fault"));
            }
            // The store and the broker come back before the replicas that need them.
            faults.sort_by_key(|fault| fault.target() as u8);
            let least = match number {
                // Once for as long as a fail-over takes, so that every patience in between has ended.
                0 if faults.contains(&Fault::StoreFreeze) => Duration::from_mins(1),
                _ if faults.iter().any(|fault| fault.outlasts_lease()) => LEASE + Duration::from_millis(500),
                _ => Duration::from_millis(200),
            };
            Strike {
                after: Duration::from_millis(dice.random_range(200..1500)),
                faults,
                lasts: least + Duration::from_millis(dice.random_range(0..2500)),
            }
        });
        let strikes = strikes.collect();
        let mut manners = Manner::TROUBLE.to_vec();
        manners.shuffle(&mut dice);
        manners.truncate(CLIENTS - WELL);
        manners.splice(0..0, [Manner::Well; WELL]);
        Self { seed, strikes, manners }
    }

    pub(super) fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.strikes.iter().flat_map(|strike| &strike.faults).any(is)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strikes = self.strikes.iter().map(|strike| format!("{:?} for {:?}", strike.faults, strike.lasts));
        write!(f, "{}", strikes.collect::<Vec<_>>().join(", "))
    }
}
