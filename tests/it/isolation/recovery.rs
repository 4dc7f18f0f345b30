//! How soon does a client that was away have its logouts, and does it get the time it asks for?

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::world::{Kept, PATIENCE, World, on_both_stores, sessions};
use crate::support::eventually;
use crate::support::ledger::Token;
use crate::support::receiver::Post;
use crate::support::script::{Answer, Script, answer};

on_both_stores! {
    a_client_down_for_six_seconds_has_everything_within_five_of_its_return,
    a_client_that_asks_for_time_is_given_it,
}

const AWAY: Duration = Duration::from_secs(6);
const SOON: Duration = Duration::from_secs(5);

/// The sessions that these requests ended.
fn ended(posts: &[Post]) -> usize {
    let answered = posts.iter().filter(|post| post.status == 200).map(|post| Token::read(&post.token).sid);
    answered.collect::<std::collections::BTreeSet<_>>().len()
}

async fn a_client_down_for_six_seconds_has_everything_within_five_of_its_return(kept: Kept) {
    let mut world = World::start(kept, "", vec![answer(200).into()]).await;
    world.logouts(&sessions("before", 10), &[0]).await;
    world.clients[0].wait_for(10, PATIENCE).await;

    let back = Instant::now() + AWAY;
    world.clients[0].down().await;
    for second in 0.. {
        if Instant::now() >= back {
            break;
        }
        world.logouts(&sessions(&format!("away-{second}"), 10), &[0]).await;
        sleep(Duration::from_millis(500)).await;
    }
    let owed = usize::try_from(world.rows(0).await.pending).expect("a count");
    assert!(owed >= 50, "{owed} wait");
    world.clients[0].up().await;
    let up = Instant::now();
    eventually("everything is there", PATIENCE, async || (ended(&world.clients[0].posts()) == 10 + owed).then_some(()))
        .await;
    let last = world.clients[0].posts().iter().map(|post| post.at).max().expect("a request");
    assert!(last - up < SOON, "{:?}\n{}", last - up, world.log());
}

/// `Retry-After` on 429 and 503, often enough that the breaker opens: the next request, a probe,
/// comes no sooner; nor does the second attempt where one failure opens nothing.
async fn a_client_that_asks_for_time_is_given_it(kept: Kept) {
    let busy = |status, times| -> Script {
        let later: Answer = answer(status).header("Retry-After", "4");
        Script::always(answer(200)).after_first(times, later)
    };
    let opens = 20;
    let mut world = World::start(kept, "", vec![busy(429, opens), busy(503, opens), busy(503, 1)]).await;
    world.logouts(&sessions("burst", 1), &[2]).await;
    world.logouts(&sessions("burst", 8), &[0, 1]).await;
    sleep(Duration::from_millis(3500)).await;
    for (client, most) in [(0, 6), (1, 6), (2, 1)] {
        let posts = world.clients[client].posts();
        assert!(!posts.is_empty() && posts.len() <= most, "client-{client} was asked {} times", posts.len());
    }
    world.clients.iter().for_each(|client| client.becomes(answer(200)));
    for (client, all) in [(0, 8), (1, 8), (2, 1)] {
        let told = async || (ended(&world.clients[client].posts()) == all).then_some(());
        eventually("it is told at last", PATIENCE, told).await;
    }
}
