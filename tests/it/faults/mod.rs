//! Is anything lost, doubled without need, or stuck, whatever breaks? Random faults on real parts.
//!
//! [`fault`] draws schedules from a seed, [`stage`] is what may be broken, [`world`] runs one
//! schedule, [`clients`] misbehave, [`feed`] says what happened, [`account`] and [`verdict`] hold
//! what was promised against what arrived. How to run it: `tests/faults/README.md`.

mod account;
mod clients;
mod disk;
mod fault;
mod feed;
mod stage;
mod verdict;
mod world;

use std::time::Duration;

use tokio::time::Instant;

use crate::support::events::sessions;
use crate::support::{say, setting};
use fault::{Schedule, Target};
use stage::{Stage, first_seed, schedules};
use verdict::Figures;
use world::{LAST, World};

const SOON: Duration = Duration::from_mins(1);
/// Logouts of one schedule, each owed to every client.
const LOGOUTS: usize = 70;
/// How long a replica's right to a delivery lasts, and how long a client may take.
const LEASE: Duration = Duration::from_secs(8);
const TIMEOUT: Duration = Duration::from_secs(2);
/// Deliveries that one replica has in memory at most.
const HELD: usize = 40;
/// The rest of `[delivery]`, and `[tokens]`: as in production, only faster. The margin is how long a
/// busy machine may keep a replica waiting without an extra attempt.
const SETTINGS: &str = "lease = '8s'\ntimeout = '2s'\nlease_margin = '5s'\nin_flight = 40\nqueue = 40\n\
    in_flight_per_client = 4\nqueue_per_client = 4\n\
    [delivery.breaker]\nfirst = '200ms'\nlongest = '1s'\n\
    [delivery.retry]\nfirst = '200ms'\nlongest = '1s'\nmisdirected_first = '200ms'\n\
    [tokens]\npoll = '200ms'\n";

/// Which store, and how many replicas work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Postgres,
    Sqlite,
}

impl Store {
    fn replicas(self) -> usize {
        match self {
            Self::Postgres => 2,
            Self::Sqlite => 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_postgres_whatever_breaks() {
    whatever_breaks(Store::Postgres, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_sqlite_whatever_breaks() {
    whatever_breaks(Store::Sqlite, 3).await;
}

/// One schedule after the other on the same broker and server, each with its own database,
/// virtual host, replicas and clients.
async fn whatever_breaks(store: Store, short: u64) {
    let Some(mut stage) = Stage::start(store == Store::Postgres).await else { return };
    let seed = |text: String| text.parse().expect("SIGNOFF_TEST_SEED is a number");
    let first: u64 = setting("SIGNOFF_TEST_SEED").map_or_else(first_seed, seed);
    let (mut all, count) = (Figures::default(), schedules(short));
    for seed in first..first + count {
        let schedule = Schedule::draw(seed, store);
        say(&format!("SIGNOFF_TEST_SEED={seed} {store:?}: {schedule}"));
        let figures = run(&mut stage, store, &schedule).await;
        say(&format!("SIGNOFF_TEST_SEED={seed} {store:?}: {figures}"));
        all = all.and(&figures);
    }
    say(&format!("{count} schedules on {store:?}: {all}"));
}

async fn run(stage: &mut Stage, store: Store, schedule: &Schedule) -> Figures {
    let begun = Instant::now();
    let mut world = World::start(stage, store, schedule).await;
    let mut ended = sessions(LOGOUTS - 1);
    ended.push(LAST.to_owned());
    world.prepare(&ended).await;
    ended.pop();
    let mut feeders = world.feed(ended);
    for (number, strike) in schedule.strikes.iter().enumerate() {
        world.strike(strike).await;
        if number == 0 {
            world.clients.heal_some().await;
        }
    }
    while let Some(fed) = feeders.join_next().await {
        fed.expect("the feeder");
    }
    world.clients.heal(&world.replicas[0]).await;
    let recovery = world.settled().await;
    world.last_word().await;
    world.settled().await;
    let figures = world.compare();
    let memory = world.stop().await;
    Figures { recovery, memory, took: begun.elapsed(), ..figures }
}

#[test]
fn every_kind_of_fault_comes_first_in_one_of_a_row_of_schedules() {
    for (store, kinds) in [(Store::Postgres, 13), (Store::Sqlite, 10)] {
        let schedules: Vec<_> = (0..kinds).map(|seed| Schedule::draw(seed, store)).collect();
        let first = |schedule: &Schedule| schedule.strikes[0].faults.clone();
        let all: Vec<_> = schedules.iter().flat_map(first).collect();
        let same =
            |one: &fault::Fault, other: &fault::Fault| std::mem::discriminant(one) == std::mem::discriminant(other);
        let mut distinct: Vec<fault::Fault> = Vec::new();
        for fault in all {
            if !distinct.iter().any(|known| same(known, &fault)) {
                distinct.push(fault);
            }
        }
        assert_eq!(distinct.len() as u64, kinds, "{distinct:?}");
        assert!(schedules.iter().all(|schedule| schedule.manners.len() == clients::CLIENTS));
        assert_eq!(schedules[0], Schedule::draw(0, store), "a seed is a schedule");
    }
    let two = |schedule: Schedule| schedule.strikes.into_iter().filter(|strike| strike.faults.len() == 2);
    for strike in (0..200).map(|seed| Schedule::draw(seed, Store::Postgres)).flat_map(two) {
        let targets: Vec<Target> = strike.faults.iter().map(|fault| fault.target()).collect();
        assert_ne!(targets[0], targets[1]);
    }
}
