//! What is under test? Replicas of the real program with everything round them, for one schedule.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::account::Window;
use super::clients::Clients;
use super::fault::{Fault, Schedule, Strike, Target};
use super::feed::{Feeder, early, late};
use super::stage::{Disk, FakeClock, Stage, cut};
use super::{SETTINGS, SOON, Store};
use crate::support::eventually;
use crate::support::ledger::Ledger;
use crate::support::own_postgres::Ending;
use crate::support::process::Service;
use crate::support::publisher::Publisher;
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::setup::{EXCHANGE, QUEUE, Setup};

/// One deployment.
pub(super) struct World<'s> {
    pub(super) stage: &'s mut Stage,
    // Dropped in this order: the replicas, what they use.
    pub(super) replicas: Vec<Service>,
    pub(super) vhost: Vhost,
    pub(super) database: Option<String>,
    pub(super) store_url: String,
    pub(super) begun: Instant,
    pub(super) clients: Clients,
    pub(super) setup: Setup,
    disk: Option<Disk>,
    clock: Option<FakeClock>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) windows: Vec<Window>,
    pub(super) dice: StdRng,
    /// A client has moved, a key was replaced.
    pub(super) moved: bool,
    pub(super) new_key: bool,
    /// The kid of the key at the beginning.
    pub(super) first_key: String,
    /// MiB of each replica before the first logout.
    pub(super) memory: Vec<u64>,
}

/// How long after its end a fault is still at work: who stood still sends what it had begun, and how
/// far the clock is off is read once a second.
const NOTICED: Duration = Duration::from_millis(1200);
/// A session that ends when everything else is over.
pub(super) const LAST: &str = "last";

impl<'s> World<'s> {
    pub(super) async fn start(stage: &'s mut Stage, store: Store, schedule: &Schedule) -> Self {
        let (vhost, database, clock) = (stage.vhost().await, stage.database().await, FakeClock::new(schedule));
        let disk = database.is_none().then(Disk::new);
        let in_file = || disk.as_ref().map(|disk| format!("sqlite://{}/signoff.db", disk.path().display()));
        let url = database.clone().or_else(in_file).expect("a store");
        let clients = Clients::start(&schedule.manners).await;
        let setup = clients.in_file(Setup::new(&url)).amqp(&vhost).delivery(SETTINGS);
        let environment = clock.as_ref().map(FakeClock::environment).unwrap_or_default();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut replicas = Vec::new();
        for _ in 0..store.replicas() {
            let replica = Service::spawn_with(&setup.config(), &environment).await;
            replicas.push(replica.unwrap_or_else(|failure| panic!("{failure}")));
            if replicas.len() == 1 {
                clients.register(&replicas[0]).await;
            }
        }
        let (ledger, windows, dice) = (Arc::default(), Vec::new(), StdRng::seed_from_u64(schedule.seed ^ 1));
        let (moved, new_key, memory) = (false, false, Vec::new());
        Self {
            stage,
            replicas,
            vhost,
            database,
            store_url: url,
            begun: Instant::now(),
            clients,
            setup,
            disk,
            clock,
            ledger,
            windows,
            dice,
            moved,
            new_key,
            first_key: String::new(),
            memory,
        }
    }

    /// Opens what is open long before it ends; everybody consumes.
    pub(super) async fn prepare(&mut self, sessions: &[String]) {
        let openings: Vec<_> = sessions.iter().flat_map(|session| early(session)).chain(late(LAST)).collect();
        let mut feeder = self.feeder();
        for part in openings.chunks(200) {
            feeder.insist(part).await;
        }
        let consumers = u32::try_from(self.replicas.len()).expect("a small number");
        let consume = async || (self.vhost.depth(QUEUE).await == Some(Depth { ready: 0, consumers })).then_some(());
        eventually("every replica consumes", SOON, consume).await;
        // A quorum queue that was just declared may not survive SIGKILL.
        sleep(Duration::from_secs(2)).await;
        let keys = self.replicas[0].get("/.well-known/jwks.json").await;
        self.first_key = keys["keys"][0]["kid"].as_str().expect("a kid").to_owned();
        self.memory = self.replicas.iter().map(|replica| replica.memory().0).collect();
    }

    pub(super) fn feeder(&mut self) -> Feeder {
        let replicas = self.replicas.iter().map(|replica| replica.url("/v1/events")).collect();
        let dice = StdRng::from_rng(&mut self.dice);
        Feeder { ledger: Arc::clone(&self.ledger), replicas, dice, pause: Duration::from_secs(12) / 35 }
    }

    /// Half by AMQP, half by HTTP.
    pub(super) fn feed(&mut self, mut sessions: Vec<String>) -> JoinSet<()> {
        let by_amqp = sessions.split_off(sessions.len() / 2);
        let mut feeders = JoinSet::new();
        let publisher = Publisher::new(&self.vhost, EXCHANGE);
        feeders.spawn(self.feeder().by_amqp(publisher, by_amqp));
        feeders.spawn(self.feeder().by_http(sessions));
        feeders
    }

    /// Breaks what a strike breaks, all at once, waits, and mends it.
    pub(super) async fn strike(&mut self, strike: &Strike) {
        sleep(strike.after).await;
        let mut begun = Vec::new();
        for fault in &strike.faults {
            let from = Instant::now();
            self.begin(*fault).await;
            // SIGKILL is heard before the call returns, not before it begins.
            begun.push((*fault, if matches!(fault, Fault::Kill(_)) { Instant::now() } else { from }));
        }
        sleep(strike.lasts).await;
        for (fault, from) in begun {
            self.end(fault).await;
            let to = match fault {
                // Whoever is dead sends nothing: only the moment of its death counts.
                Fault::Kill(_) => from,
                _ => Instant::now() + NOTICED,
            };
            if fault.may_double() {
                self.windows.push(Window { fault, from, to });
            }
        }
        if strike.faults.iter().any(|fault| fault.target() == Target::Broker) {
            let up = async || self.vhost.depth(QUEUE).await.filter(|depth| depth.consumers > 0).map(drop);
            eventually("somebody consumes again", SOON, up).await;
        }
    }

    async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(replica) => drop(self.replicas[replica].kill9()),
            Fault::Term(replica) => self.replicas[replica].term(),
            Fault::Pause(replica) => self.replicas[replica].pause(),
            Fault::BrokerStop => self.stage.stop_broker().await,
            Fault::BrokerKill => self.stage.kill_broker(),
            Fault::CutAmqp => cut(&self.vhost).await,
            Fault::StoreFast => self.stage.stop_store(Ending::Fast).await,
            Fault::StoreImmediate => self.stage.stop_store(Ending::Immediate).await,
            Fault::StoreKill => self.stage.stop_store(Ending::Killed).await,
            Fault::StoreFreeze => self.stage.freeze_store(),
            Fault::DiskFull => self.disk.as_ref().expect("a disk").fill(),
            Fault::Clock(seconds) => self.step_clock(seconds),
            Fault::NewKey => {
                self.setup.new_key();
                self.new_key = true;
            }
            Fault::Move => self.moved |= self.move_first().await,
        }
    }

    async fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(replica) => self.replicas[replica].start_again().await,
            Fault::Term(replica) => {
                let status = self.replicas[replica].wait(SOON).await;
                assert!(status.success(), "SIGTERM ended with {status}\n{}", self.replicas[replica].log());
                self.replicas[replica].start_again().await;
            }
            Fault::Pause(replica) => self.replicas[replica].resume(),
            Fault::BrokerStop | Fault::BrokerKill => self.stage.start_broker().await,
            Fault::StoreFast | Fault::StoreImmediate | Fault::StoreKill => self.stage.start_store().await,
            Fault::StoreFreeze => self.stage.thaw_store(),
            Fault::DiskFull => self.disk.as_ref().expect("a disk").empty(),
            Fault::Clock(_) => self.step_clock(0),
            // Where no replica could do it while something else was broken.
            Fault::Move if !self.moved => self.moved = self.move_first().await,
            Fault::CutAmqp | Fault::NewKey | Fault::Move => {}
        }
    }

    async fn move_first(&self) -> bool {
        for replica in &self.replicas {
            if self.clients.move_first(replica).await {
                return true;
            }
        }
        false
    }

    fn step_clock(&self, seconds: i64) {
        if let Some(clock) = &self.clock {
            clock.step(seconds);
        }
    }
}
