//! How soon does a client that was away have its logouts?

use std::time::Duration;

use super::{SECOND, World, now, pass};
use crate::dispatch::Settings;
use crate::model::{DeliveryState, Outcome};

/// A client with fifty logouts a second goes away for so long; how long after its return the last
/// of what it was owed by then was settled, and whether all was.
async fn catches_up_within(away: Duration, offset: Duration) -> (Duration, bool) {
    let world = World::start(Settings::default(), 1);
    pass(offset).await;
    world.logout(1, 1);
    pass(SECOND).await;
    let back = now() + away;
    world.net.is_down_until(1, back);
    while now() < back {
        world.logout(1, 5);
        pass(SECOND / 10).await;
    }
    pass(60 * SECOND).await;
    world.shutdown.finish().await;
    let last = world.store.rows().iter().filter_map(|(_, row)| row.settled).max().unwrap();
    (last.saturating_duration_since(back), world.store.count(DeliveryState::Pending) == 0)
}

#[tokio::test(start_paused = true)]
async fn after_six_seconds_away_everything_is_there_within_five() {
    for offset in (0..1000).step_by(90).map(Duration::from_millis) {
        let (late, all) = catches_up_within(6 * SECOND, offset).await;
        assert!(all && late < 5 * SECOND, "{late:?} at {offset:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_long_time_away_everything_is_there_within_a_probe_interval() {
    let world = World::start(Settings::default(), 1);
    let back = now() + Duration::from_mins(40);
    world.net.is_down_until(1, back);
    world.logout(1, 500);
    pass(back - now()).await;
    let attempts = world.net.attempts();
    assert!(attempts < 400, "one probe at a time, not {attempts} attempts");
    pass(35 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 500);
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_server_left_comes_at_once_when_it_is_well() {
    let world = World::start(Settings::default(), 1);
    let back = now() + Duration::from_mins(20);
    world.net.set(1, move |_| (SECOND / 50, if now() < back { Outcome::Failing } else { Outcome::Accepted }));
    world.logout(1, 3);
    pass(back - now()).await;
    let tries: Vec<_> = world.store.rows().iter().map(|(_, row)| row.attempts).collect();
    assert!(tries.iter().all(|tries| *tries > 9), "by their schedule they wait for minutes: {tries:?}");
    pass(35 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 3);
}

#[tokio::test(start_paused = true)]
async fn a_returning_client_is_not_overrun() {
    let world = World::start(Settings::default(), 1);
    let back = now() + 60 * SECOND;
    world.net.set(1, move |_| (SECOND / 5, if now() < back { Outcome::Unavailable } else { Outcome::Accepted }));
    world.logout(1, 300);
    pass(120 * SECOND).await;
    assert_eq!(world.store.count(DeliveryState::Delivered), 300);
    let started: Vec<_> =
        world.net.tried(1).into_iter().filter(|tried| tried.started >= back).map(|tried| tried.started).collect();
    let (probe, answered) = (started[0], started[0] + SECOND / 5);
    let rounds: Vec<_> = (0..6)
        .map(|round| {
            let from = answered + SECOND / 5 * round;
            started.iter().filter(|at| **at >= from && **at < from + SECOND / 5).count()
        })
        .collect();
    assert_eq!(started.iter().filter(|at| **at < answered && **at >= probe).count(), 1);
    assert!(rounds.iter().zip([1, 2, 4, 8, 16, 16]).all(|(got, most)| *got <= most), "{rounds:?}");
    assert!(rounds[5] >= 12, "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_client_is_not_probed_when_it_is_owed_nothing() {
    let world = World::start(Settings::default(), 1);
    world.net.answers(1, Outcome::Unavailable);
    world.logout(1, 6);
    pass(2 * SECOND).await;
    world.directory.store(std::sync::Arc::new(super::directory([])));
    pass(180 * SECOND).await;
    let before = world.net.attempts();
    world.directory.store(std::sync::Arc::new(super::directory([super::client(1)])));
    pass(120 * SECOND).await;
    assert_eq!(world.net.attempts(), before, "all was skipped: there is nothing to probe with");
}
