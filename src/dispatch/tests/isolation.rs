//! Does a bad client delay the others?

use std::time::Duration;

use super::{SECOND, World, now, pass};
use crate::dispatch::Settings;
use crate::model::{DeliveryState, Outcome};

/// Sixteen clients accept connections and never answer, in a service that can make 32 attempts at
/// once; each is owed more than it will ever take. Eight busy clients get a logout every half
/// second, and eight quiet ones their first when the trouble is two minutes old. The worst
/// delay of a busy and of a quiet client.
async fn worst_delays(settings: Settings) -> (Duration, Duration) {
    let world = World::start(Settings { in_flight: 32, ..settings }, 32);
    let (busy, quiet, hung) = (1..=8, 9..=16, 17..=32);
    for round in 0..300 {
        busy.clone().for_each(|client| world.logout(client, 1));
        if round == 2 {
            hung.clone().for_each(|client| world.net.hangs(client));
            hung.clone().for_each(|client| world.logout(client, 400));
        }
        if round >= 240 && round % 7 == 0 {
            quiet.clone().filter(|client| client % 8 == round / 7 % 8).for_each(|client| world.logout(client, 1));
        }
        pass(SECOND / 2).await;
    }
    pass(SECOND).await;
    (world.store.slowest(busy), world.store.slowest(quiet))
}

#[tokio::test(start_paused = true)]
async fn hung_clients_delay_nobody() {
    let (busy, quiet) = worst_delays(Settings::default()).await;
    assert!(busy < SECOND / 4, "busy clients waited {busy:?}");
    assert!(quiet < SECOND / 4, "quiet clients waited {quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_lane_cap_hung_clients_delay_the_others() {
    let (busy, _) = worst_delays(Settings { lane_cap: false, ..Settings::default() }).await;
    assert!(busy > 5 * SECOND, "the cap is not what isolates: busy clients waited {busy:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_breaker_hung_clients_delay_the_others() {
    let (_, quiet) = worst_delays(Settings { breaker: false, ..Settings::default() }).await;
    assert!(quiet > SECOND, "the breaker is not what isolates: quiet clients waited {quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_client_sees_exactly_one_probe_at_a_time() {
    let world = World::start(Settings::default(), 1);
    world.net.answers(1, Outcome::Unavailable);
    world.logout(1, 100);
    pass(2 * SECOND).await;
    let opened = now();
    for _ in 0..100 {
        world.logout(1, 1);
        pass(SECOND).await;
    }
    assert_eq!(world.net.peak(1, opened), 1);
    let tried = world.net.tried(1);
    let gaps = tried.windows(2).map(|pair| pair[1].started - pair[0].started);
    let gaps: Vec<_> = gaps.filter(|gap| *gap >= SECOND).map(|gap| gap.as_secs()).collect();
    assert_eq!(gaps, [1, 2, 4, 8, 16, 30, 30], "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hung_client_holds_a_handful_of_rows_and_one_attempt() {
    let world = World::start(Settings::default(), 1);
    world.net.hangs(1);
    let mut settled = now();
    for second in 0..120 {
        if second == 60 {
            settled = now();
        }
        world.logout(1, 50);
        pass(SECOND).await;
        let lane = world.lane(1).unwrap();
        assert!(lane.waiting + lane.in_flight <= 4, "after {second} s: {lane:?}");
    }
    assert_eq!(world.net.peak(1, settled), 1);
    assert_eq!(world.store.count(DeliveryState::Pending), 6000);
}

#[tokio::test(start_paused = true)]
async fn one_delivery_that_fails_is_given_up_and_the_others_do_not_notice() {
    let world = World::start(Settings::default(), 1);
    world.net.set(1, |job| {
        let outcome = if job.delivery.id.0 == 1 { Outcome::Failing } else { Outcome::Accepted };
        (SECOND / 50, outcome)
    });
    for _ in 0..200 {
        world.logout(1, 1);
        pass(SECOND).await;
    }
    let rows = world.store.rows();
    assert_eq!((rows[0].1.state, rows[0].1.attempts), (DeliveryState::Abandoned, 8));
    assert!(rows[1..].iter().all(|(_, row)| row.settled.unwrap() - row.accepted < SECOND / 4));
    let text = world.metrics.render().unwrap();
    let abandoned = r#"deliveries_total{client_id="client-1",issuer="main",result="abandoned_failing"} 1"#;
    assert!(text.contains(abandoned), "{text}");
}

#[tokio::test(start_paused = true)]
async fn clients_of_one_origin_share_its_limit() {
    let world = World::start(Settings { in_flight_per_origin: 8, ..Settings::default() }, 8);
    let shared = (1..=8).map(|key| {
        let mut client = super::client(key);
        client.backchannel_logout_uri = Some(format!("https://gateway.example/{key}").parse().unwrap());
        client
    });
    world.directory.store(std::sync::Arc::new(super::directory(shared)));
    (1..=8).for_each(|client| world.net.set(client, |_| (SECOND, Outcome::Accepted)));
    (1..=8).for_each(|client| world.logout(client, 4));
    pass(SECOND / 2).await;
    assert_eq!(world.net.attempts(), 6, "lanes yet to prove themselves leave a quarter free");
    pass(30 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 32);
}
