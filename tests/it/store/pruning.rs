//! Does pruning take little at a time, pass over what is needed or held, and lose nothing that is recorded beside it?

use std::time::Duration;

use signoff::model::{Cause, Leased, Outcome, SkipReason, Verdict};
use signoff::store::Retention;
use signoff::store::probe::Point;

use super::fixture::{Fixture, LEASE, Lanes, session, settlement};
use super::on_every_store;
use super::race::Hold;
use super::retention::{DAY, TABLES, Today, sizes};

on_every_store! { super::super::pruning:
    no_step_takes_more_than_its_limit,
    what_is_still_needed_hides_nothing_behind_it,
    what_is_pruned_while_it_is_recorded_is_recorded,
}

pub(super) async fn no_step_takes_more_than_its_limit(f: Fixture) {
    const LIMIT: u32 = 7;
    f.rules.skip(f.client("gone").await, Cause::UserLogout, SkipReason::UnknownClient);
    let today = Today::new(&f, 0).await;
    let name = |n: usize| format!("s{n}");
    for n in 0..40 {
        let clients = ["shop", "mail", "gone"];
        today.record(&clients.map(|client| today.opened(&name(n), client, 20))).await;
        today.record(&[f.closed("c", &name(n), "mail", today.at(15)), today.logout(session(&name(n)), &name(n))]).await;
        today.record(&[today.opened(&format!("open-{n}"), "shop", 20)]).await;
    }
    // Many attempts of each.
    for _ in 0..3 {
        let again = |row: &Leased| settlement(row, Outcome::Unavailable, Verdict::RetryIn(Duration::ZERO));
        let done: Vec<_> = today.lease("shop").await.iter().map(again).collect();
        today.store.settle(&done).await.unwrap();
    }
    today.settle("shop").await;
    let mut before = sizes(&f).await;
    assert!(TABLES.iter().all(|table| *table == "expansions" || before[table] >= 30), "{before:?}");
    // What is put off is looked at a day later.
    for day in [70, 72] {
        let much_later = f.replica(DAY * day, None).await;
        while much_later.prune(&Retention::default(), LIMIT).await.unwrap() > 0 {
            let after = sizes(&f).await;
            let taken = TABLES.map(|table| (table, before[table] - after[table]));
            assert!(taken.iter().all(|(_, taken)| *taken <= i64::from(LIMIT)), "{taken:?}");
            before = after;
        }
    }
    assert!(before.values().all(|rows| *rows == 0), "{before:?}");
}

/// The oldest rows are still needed, more of them than a step looks at.
pub(super) async fn what_is_still_needed_hides_nothing_behind_it(f: Fixture) {
    let old = Today::new(&f, 0).await;
    let name = |n: usize| format!("s{n}");
    let logout = |today: &Today<'_>, n: usize, client: &str| {
        [today.opened(&name(n), client, 20), today.logout(session(&name(n)), &name(n))]
    };
    for n in 0..20 {
        old.record(&logout(&old, n, "dead")).await;
    }
    let young = Today::new(&f, 1).await;
    for n in 20..30 {
        young.record(&logout(&young, n, "shop")).await;
    }
    young.settle("shop").await;
    let later = f.replica(DAY * 70, None).await;
    while later.prune(&Retention::default(), 5).await.unwrap() > 0 {}
    assert_eq!((f.count("logouts").await, f.count("provider_sessions").await), (20, 20));
    assert_eq!(later.prune(&Retention::default(), 5).await.unwrap(), 0, "it is not looked at again at once");
    let dead = Today { f: &f, store: later, day: 70 };
    dead.settle("dead").await;
    // What is put off is looked at a day later.
    for day in [102, 104] {
        let much_later = f.replica(DAY * day, None).await;
        while much_later.prune(&Retention::default(), 5).await.unwrap() > 0 {}
    }
    assert_eq!(sizes(&f).await.values().sum::<i64>(), 0);
}

/// Another replica, ten days ahead, prunes the provider sessions that this one logs out.
pub(super) async fn what_is_pruned_while_it_is_recorded_is_recorded(f: Fixture) {
    const SESSIONS: usize = 120;
    let later = f.replica(DAY * 10, None).await;
    let today = Today::new(&f, 0).await;
    for round in 0..12 {
        let name = |n: usize| format!("r{round}-{n}");
        for client in ["shop", "mail"] {
            let openings: Vec<_> = (0..SESSIONS).map(|n| today.opened(&name(n), client, 20)).collect();
            today.record(&openings).await;
        }
        let logouts: Vec<_> = (0..SESSIONS).rev().map(|n| today.logout(session(&name(n)), &name(n))).collect();
        let record = async {
            for some in logouts.chunks(SESSIONS / 4) {
                tokio::time::sleep(Duration::from_micros(rand::random_range(0..2000))).await;
                assert_eq!(today.record(some).await.receipts.iter().map(|receipt| receipt.owed).sum::<u32>(), 60);
            }
        };
        let prune = async {
            for _ in 0..12 {
                later.prune(&Retention::default(), 25).await.unwrap();
            }
        };
        tokio::join!(record, prune);
    }
    assert_eq!((f.count("deliveries").await, f.count("sessions").await), (12 * 2 * 120, 0));
}

/// A session that expired long ago is opened again, and held before it is committed.
#[tokio::test(flavor = "multi_thread")]
async fn pruning_does_not_wait_for_what_is_recorded() {
    let Some(f) = super::fixture::postgres().await else { return };
    let old = Today::new(&f, 0).await;
    let name = |n: usize| format!("s{n}");
    let again = |n| [old.opened(&name(n), "shop", 20), f.closed("c", &name(n), "mail", old.at(30))];
    let events: Vec<_> = (0..50).flat_map(again).collect();
    old.record(&events).await;
    let hold = Hold::at(Point::Written);
    let slow = f.replica(DAY * 40, Some(hold.clone())).await;
    let (rules, lanes) = (f.rules.clone(), Lanes::default());
    let mut recording = tokio::task::JoinSet::new();
    recording.spawn(async move { slow.record(&events[..40], &rules, &lanes, LEASE).await.map(drop) });
    hold.reached.acquire().await.unwrap().forget();
    let later = f.replica(DAY * 40, None).await;
    while later.prune(&Retention::default(), 7).await.unwrap() > 0 {}
    hold.go.add_permits(1);
    recording.join_next().await.unwrap().unwrap().unwrap();
    let left = [f.count("provider_sessions").await, f.count("sessions").await, f.count("closings").await];
    assert_eq!(left, [20, 20, 20], "what was held is passed over, the rest is gone");
}

/// What pruning deletes is opened again and logged out before the deletion is committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_waits_for_pruning_and_finds_its_place_again() {
    let Some(f) = super::fixture::postgres().await else { return };
    let today = Today::new(&f, 0).await;
    today.record(&[today.opened("s", "shop", 20), f.closed("c", "s", "mail", today.at(30))]).await;
    let mut pruning = f.postgres_connection().await;
    for statement in ["BEGIN", "DELETE FROM closings", "DELETE FROM sessions", "DELETE FROM provider_sessions"] {
        sqlx::query(statement).execute(&mut pruning).await.unwrap();
    }
    let events = [today.opened("s", "shop", 20), today.logout(session("s"), "l")];
    let mut recording = Box::pin(today.record(&events));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut recording).await.is_err(), "it waits");
    sqlx::query("COMMIT").execute(&mut pruning).await.unwrap();
    assert_eq!(recording.await.receipts[1].owed, 1);
}
