//! Does a client that hangs or fails delay another, or fill memory? The promise on the real program.

mod crowd;
mod recovery;
mod world;

use std::ops::Range;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use world::{Kept, PATIENCE, Rows, World, ends, on_both_stores, peak, sessions};

use crate::support::eventually;
use crate::support::receiver::Post;
use crate::support::script::{Script, Step, answer};

on_both_stores! {
    a_hung_and_a_failing_client_delay_nobody,
    without_the_lane_cap_the_hung_client_delays_the_others,
    without_the_breaker_the_hung_client_delays_the_others,
}

const HUNG: usize = 0;
const FAILING: usize = 1;
/// Clients that answer, and have answered before the trouble.
const BUSY: Range<usize> = 2..16;
/// Clients that answer; their first logout comes in the midst of it.
const QUIET: Range<usize> = 16..20;

/// Logouts in the burst, and those that the quiet clients get.
const BURST: usize = 30;
const FEW: usize = 4;

/// Attempts in flight that the settings below give one client.
const CAP: usize = 12;
/// Sixteen attempts at once in the whole service, of which a quarter is kept for clients that
/// answered lately: one client's cap is all that the others may use.
const SMALL: &str = "timeout = '6s'\nin_flight = 16\nin_flight_per_client = 12\nin_flight_unproven = 12\n";
const TIMEOUT: Duration = Duration::from_secs(6);
const BREAKER_FAILURES: usize = 5;

/// What happened, seen from outside.
struct Seen {
    hung: Vec<Post>,
    failing: Vec<Post>,
    /// When the busy clients had all of the burst; `None`: not before an attempt at the hung one ended.
    busy_done: Option<Instant>,
    /// The same of the quiet clients and what they were sent in the midst of it.
    quiet_done: Option<Instant>,
    /// What the table held for the hung and the failing client at the end of the burst.
    owed: [Rows; 2],
}

/// When the last of so many requests at each of these clients came; `None`: not all came yet.
fn done(world: &World, clients: &Range<usize>, each: usize) -> Option<Instant> {
    let last = |client: usize| world.clients[client].posts().get(each - 1).map(|post| post.at);
    clients.clone().map(last).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// When these clients had so many requests each; `None`: first another attempt at the hung client,
/// of which so many had ended, ended too.
async fn done_meanwhile(world: &World, clients: Range<usize>, each: usize, before: usize) -> Option<Instant> {
    eventually("the clients are told, or wait", PATIENCE, async || {
        let ends = ends(&world.clients[HUNG].posts());
        match (done(world, &clients, each), ends.get(before)) {
            (Some(done), end) => Some(Some(done).filter(|done| end.is_none_or(|end| done < end))),
            (None, Some(_)) => Some(None),
            (None, None) => None,
        }
    })
    .await
}

/// Twenty clients, one of which takes requests and never answers, and one always fails. A burst
/// of logouts for these two and the busy ones; then a few for the quiet ones, when the hung
/// client's first attempts have ended. Nothing here is measured in seconds: others are delayed if
/// they wait for an attempt at the hung client to end.
async fn trouble(kept: Kept, switch: &str) -> Seen {
    let script = |client| match client {
        HUNG => Script::always(Step::Hang),
        FAILING => Script::always(answer(503)),
        _ => Script::always(answer(200)),
    };
    let mut world = World::start(kept, &format!("{SMALL}{switch}"), (0..20).map(script).collect()).await;
    world.logouts(&sessions("before", 1), &BUSY.collect::<Vec<_>>()).await;
    eventually("the busy clients answered", PATIENCE, async || done(&world, &BUSY, 1)).await;

    world.logouts(&sessions("burst", BURST), &(HUNG..BUSY.end).collect::<Vec<_>>()).await;
    let busy_done = done_meanwhile(&world, BUSY, 1 + BURST, 0).await;
    let owed = [world.rows(HUNG).await, world.rows(FAILING).await];
    let first_ended = async || (ends(&world.clients[HUNG].posts()).len() >= CAP).then_some(());
    eventually("the first attempts at the hung client end", PATIENCE, first_ended).await;
    // For the places of those that ended to be taken again, where nothing forbids it.
    sleep(Duration::from_millis(500)).await;

    let before = ends(&world.clients[HUNG].posts()).len();
    world.logouts(&sessions("quiet", FEW), &QUIET.collect::<Vec<_>>()).await;
    let quiet_done = done_meanwhile(&world, QUIET, FEW, before).await;
    let [hung, failing] = [HUNG, FAILING].map(|client| world.clients[client].posts());
    Seen { hung, failing, busy_done, quiet_done, owed }
}

impl Seen {
    /// What became of the isolation: every way in which it was broken.
    fn broken(&self) -> Vec<&'static str> {
        let first_ended = ends(&self.hung)[CAP - 1];
        let wrong = [
            ("busy clients wait for the hung one", self.busy_done.is_none()),
            ("quiet clients wait for the hung one", self.quiet_done.is_none()),
            ("more attempts at once than the cap", peak(&self.hung, None, TIMEOUT) > CAP),
            ("more than a probe at once", peak(&self.hung, Some(first_ended), TIMEOUT) > 1),
            ("more attempts at the failing one than probes", self.failing.len() > probed_at_most(&self.failing)),
            ("rows wait in memory", self.owed.iter().any(|rows| rows.leased > 2 * i64::try_from(CAP).unwrap())),
            ("rows are not pending", self.owed.iter().any(|rows| rows.pending != i64::try_from(BURST).unwrap())),
        ];
        wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(what, _)| what).collect()
    }
}

/// How many attempts its breaker allows at a client that fails at once: those that open it, those
/// in flight at that moment, and probes after 1, 2, 4, … seconds.
fn probed_at_most(posts: &[Post]) -> usize {
    let (first, last) = (posts[0].at, posts[posts.len() - 1].at);
    let probes = (1..20).take_while(|probes| last - first >= Duration::from_secs((1 << probes) - 1)).count();
    BREAKER_FAILURES + CAP - 1 + probes
}

async fn a_hung_and_a_failing_client_delay_nobody(kept: Kept) {
    let seen = trouble(kept, "").await;
    assert_eq!(seen.broken(), [""; 0]);
}

async fn without_the_lane_cap_the_hung_client_delays_the_others(kept: Kept) {
    let seen = trouble(kept, "[delivery.test]\nlane_cap = false\n").await;
    assert!(seen.broken().contains(&"busy clients wait for the hung one"), "the cap is not what isolates");
}

async fn without_the_breaker_the_hung_client_delays_the_others(kept: Kept) {
    let seen = trouble(kept, "[delivery.test]\nbreaker = false\n").await;
    assert!(seen.broken().contains(&"quiet clients wait for the hung one"), "the breaker is not what isolates");
}
