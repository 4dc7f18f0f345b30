//! Is every duplicate explained? What arrived twice, held against what went wrong. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::TIMEOUT;
use super::fault::Fault;
use crate::support::ledger::{Owed, Token};
use crate::support::receiver::Post;

/// How long after an answer a crash may still lose it: it is settled in a batch, on a busy machine.
const UNSETTLED: Duration = Duration::from_millis(2500);

/// When a fault that may double deliveries was at work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) fault: Fault,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

/// One success: when the request came, and when it was answered.
pub(super) type Success = (Instant, Instant);

/// The successes of each delivery, in their order. An answer that began near the sender's deadline
/// or after it is none: the sender, whose clock runs since before it connected, was right to try again.
pub(super) fn successes(posts: &[Post]) -> BTreeMap<Owed, Vec<Success>> {
    let mut found: BTreeMap<Owed, Vec<Success>> = BTreeMap::new();
    let in_time = |post: &&Post| post.answered.is_some_and(|answered| answered - post.at < TIMEOUT / 2);
    for post in posts.iter().filter(|post| (200..300).contains(&post.status)).filter(in_time) {
        let (token, ended) = (Token::read(&post.token), post.ended.unwrap_or(post.at));
        found.entry((token.aud, token.sid.unwrap_or_default())).or_default().push((post.at, ended));
    }
    for times in found.values_mut() {
        times.sort_unstable();
    }
    found
}

/// How many extra attempts each window explains, and the deliveries with one that none explains.
/// A window explains at most one extra attempt of a delivery, and only where an earlier success of
/// it was in flight or not yet settled while the window was open.
pub(super) fn explain(
    successes: &BTreeMap<Owed, Vec<Success>>,
    windows: &[Window],
) -> (Vec<usize>, Vec<(Owed, Vec<Success>)>) {
    let (mut explained, mut unexplained) = (vec![0; windows.len()], Vec::new());
    for (owed, times) in successes {
        let mut unused: Vec<usize> = (0..windows.len()).collect();
        for pair in times.windows(2) {
            let (at, ended) = pair[0];
            let open = |index: &usize| windows[*index].from <= ended + UNSETTLED && windows[*index].to >= at;
            if let Some(position) = unused.iter().position(open) {
                explained[unused.remove(position)] += 1;
            } else {
                unexplained.push((owed.clone(), times.clone()));
            }
        }
    }
    (explained, unexplained)
}

/// What, successes at these seconds, windows; extra attempts explained by each, and whether all are.
#[cfg(test)]
type Case<'c> = (&'c str, &'c [u64], &'c [Window], (Vec<usize>, bool));

#[test]
fn a_fault_explains_one_extra_attempt_of_what_was_in_flight_or_unsettled() {
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let success = |seconds: u64| (at(seconds), at(seconds) + Duration::from_millis(10));
    let window = |from: u64, to: u64| Window { fault: Fault::Kill(0), from: at(from), to: at(to) };
    let (kill, pause) = (window(10, 10), window(20, 26));
    let table: [Case<'_>; 8] = [
        ("once", &[1], &[kill], (vec![0], true)),
        ("twice for nothing", &[1, 2], &[], (vec![], false)),
        ("killed in flight", &[10, 14], &[kill], (vec![1], true)),
        ("killed before it was settled", &[9, 14], &[kill], (vec![1], true)),
        ("settled long before the kill", &[7, 14], &[kill], (vec![0], false)),
        ("sent again before the kill", &[4, 5], &[kill], (vec![0], false)),
        ("a second extra attempt", &[9, 10, 14], &[kill], (vec![1], false)),
        ("one for each", &[9, 22, 26], &[kill, pause], (vec![1, 1], true)),
    ];
    for (what, times, windows, (explained, all)) in table {
        let times = times.iter().map(|seconds| success(*seconds)).collect();
        let successes = BTreeMap::from([(("shop".to_owned(), "s1".to_owned()), times)]);
        let (found, unexplained) = explain(&successes, windows);
        assert_eq!((found, unexplained.is_empty()), (explained, all), "{what}");
    }
}
