//! Was every promise kept? What must hold when all faults are over, and the figures of a schedule.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::time::{Instant, sleep, timeout};

use super::account::{Success, explain, successes};
use super::clients::{CLIENTS, name};
use super::world::{LAST, World};
use super::{HELD, SOON};
use crate::support::events::logout;
use crate::support::eventually;
use crate::support::ledger::{Owed, Token};
use crate::support::receiver::Post;
use crate::support::setup::QUEUE;

/// How long everything owed may take once nothing is broken any more.
const RECOVERY: Duration = Duration::from_secs(90);
/// MiB a replica may keep beyond what it had before the first logout.
const GROWTH: u64 = 64;
/// A replica that saw a client's change last has read it by now.
const REFRESHED: Duration = Duration::from_millis(2500);

/// What one schedule came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) promised: usize,
    pub(super) requests: usize,
    pub(super) duplicates: usize,
    /// The most that one fault explains.
    pub(super) most: usize,
    /// From the last repair to the last settled delivery.
    pub(super) recovery: Duration,
    pub(super) took: Duration,
    /// MiB of a replica: the most ever, and the most at the end.
    pub(super) memory: (u64, u64),
}

impl World<'_> {
    /// Everything promised has arrived and is settled, nothing was given up or skipped, the queue is empty.
    pub(super) async fn settled(&self) -> Duration {
        let begun = Instant::now();
        let all = eventually("everything is settled", RECOVERY * 2, async || {
            // First what was promised: the broker's figures are seconds old, and a message that the service
            // holds is in no table yet.
            let arrived = self.missing() == 0;
            (arrived && self.unsettled().await == 0 && self.nothing_queued().await).then_some(())
        });
        let in_time = timeout(RECOVERY, all).await.is_ok();
        assert!(in_time, "not settled after {RECOVERY:?}\n{}", self.standing().await);
        for state in ["abandoned", "skipped"] {
            assert_eq!(self.replicas[0].deliveries(state).await, Vec::<Value>::new(), "{state}");
        }
        assert_eq!(self.vhost.take("signoff.rejected").await, [], "rejected");
        begun.elapsed()
    }

    fn missing(&self) -> usize {
        self.ledger.lock().expect("no panic while locked").missing(&self.clients.posts())
    }

    /// Rows that are still owed, due, leased or waiting, as the store has them.
    async fn unsettled(&self) -> i64 {
        let count = "SELECT count(*) FROM deliveries WHERE state = 0";
        if let Some(database) = &self.database {
            let mut connection = PgConnection::connect(database).await.expect("the database");
            return sqlx::query_scalar(count).fetch_one(&mut connection).await.expect("a count");
        }
        let file: SqliteConnectOptions = self.store_url.parse().expect("a URL");
        let mut file = SqliteConnection::connect_with(&file).await.expect("the file");
        sqlx::query_scalar(count).fetch_one(&mut file).await.expect("a count")
    }

    async fn nothing_queued(&self) -> bool {
        self.vhost.depth(QUEUE).await.is_some_and(|depth| depth.ready == 0)
            && self.vhost.unacknowledged(QUEUE).await == 0
    }

    /// What is missing, and where it may be.
    async fn standing(&self) -> String {
        let logs = self.replicas.iter().map(|replica| tail(&replica.log())).collect::<Vec<_>>();
        let lost = {
            let mut ledger = self.ledger.lock().expect("no panic while locked");
            ledger.arrive(&self.clients.posts());
            format!("{:?}", ledger.lost())
        };
        format!(
            "lost: {lost}\nunsettled rows: {}, queue: {:?}, unacknowledged: {}\npending: {:?}\n{}",
            self.unsettled().await,
            self.vhost.depth(QUEUE).await,
            self.vhost.unacknowledged(QUEUE).await,
            self.replicas[0].deliveries("pending").await,
            logs.join("\n----\n"),
        )
    }

    /// One more logout, for all clients: it goes where they are now, signed with the key of now.
    pub(super) async fn last_word(&self) {
        if self.moved {
            sleep(REFRESHED).await;
        }
        self.replicas[0].submit(&[logout(LAST)]).await;
        self.ledger
            .lock()
            .expect("no panic while locked")
            .promise(LAST, (0..CLIENTS).map(|number| (name(number), LAST.to_owned())));
        let of_last = async || {
            let posts: Vec<_> = self.clients.posts().into_iter().filter(is_last).collect();
            (posts.iter().filter(|post| post.status == 200).count() >= CLIENTS).then_some(posts)
        };
        let posts = eventually("the last logout is delivered", SOON, of_last).await;
        let (first, now) = (&self.first_key, posts.iter().map(kid).collect::<Vec<_>>());
        assert!(now.iter().all(|kid| (kid != first) == self.new_key), "signed with {now:?}, at first with {first:?}");
        let moved = self.clients.moved.posts().iter().filter(|post| is_last(post)).count();
        assert_eq!(moved, usize::from(self.moved), "the client's last request goes where it is");
    }

    /// Holds the book against what arrived.
    pub(super) fn compare(&self) -> Figures {
        let posts = self.clients.posts();
        let mut ledger = self.ledger.lock().expect("no panic while locked");
        ledger.arrive(&posts);
        assert_eq!(ledger.lost(), [], "promised and lost");
        assert_eq!(ledger.unpromised(), Vec::<&Owed>::new(), "every event was repeated until it was acknowledged");
        let successes = successes(&posts);
        let (explained, unexplained) = explain(&successes, &self.windows);
        assert!(unexplained.is_empty(), "sent again without need:\n{}", self.told(&unexplained));
        let duplicates = explained.iter().sum();
        let most = explained.iter().copied().max().unwrap_or_default();
        let limit = HELD * self.replicas.len();
        assert!(most <= limit, "{most} extra attempts for one fault, and at most {limit} were in flight");
        Figures { promised: ledger.promised(), requests: posts.len(), duplicates, most, ..Figures::default() }
    }

    fn told(&self, unexplained: &[(Owed, Vec<Success>)]) -> String {
        let begun = self.begun;
        let windows: Vec<_> =
            self.windows.iter().map(|w| format!("{:?} {:?}..{:?}", w.fault, w.from - begun, w.to - begun)).collect();
        let extras = unexplained.iter().take(10).map(|(owed, times)| {
            let times: Vec<_> = times.iter().map(|(at, ended)| (*at - begun, *ended - begun)).collect();
            format!("{owed:?}: {times:?}")
        });
        let logs = self.replicas.iter().map(|replica| tail(&replica.log()));
        extras.chain(windows).chain(logs).collect::<Vec<_>>().join("\n")
    }

    /// Memory is back, nobody panicked, everybody stops when asked.
    pub(super) async fn stop(mut self) -> (u64, u64) {
        let (mut peak, mut last) = (0, 0);
        let base = self.memory.iter().copied().max().expect("a replica");
        for replica in &self.replicas {
            let (now, most) = replica.memory();
            assert!(now <= base + GROWTH, "{now} MiB at the end, {base} before the first logout");
            (peak, last) = (peak.max(most), last.max(now));
        }
        for replica in &mut self.replicas {
            replica.term();
            let status = replica.wait(SOON).await;
            assert!(status.success(), "SIGTERM ended with {status}\n{}", tail(&replica.log()));
            assert!(!replica.log().contains("panicked"), "{}", replica.log());
        }
        (peak, last)
    }
}

fn is_last(post: &Post) -> bool {
    Token::read(&post.token).sid.as_deref() == Some(LAST)
}

fn kid(post: &Post) -> String {
    Token::read(&post.token).kid.expect("a kid")
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Figures {
    /// Those of two schedules together.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            promised: self.promised + other.promised,
            requests: self.requests + other.requests,
            duplicates: self.duplicates + other.duplicates,
            most: self.most.max(other.most),
            recovery: self.recovery.max(other.recovery),
            took: self.took + other.took,
            memory: (self.memory.0.max(other.memory.0), self.memory.1.max(other.memory.1)),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promised, requests, duplicates, most, recovery, took, memory: (peak, last) } = self;
        write!(
            f,
            "{promised} deliveries promised, 0 lost, {requests} requests, {duplicates} duplicates (most {most} for one \
             fault), all settled {recovery:.1?} after the last repair, memory {peak} MiB at most and {last} at the end, \
             {took:.0?}"
        )
    }
}
