//! Logouts of all sessions of a client, of an issuer, and of somebody with very many.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use signoff::model::{Cause, DeliveryState, ReceiptStatus, SkipReason};
use signoff::store::views::Counts;
use signoff::store::{Rate, Want, Which};

use super::fixture::{AT_ONCE, Fixture, LEASE, all, named, session, subject};
use super::on_every_store;

on_every_store! { super::super::bulk:
    all_of_a_client_are_told_and_nobody_else,
    all_of_an_issuer_are_told_client_by_client,
    a_logout_of_all_spares_a_later_login_and_takes_a_late_opening,
    a_repeated_logout_of_all_walks_once,
    what_is_walked_comes_little_by_little,
    a_step_that_is_not_committed_is_taken_again,
    a_session_that_a_walk_leaves_alone_is_found_by_a_later_cause,
    somebody_with_very_many_sessions_is_walked_too,
    what_a_walk_owes_gives_way,
}

const MANY: usize = 2_300;

/// So many sessions at one client, each of another user.
async fn opened(f: &Fixture, client: &str, count: usize, user: Option<&str>) {
    let name = |number| format!("{client}-{number}");
    let user = |number| user.map_or_else(|| name(number), Into::into);
    let openings: Vec<_> =
        (0..count).map(|number| f.opened(&name(number), &name(number), client, &user(number), 10)).collect();
    for batch in openings.chunks(500) {
        f.record(batch).await;
    }
}

async fn told(f: &Fixture) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for row in f.deliveries().await {
        *told.entry(row.client_id).or_default() += 1;
    }
    told
}

async fn counts(f: &Fixture, logout: signoff::model::LogoutId) -> Counts {
    f.store.logout_counts(&[logout]).await.unwrap()[0].1
}

pub(super) async fn all_of_a_client_are_told_and_nobody_else(f: Fixture) {
    opened(&f, "shop", MANY, None).await;
    opened(&f, "mail", 30, None).await;
    let receipt = f.record_one(f.logout("l1", all(Some("shop")), 20)).await;
    assert_eq!((receipt.status, receipt.owed), (ReceiptStatus::Recorded, 0));
    let expanding = Counts { expanding: true, ..Counts::default() };
    assert_eq!(counts(&f, named(&receipt)).await, expanding, "before the first step");
    assert_eq!(f.expand().await, 3, "a step of a thousand sessions at a time");
    let done = Counts { pending: MANY as u64, ..Counts::default() };
    assert_eq!(counts(&f, named(&receipt)).await, done);
    assert_eq!(told(&f).await, BTreeMap::from([("shop".to_owned(), MANY)]));
    assert_eq!(f.sessions().await.len(), 30);
}

pub(super) async fn all_of_an_issuer_are_told_client_by_client(f: Fixture) {
    for (client, count) in [("shop", 1_000), ("mail", 7), ("wiki", 1_001)] {
        opened(&f, client, count, None).await;
    }
    let stranger = f.store.issuer_key("https://other.example.com").await.unwrap();
    let mut other = f.opened("other", "other", "shop", "zoe", 10);
    other.issuer = stranger;
    f.record(&[other]).await;
    f.record(&[f.logout("l1", all(None), 20)]).await;
    f.expand().await;
    let expected = [("mail", 7), ("shop", 1_000), ("wiki", 1_001)].map(|(client, count)| (client.to_owned(), count));
    assert_eq!(told(&f).await, BTreeMap::from(expected));
    let left: Vec<_> = f.sessions().await.into_iter().map(|row| row.session.session_id).collect();
    assert_eq!(left, ["other"], "the other issuer's");
}

pub(super) async fn a_logout_of_all_spares_a_later_login_and_takes_a_late_opening(f: Fixture) {
    f.record(&[f.opened("o1", "s1", "shop", "ann", 10), f.opened("o2", "s2", "shop", "bob", 30)]).await;
    f.record(&[f.logout("l1", all(Some("shop")), 20)]).await;
    // Before, between and after the steps.
    f.record(&[f.opened("late-1", "s3", "shop", "cid", 15)]).await;
    f.expand().await;
    f.record(&[f.opened("late-2", "s4", "shop", "dan", 20), f.opened("other", "s4", "mail", "dan", 15)]).await;
    f.record(&[f.opened("new", "s5", "shop", "eve", 21)]).await;
    f.expand().await;
    assert_eq!(told(&f).await, BTreeMap::from([("shop".to_owned(), 3)]));
    let mut left: Vec<_> = f.sessions().await.into_iter().map(|row| row.session.session_id).collect();
    left.sort();
    assert_eq!(left, ["s2", "s4", "s5"]);
}

pub(super) async fn a_repeated_logout_of_all_walks_once(f: Fixture) {
    opened(&f, "shop", 3, None).await;
    let logout = f.logout("l1", all(None), 20);
    f.record(std::slice::from_ref(&logout)).await;
    assert!(f.expand().await > 0);
    assert_eq!(f.record_one(logout).await.status, ReceiptStatus::Duplicate);
    assert_eq!(f.expand().await, 0);
    assert_eq!(f.deliveries().await.len(), 3);
}

pub(super) async fn what_is_walked_comes_little_by_little(f: Fixture) {
    opened(&f, "shop", MANY, None).await;
    opened(&f, "mail", 10, None).await;
    f.record(&[f.logout("l1", all(None), 20)]).await;
    let ten = Rate(NonZeroU32::new(10).unwrap());
    while f.store.expand(&f.rules, ten).await.unwrap().is_some() {}
    let owed = f.in_state(DeliveryState::Pending).await;
    assert!(owed <= 1_010, "{owed}: the next step waits until this one's deliveries are due");
    let shop = f.client("shop").await;
    let want = Want { client: shop, room: 10_000, which: Which::Due };
    let soon = f.replica(Duration::from_secs(5), None).await;
    let due = soon.lease(&[want], LEASE).await.unwrap().len();
    assert!((50..200).contains(&due), "{due} of about ten a second are due after five");
    let later = f.replica(Duration::from_secs(101), None).await;
    assert!(later.expand(&f.rules, ten).await.unwrap().is_some(), "it goes on after a hundred seconds");
}

pub(super) async fn a_step_that_is_not_committed_is_taken_again(f: Fixture) {
    opened(&f, "shop", 40, None).await;
    f.record(&[f.logout("l1", all(None), 20)]).await;
    {
        // Dropped in the middle, as a replica that dies.
        let step = f.store.expand(&f.rules, AT_ONCE);
        let _ = tokio::time::timeout(Duration::from_micros(300), step).await;
    }
    f.expand().await;
    assert_eq!(f.deliveries().await.len(), 40);
    assert!(f.sessions().await.is_empty());
}

pub(super) async fn a_session_that_a_walk_leaves_alone_is_found_by_a_later_cause(f: Fixture) {
    opened(&f, "shop", 3, None).await;
    let shop = f.client("shop").await;
    f.rules.skip(shop, Cause::SessionExpired, SkipReason::CauseNotWanted);
    f.record(&[f.logout_for("l1", all(None), 20, Cause::SessionExpired)]).await;
    f.expand().await;
    assert_eq!((f.in_state(DeliveryState::Skipped).await, f.sessions().await.len()), (3, 3));
    f.record(&[f.logout_for("l2", all(Some("shop")), 20, Cause::Risk)]).await;
    f.expand().await;
    assert_eq!((f.in_state(DeliveryState::Pending).await, f.sessions().await.len()), (3, 0));
}

pub(super) async fn somebody_with_very_many_sessions_is_walked_too(f: Fixture) {
    opened(&f, "shop", MANY, Some("robot")).await;
    opened(&f, "mail", 5, Some("ann")).await;
    let receipts = f.record(&[f.logout("l1", subject("robot"), 20), f.logout("l2", subject("ann"), 20)]).await.receipts;
    assert_eq!((receipts[0].owed, receipts[1].owed), (0, 5), "the few at once, the many later");
    assert!(counts(&f, named(&receipts[0])).await.expanding);
    f.expand().await;
    assert_eq!(counts(&f, named(&receipts[0])).await, Counts { pending: MANY as u64, ..Counts::default() });
    assert!(f.sessions().await.is_empty());
}

pub(super) async fn what_a_walk_owes_gives_way(f: Fixture) {
    opened(&f, "shop", 2, None).await;
    f.record(&[f.opened("o", "own", "shop", "ann", 10)]).await;
    f.record(&[f.logout("own", session("own"), 20), f.logout("l1", all(None), 20)]).await;
    f.expand().await;
    let want = Want { client: f.client("shop").await, room: 10, which: Which::Due };
    let mut leased = f.store.lease(&[want], LEASE).await.unwrap();
    leased.sort_by_key(|row| row.delivery.id);
    let bulk: Vec<_> = leased.iter().map(|row| row.delivery.bulk).collect();
    assert_eq!(bulk, [false, true, true]);
}
