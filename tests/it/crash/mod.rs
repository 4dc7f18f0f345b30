//! Is anything lost, or sent twice without need, when the process is killed?
//!
//! [`trial`] kills the program again and again while it works, and keeps the book; [`store`] looks
//! into what a killed program left; here is what must come out.

mod store;
mod trial;

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;

use crate::support::events::{logout, openings, sessions};
use crate::support::ledger::Owed;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::Vhost;
use crate::support::receiver::Receiver;
use crate::support::script::{Step, answer};
use crate::support::setup::Setup;
use crate::support::{eventually, say};
use store::Kept;
use trial::{CLIENTS, Trial, owed_of};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_postgres_whenever_the_service_is_killed() {
    let (Some(database), Some(vhost)) = (TestDatabase::new().await, Vhost::new().await) else { return };
    Trial::start(Kept::Postgres(database), Some(vhost)).await.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_sqlite_whenever_the_service_is_killed() {
    Trial::start(Kept::Sqlite, None).await.run().await;
}

/// Logouts that keep the surviving replica busy: so many that its lanes ask the table for more.
const BUSY: usize = 12;

/// When the lease of each pending delivery ends, at the earliest.
async fn lease_ends(pool: &PgPool) -> BTreeMap<Owed, Instant> {
    let asked = Instant::now();
    let rows: Vec<(String, String, f64)> = sqlx::query_as(
        "SELECT c.client_id, d.sid, extract(epoch FROM d.due_at - clock_timestamp())::float8
         FROM deliveries d JOIN clients c ON c.id = d.client WHERE d.state = 0 AND d.lease IS NOT NULL",
    )
    .fetch_all(pool)
    .await
    .expect("the deliveries");
    rows.into_iter()
        .map(|(client, sid, left)| ((client, sid), asked + Duration::from_secs_f64(left.max(0.0))))
        .collect()
}

#[tokio::test]
async fn a_dead_replicas_work_is_taken_over_when_its_leases_end() {
    let Some(database) = TestDatabase::new().await else { return };
    let receivers = Receiver::three(Step::Hang).await;
    let setup = Setup::new(database.url()).clients(&CLIENTS, &receivers);
    let setup = setup.delivery("lease = '8s'\ntimeout = '7s'\nlease_margin = '200ms'\n");
    let (mut dies, lives) = (Service::spawn(&setup.config()).await, Service::spawn(&setup.config()).await);
    let sessions = sessions(2 + BUSY);
    let ended: Vec<_> = sessions.iter().map(|session| logout(session)).collect();
    dies.submit(&openings(&sessions, &CLIENTS).collect::<Vec<_>>()).await;
    dies.submit(&ended[..2]).await;
    let six = async || (receivers.iter().map(Receiver::count).sum::<usize>() == 6).then_some(());
    eventually("six are in flight", SOON, six).await;

    dies.kill9();
    let ends = lease_ends(&database.pool().await).await;
    assert_eq!(ends.len(), 6, "all six were leased to the replica that died");
    for receiver in &receivers {
        receiver.drained().await;
        receiver.becomes(answer(200));
    }
    lives.submit(&ended[2..]).await;
    for sessions in [BUSY, BUSY + 2] {
        let count = sessions * CLIENTS.len();
        let delivered = async || (lives.deliveries("delivered").await.len() >= count).then_some(());
        eventually(&format!("the other replica delivered {count}"), SOON, delivered).await;
    }

    let posts = receivers.iter().flat_map(Receiver::posts).filter(|post| post.status == 200);
    let arrived: BTreeMap<Owed, Instant> = posts.map(|post| (owed_of(&post), post.at)).collect();
    let requests: usize = receivers.iter().map(Receiver::count).sum();
    assert_eq!((arrived.len(), requests), ((2 + BUSY) * 3, 6 + (2 + BUSY) * 3), "one more attempt for each of the six");
    let first_end = *ends.values().min().expect("six");
    let mut late = Duration::ZERO;
    for (owed, at) in arrived {
        match ends.get(&owed) {
            None => assert!(at < first_end, "the other replica was at work while the leases lived"),
            Some(end) => {
                assert!(at >= *end, "{owed:?} was tried {:?} before its lease ended", *end - at);
                late = late.max(at - *end);
            }
        }
    }
    assert!(late < Duration::from_secs(10), "taken over {late:?} after the lease");
    say(&format!("six deliveries taken over, the last {late:?} after its lease ended"));
}
