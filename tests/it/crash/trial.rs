//! How is a program killed at random while it works? One trial: seed, feeders, kills, the book.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::store::Kept;
use crate::support::api::submission;
use crate::support::events::{logout, openings, sessions};
use crate::support::ledger::{Ledger, Owed, Token};
use crate::support::process::Service;
use crate::support::publisher::Publisher;
use crate::support::rabbitmq::Vhost;
use crate::support::receiver::{Post, Receiver};
use crate::support::script::answer;
use crate::support::setup::{EXCHANGE, QUEUE, Setup};
use crate::support::{eventually, say, setting};

pub(super) const CLIENTS: [&str; 3] = ["shop", "forum", "wiki"];
/// Logouts that the feeders bring in, beside the kills.
const FED: usize = 280;
/// How often the program is killed; every third time, right after it accepted one more logout.
const KILLS: usize = 24;
/// Deliveries that a replica has in memory at most, in flight or not yet settled.
const HELD: usize = 12;
/// Deliveries owed and not arrived at which the feeders pause, so that intake and delivery are
/// both at work whenever a kill comes.
const BACKLOG: usize = 60;
const SOON: Duration = Duration::from_mins(1);

/// One program, its receivers, and the book of what it promised.
pub(super) struct Trial {
    service: Service,
    kept: Kept,
    vhost: Option<Vhost>,
    _setup: Setup,
    book: Book,
    dice: StdRng,
    /// Posts per receiver that earlier lives made.
    earlier: [usize; 3],
    /// For each kill: what had been sent in that life and was not settled.
    exposed: Vec<BTreeSet<Owed>>,
    /// Promised and killed before any attempt.
    untried: usize,
}

/// What the feeders and the trial share.
#[derive(Clone)]
struct Book {
    ledger: Arc<Mutex<Ledger>>,
    receivers: Arc<[Receiver; 3]>,
    /// Deliveries promised so far.
    promised: Arc<Mutex<usize>>,
}

pub(super) fn owed_of(post: &Post) -> Owed {
    let token = Token::read(&post.token);
    (token.aud, token.sid.expect("a sid"))
}

impl Trial {
    pub(super) async fn start(kept: Kept, vhost: Option<Vhost>) -> Self {
        let seed = setting("SIGNOFF_TEST_SEED").map_or_else(rand::random, |seed| seed.parse().expect("a number"));
        say(&format!("SIGNOFF_TEST_SEED={seed}"));
        let slow = answer(200).after_some(Duration::from_millis(10)..=Duration::from_millis(60));
        let receivers = Receiver::three(slow).await;
        let setup = Setup::new(kept.url()).clients(&CLIENTS, &receivers).delivery(&format!(
            "lease = '4s'\ntimeout = '3s'\nlease_margin = '200ms'\nin_flight = {HELD}\nqueue = {HELD}\n\
             in_flight_per_client = 4\nqueue_per_client = 4\n"
        ));
        let setup = vhost.iter().fold(setup, Setup::amqp);
        let service = Service::spawn(&setup.config()).await;
        let book = Book { ledger: Arc::default(), receivers: Arc::new(receivers), promised: Arc::default() };
        let (earlier, exposed, untried) = ([0; 3], Vec::new(), 0);
        let dice = StdRng::seed_from_u64(seed);
        Self { service, kept, vhost, _setup: setup, book, dice, earlier, exposed, untried }
    }

    /// Feeds, kills, waits until all is quiet, and compares the book with what arrived.
    pub(super) async fn run(mut self) {
        let (begun, fed) = (Instant::now(), sessions(FED));
        let last_words: Vec<_> = (0..KILLS / 3).map(|number| format!("last{number}")).collect();
        let owed = (fed.len() + last_words.len()) * CLIENTS.len();
        for part in fed.iter().chain(&last_words).cloned().collect::<Vec<_>>().chunks(100) {
            self.service.submit(&openings(part, &CLIENTS).collect::<Vec<_>>()).await;
        }
        let mut feeders = self.feed(fed);
        let mut points: Vec<usize> = (0..KILLS).map(|_| self.dice.random_range(1..owed * 9 / 10)).collect();
        points.sort_unstable();
        let mut last_words = last_words.into_iter();
        for (index, point) in points.iter().enumerate() {
            self.live_until(*point).await;
            let last_word = if index % 3 == 2 { last_words.next() } else { None };
            self.kill(last_word.as_deref()).await;
            assert!(self.book.arrived() < owed, "a kill between the first and the last delivery");
            self.service.start_again().await;
        }
        while let Some(fed) = feeders.join_next().await {
            fed.expect("the feeder");
        }
        self.settled().await;
        self.compare(owed, begun);
    }

    /// Half by AMQP, where there is a broker, the rest by HTTP.
    fn feed(&mut self, mut fed: Vec<String>) -> JoinSet<()> {
        let mut feeders = JoinSet::new();
        if let Some(vhost) = &self.vhost {
            let by_amqp = fed.split_off(fed.len() / 2);
            feeders.spawn(by_amqp_feeder(self.book.clone(), Publisher::new(vhost, EXCHANGE), by_amqp));
        }
        let url = self.service.url("/v1/events");
        let chunks = StdRng::from_rng(&mut self.dice);
        feeders.spawn(by_http_feeder(self.book.clone(), url, fed, chunks));
        feeders
    }

    /// Until so many requests have come, and some random moment longer.
    async fn live_until(&mut self, point: usize) {
        let enough = async || (self.book.arrived() >= point).then_some(());
        eventually(&format!("{point} requests"), SOON, enough).await;
        sleep(Duration::from_micros(self.dice.random_range(0..40_000))).await;
    }

    /// SIGKILL, if asked right after the answer to one last submission.
    async fn kill(&mut self, last_word: Option<&str>) {
        if let Some(session) = last_word {
            self.service.submit(&[logout(session)]).await;
            self.service.kill9();
            self.book.promise(&[session.to_owned()]);
        } else {
            self.service.kill9();
        }
        let sent = self.sent_in_this_life().await;
        let unsettled = self.kept.unsettled(&self.service).await;
        if let Some(session) = last_word {
            let owed = unsettled.iter().filter(|owed| owed.1 == session);
            self.untried += owed.filter(|owed| !sent.contains(owed)).count();
        }
        let exposed: BTreeSet<_> = sent.intersection(&unsettled).cloned().collect();
        assert!(exposed.len() <= HELD, "more than {HELD} sent and unsettled at a kill: {exposed:?}");
        self.exposed.push(exposed);
    }

    async fn sent_in_this_life(&mut self) -> BTreeSet<Owed> {
        let mut sent = BTreeSet::new();
        for (receiver, earlier) in self.book.receivers.iter().zip(&mut self.earlier) {
            receiver.drained().await;
            let posts = receiver.posts();
            sent.extend(posts[*earlier..].iter().map(owed_of));
            *earlier = posts.len();
        }
        sent
    }

    /// Nothing is owed, given up, waiting in the queue or unacknowledged.
    async fn settled(&self) {
        let (service, promised) = (&self.service, *lock(&self.book.promised));
        eventually("everything promised arrived", SOON, async || {
            (self.book.arrived() >= promised && service.deliveries("pending").await.is_empty()).then_some(())
        })
        .await;
        assert_eq!(service.deliveries("abandoned").await, Vec::<Value>::new());
        let Some(vhost) = &self.vhost else { return };
        eventually("the queue is empty", SOON, async || {
            let ready = vhost.depth(QUEUE).await.expect("the queue").ready;
            (ready == 0 && vhost.unacknowledged(QUEUE).await == 0).then_some(())
        })
        .await;
    }

    fn compare(&self, owed: usize, begun: Instant) {
        let posts = self.book.posts();
        let mut ledger = lock(&self.book.ledger);
        ledger.arrive(&posts);
        assert_eq!(ledger.lost(), [], "promised and lost");
        assert_eq!(ledger.unpromised(), Vec::<&Owed>::new(), "every event was sent until it was acknowledged");
        assert_eq!(*lock(&self.book.promised), owed);
        let mut allowed: BTreeMap<&Owed, usize> = BTreeMap::new();
        for owed in self.exposed.iter().flatten() {
            *allowed.entry(owed).or_default() += 1;
        }
        let mut times: BTreeMap<Owed, usize> = BTreeMap::new();
        for post in &posts {
            *times.entry(owed_of(post)).or_default() += 1;
        }
        for (owed, times) in &times {
            let allowed = 1 + allowed.get(owed).copied().unwrap_or_default();
            assert!(*times <= allowed, "{owed:?} was tried {times} times, {allowed} are explained by kills");
        }
        let exposed: Vec<_> = self.exposed.iter().map(BTreeSet::len).collect();
        let sum: usize = exposed.iter().sum();
        assert!(ledger.duplicates() <= sum);
        assert!(self.untried > 0, "no kill came between a promise and its first attempt");
        say(&format!(
            "{owed} deliveries promised, {} requests, {} kills in {:?}; {} duplicates, {sum} sent and unsettled at the \
             kills (most {}, limit {HELD} a kill): {exposed:?}; {} promised and killed before any attempt",
            posts.len(),
            exposed.len(),
            begun.elapsed(),
            ledger.duplicates(),
            exposed.iter().max().unwrap_or(&0),
            self.untried,
        ));
    }
}

impl Book {
    /// The service has acknowledged the logouts of these sessions.
    fn promise(&self, sessions: &[String]) {
        let mut ledger = lock(&self.ledger);
        for session in sessions {
            ledger.promise(session, CLIENTS.map(|client| (client.to_owned(), session.clone())));
        }
        *lock(&self.promised) += sessions.len() * CLIENTS.len();
    }

    fn arrived(&self) -> usize {
        self.receivers.iter().map(Receiver::count).sum()
    }

    fn posts(&self) -> Vec<Post> {
        self.receivers.iter().flat_map(Receiver::posts).collect()
    }

    /// Waits while enough is on its way.
    async fn pace(&self) {
        while *lock(&self.promised) > self.arrived() + BACKLOG {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("no panic while locked")
}

/// One to five a request; sent again, as it was, until it is answered with 202.
async fn by_http_feeder(book: Book, url: String, mut sessions: Vec<String>, mut dice: StdRng) {
    while !sessions.is_empty() {
        book.pace().await;
        let count = dice.random_range(1..=5).min(sessions.len());
        let some = sessions.split_off(sessions.len() - count);
        let events: Vec<Value> = some.iter().map(|session| logout(session)).collect();
        while !matches!(submission(&url, &events).send().await, Ok(answer) if answer.status() == 202) {
            sleep(Duration::from_millis(20)).await;
        }
        book.promise(&some);
    }
}

/// One a message; what the broker has confirmed is promised.
async fn by_amqp_feeder(book: Book, mut publisher: Publisher, sessions: Vec<String>) {
    for session in sessions {
        book.pace().await;
        publisher.publish(&logout(&session).to_string()).await;
        book.promise(&[session]);
    }
}
