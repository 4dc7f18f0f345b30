//! Many clients hang with much owed to them: does that delay the others, fill memory, or meet one that comes back?
//!
//! The size is a tenth of what `tests/bench/run --crowd` measures; nothing here depends on speed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::world::{Kept, PATIENCE, World, ends, on_both_stores, peak, sessions};
use crate::support::eventually;
use crate::support::ledger::Token;
use crate::support::receiver::Post;
use crate::support::script::{Script, Step, answer};

on_both_stores! {
    six_of_sixty_hang_with_ten_thousand_owed_and_one_comes_back,
}

const HEALTHY: Range<usize> = 0..54;
const HUNG: Range<usize> = 54..60;
/// Logouts of everybody who hangs: 10,002 deliveries.
const BEHIND: usize = 1667;
/// The one that comes back.
const BACK: usize = 54;
/// The deadline of an attempt, as configured below.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts at once at a client that has yet to prove itself, and what of its rows memory holds.
const UNPROVEN: usize = 2;
const IN_MEMORY: i64 = 2 * 2;

async fn six_of_sixty_hang_with_ten_thousand_owed_and_one_comes_back(kept: Kept) {
    let script = |client| if HUNG.contains(&client) { Script::always(Step::Hang) } else { answer(200).into() };
    let scripts = (0..HUNG.end).map(script).collect();
    let mut world = World::start(kept, "timeout = '3s'\n", scripts).await;
    let (healthy, hung): (Vec<_>, Vec<_>) = (HEALTHY.collect(), HUNG.collect());
    for some in sessions("behind", BEHIND).chunks(100) {
        world.logouts(some, &hung).await;
    }
    // Their breakers open.
    for client in HUNG {
        let failed = async || (ends(&world.clients[client].posts()).len() >= 5).then_some(());
        eventually("five attempts have failed", PATIENCE, failed).await;
    }
    let opened = Instant::now();

    for some in sessions("flow", 20).chunks(4) {
        world.logouts(some, &healthy).await;
        let leased = leased(&world).await;
        assert!(leased.iter().all(|rows| *rows <= IN_MEMORY), "in memory of each: {leased:?}");
    }
    for client in HEALTHY {
        world.clients[client].wait_for(20, PATIENCE).await;
    }
    let meanwhile: Vec<_> = HUNG.map(|client| world.clients[client].posts()).collect();
    for posts in &meanwhile {
        let at_once = peak(posts, None, TIMEOUT);
        assert!(at_once <= UNPROVEN, "{at_once} at once");
        assert!(peak(posts, Some(opened), TIMEOUT) <= 1, "more than a probe at once");
    }

    let (before, back) = (world.clients[BACK].count(), Instant::now());
    world.clients[BACK].becomes(answer(200));
    let told = async || (ended(&world.clients[BACK].posts()) == BEHIND).then_some(());
    eventually("it is told everything", PATIENCE, told).await;
    let posts = world.clients[BACK].posts();
    // The probe that was still open when it came back does not count: it is never answered.
    let probe = posts[before..].iter().find(|post| post.at > back).expect("a probe");
    let answered = probe.answered.expect("an answer");
    let early = posts.iter().filter(|post| post.at > probe.at && post.at < answered).count();
    assert_eq!(early, 0, "nothing but the probe until it is answered");
    let settled = async || (world.rows(BACK).await.pending == 0).then_some(());
    eventually("nothing is owed to it", PATIENCE, settled).await;
    let others: Vec<_> = (BACK + 1..HUNG.end).map(|client| world.clients[client].posts()).collect();
    assert!(others.iter().all(|posts| peak(posts, Some(opened), TIMEOUT) <= 1), "the others are probed as before");
}

/// Rows of those that hang that are in the service's memory.
async fn leased(world: &World) -> Vec<i64> {
    let mut leased = Vec::new();
    for client in HUNG {
        leased.push(world.rows(client).await.leased);
    }
    leased
}

/// The sessions that were ended.
fn ended(posts: &[Post]) -> usize {
    let answered = posts.iter().filter(|post| post.status == 200).map(|post| Token::read(&post.token).sid);
    answered.collect::<BTreeSet<_>>().len()
}
