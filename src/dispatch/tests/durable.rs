//! Is nothing lost or sent twice when something breaks?

use std::sync::Arc;
use std::time::Duration;

use super::{SECOND, World, leased, now, pass};
use crate::dispatch::Settings;
use crate::model::{ClientKey, DeliveryId, DeliveryState, LeaseId, Outcome, SkipReason};

#[tokio::test(start_paused = true)]
async fn a_handed_off_delivery_is_tried_at_once_and_settled() {
    let world = World::start(Settings::default(), 1);
    pass(SECOND).await;
    world.logout(1, 1);
    pass(SECOND / 10).await;
    let rows = world.store.rows();
    assert!(rows[0].1.settled.unwrap() - rows[0].1.accepted < SECOND / 20);
    let text = world.metrics.render().unwrap();
    for line in [
        r#"signoff_deliveries_total{client_id="client-1",issuer="main",result="delivered"} 1"#,
        r#"signoff_attempts_total{client_id="client-1",issuer="main",outcome="accepted"} 1"#,
        r#"signoff_logout_latency_seconds_count{issuer="main"} 1"#,
        r#"signoff_logout_latency_seconds_bucket{issuer="main",le="0.025"} 1"#,
        "signoff_deliveries_in_flight 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_memory_comes_from_the_table_exactly_once() {
    let world = World::start(Settings::default(), 3);
    (1..=3).for_each(|client| world.logout(client, 1000));
    pass(10 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 3000);
    assert_eq!(world.net.attempts(), 3000);
    assert_eq!(world.rooms.held(), 0);
    assert!(world.net.tried(1).iter().skip(100).all(|tried| tried.reused));
    assert!(!world.net.tried(1)[0].reused);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_nothing_starts_and_nothing_is_lost() {
    let world = World::start(Settings::default(), 4);
    (1..=4).for_each(|client| world.net.set(client, |_| (SECOND / 5, Outcome::Accepted)));
    for _ in 0..20 {
        (1..=4).for_each(|client| world.logout(client, 2));
        pass(SECOND / 20).await;
    }
    world.store.set_down(true);
    pass(SECOND).await;
    let before = world.net.attempts();
    (1..=4).for_each(|client| world.logout(client, 5));
    pass(5 * SECOND).await;
    assert_eq!(world.net.attempts(), before, "attempts started without the store");
    world.store.set_down(false);
    pass(10 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 180);
    assert_eq!(world.net.attempts(), 180, "something was sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_lease_is_too_old_does_not_leave() {
    let world = World::start(Settings::default(), 1);
    pass(60 * SECOND).await;
    let row = |id, age| leased(ClientKey(1), DeliveryId(id), LeaseId(id), 0, now().checked_sub(age).unwrap());
    let limit = Duration::from_secs(30 - 10 - 2);
    world.store.accept(ClientKey(9), 2, &*world.rooms, world.lease);
    world.handle.hand_off(vec![row(1, limit), row(2, limit + Duration::from_millis(1))], Vec::new());
    pass(SECOND).await;
    let tried: Vec<_> = world.net.tried(1).iter().map(|tried| tried.delivery.0).collect();
    assert_eq!(tried, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_leased_but_cannot_start_in_time_is_tried_on_a_new_lease() {
    let world = World::start(Settings { lease: 15 * SECOND, ..Settings::default() }, 1);
    world.net.set(1, |_| (9 * SECOND, Outcome::Accepted));
    world.logout(1, 40);
    pass(300 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 40);
    assert_eq!(world.net.attempts(), 40, "something was sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_waits_and_settles_what_flies() {
    let world = World::start(Settings::default(), 2);
    world.net.hangs(1);
    world.net.set(2, |_| (3 * SECOND, Outcome::Accepted));
    world.logout(1, 4);
    world.logout(2, 4);
    pass(SECOND).await;
    assert_eq!((world.net.attempts(), world.store.on_lease()), (4, 8));
    let stopping = {
        let shutdown = world.shutdown.clone();
        async move { shutdown.finish().await }
    };
    let began = now();
    let watch = async {
        pass(SECOND / 2).await;
        assert_eq!(world.store.on_lease(), 4, "what waited is due again at once");
        world.logout(2, 1);
        pass(SECOND).await;
        assert_eq!(world.store.on_lease(), 4, "nothing is taken in any more");
    };
    tokio::join!(stopping, watch);
    assert!(now() - began < 11 * SECOND);
    assert_eq!((world.net.attempts(), world.store.on_lease()), (4, 0));
    assert_eq!(world.store.count(DeliveryState::Delivered), 2);
    assert_eq!(world.store.rows()[0].1.attempts, 1, "the attempt in flight was settled");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_being_recorded_and_gives_it_back() {
    let world = World::start(Settings::default(), 1);
    let (leased, overflow) = world.store.accept(ClientKey(1), 2, &*world.rooms, world.lease);
    let shutdown = world.shutdown.clone();
    let handed_off = async {
        pass(SECOND).await;
        world.handle.hand_off(leased, overflow);
    };
    tokio::join!(shutdown.finish(), handed_off);
    assert_eq!((world.net.attempts(), world.store.on_lease()), (0, 0), "due again at once, not when a lease ends");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever_for_what_was_never_handed_off() {
    let world = World::start(Settings::default(), 1);
    let _lost = world.store.accept(ClientKey(1), 2, &*world.rooms, world.lease);
    let began = now();
    world.shutdown.finish().await;
    assert!(now() - began < 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_without_the_store_ends() {
    let world = World::start(Settings::default(), 1);
    world.logout(1, 4);
    world.store.set_down(true);
    pass(SECOND).await;
    let began = now();
    world.shutdown.finish().await;
    assert!(now() - began < 40 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_or_never_ends_is_one_that_failed() {
    let world = World::start(Settings::default(), 2);
    world.net.set(1, |job| {
        assert!(job.delivery.tries > 0, "a defect in the first attempt");
        (SECOND / 50, Outcome::Accepted)
    });
    world.net.set(2, |job| (Duration::from_secs(if job.delivery.tries > 0 { 1 } else { 100_000 }), Outcome::Accepted));
    world.logout(1, 2);
    world.logout(2, 2);
    pass(30 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 4);
    assert!(world.store.rows().iter().all(|(_, row)| row.attempts == 2));
    assert_eq!(world.rooms.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_the_store_refuses_stops_no_other() {
    for for_ever in [false, true] {
        let world = World::start(Settings::default(), 1);
        world.store.refuse(3, for_ever);
        world.net.set(1, |_| (SECOND, Outcome::Accepted));
        world.logout(1, 4);
        pass(10 * SECOND).await;
        let delivered = world.store.count(DeliveryState::Delivered);
        assert_eq!(delivered, if for_ever { 3 } else { 4 });
        assert_eq!(world.metrics.leases_lost.get(), u64::from(for_ever));
    }
}

#[tokio::test(start_paused = true)]
async fn what_clients_without_registration_are_owed_is_skipped() {
    let world = World::start(Settings::default(), 3);
    (1..=3).for_each(|client| world.net.answers(client, Outcome::Unavailable));
    (1..=3).for_each(|client| world.logout(client, 1));
    pass(SECOND / 2).await;
    let mut without_uri = super::client(2);
    without_uri.backchannel_logout_uri = None;
    world.directory.store(Arc::new(super::directory([without_uri, super::client(3)])));
    pass(60 * SECOND).await;
    assert_eq!(world.store.skipped(), [], "another replica may know more");
    pass(10 * SECOND).await;
    let skipped = [(ClientKey(1), SkipReason::UnknownClient), (ClientKey(2), SkipReason::NoLogoutUri)];
    assert_eq!(world.store.skipped(), skipped);
    assert_eq!(world.store.count(DeliveryState::Pending), 1);
    assert_eq!(world.net.tried(1).len() + world.net.tried(2).len(), 2, "no attempt without a registration");
    let text = world.metrics.render().unwrap();
    let skipped = r#"deliveries_total{client_id="client-2",issuer="main",result="skipped"} 1"#;
    assert!(text.contains(skipped) && !text.contains(r#"lane_state{client_id="client-1""#), "{text}");
    assert!(world.lane(1).is_none() && world.lane(3).is_some());
}
