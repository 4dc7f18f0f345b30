//! What do we do about this outcome? `judge` is the whole policy of retries, and pure.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

use crate::model::{AbandonReason, Attempt, Delivery, Outcome, Verdict};

/// The numbers of the table of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Waits after the 1st, 2nd, … refusal; after the last of them comes the end.
    pub refused: Vec<Duration>,
    /// First wait after an answer from the wrong place or a forbidden address.
    pub misdirected_first: Duration,
    /// Given up when it stayed misdirected or blocked this long.
    pub misdirected_for: Duration,
    /// First wait after a failure.
    pub first: Duration,
    /// Longest wait after a failure.
    pub longest: Duration,
    /// Longest `Retry-After` that is honoured.
    pub retry_after_cap: Duration,
    /// Attempts that fail while the client accepts others before the end.
    pub failing_attempts: u16,
    /// Given up when it was owed this long.
    pub give_up_after: Duration,
    /// Jitter, upward only, in percent of the wait.
    pub jitter: u8,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            refused: [1, 10, 60, 289].map(Duration::from_secs).to_vec(),
            misdirected_first: Duration::from_secs(30),
            misdirected_for: Duration::from_hours(1),
            first: Duration::from_secs(1),
            longest: Duration::from_mins(5),
            retry_after_cap: Duration::from_mins(10),
            failing_attempts: 8,
            give_up_after: Duration::from_hours(24),
            jitter: 10,
        }
    }
}

/// What to do after `attempt` of `delivery`. `dice` (0 to 1) decides how much jitter is added.
///
/// `lane_succeeded_since_streak`: the client accepted something else since this delivery's streak
/// of equal outcomes began.
#[must_use]
pub fn judge(
    delivery: &Delivery,
    attempt: &Attempt,
    lane_succeeded_since_streak: bool,
    schedule: &Schedule,
    dice: f64,
) -> Verdict {
    let (in_a_row, lasted) = streak_with(delivery, attempt);
    match attempt.outcome {
        Outcome::Accepted => Verdict::Delivered,
        outcome if delivery.owed_for.saturating_add(attempt.took) >= schedule.give_up_after => {
            Verdict::Abandon(given_up(outcome))
        }
        Outcome::Refused => match schedule.refused.get(usize::from(in_a_row) - 1) {
            Some(wait) => Verdict::RetryIn(*wait),
            None => Verdict::Abandon(AbandonReason::Refused),
        },
        Outcome::Misdirected if lasted >= schedule.misdirected_for => Verdict::Abandon(AbandonReason::Misdirected),
        Outcome::Blocked if lasted >= schedule.misdirected_for => Verdict::Abandon(AbandonReason::Blocked),
        Outcome::Misdirected | Outcome::Blocked => {
            Verdict::RetryIn(schedule.wait(schedule.misdirected_first, in_a_row - 1, None, dice))
        }
        Outcome::Failing if lane_succeeded_since_streak && in_a_row >= schedule.failing_attempts => {
            Verdict::Abandon(AbandonReason::Failing)
        }
        Outcome::Failing | Outcome::Unavailable | Outcome::Unsignable => {
            Verdict::RetryIn(schedule.wait(schedule.first, delivery.tries, attempt.retry_after, dice))
        }
    }
}

impl Schedule {
    /// The wait after `doublings`, or what the client asked for where that is longer, and jitter.
    fn wait(&self, first: Duration, doublings: u16, hint: Option<Duration>, dice: f64) -> Duration {
        let hint = hint.unwrap_or_default().min(self.retry_after_cap);
        let wait = exponential(first, self.longest, doublings).max(hint);
        let factor = 1.0 + f64::from(self.jitter) / 100.0 * dice.clamp(0.0, 1.0);
        Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
    }
}

/// `first`, doubled this often, at most `longest`.
fn exponential(first: Duration, longest: Duration, doublings: u16) -> Duration {
    let mut waits = ExponentialBackoff {
        current_interval: first,
        initial_interval: first,
        randomization_factor: 0.0,
        multiplier: 2.0,
        max_interval: longest,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    for _ in 0..doublings.min(64) {
        waits.next_backoff();
    }
    waits.current_interval.min(longest)
}

/// How many equal outcomes in a row this attempt makes, and for how long they have come.
fn streak_with(delivery: &Delivery, attempt: &Attempt) -> (u16, Duration) {
    match delivery.streak {
        Some(streak) if streak.outcome == attempt.outcome => {
            (streak.count.saturating_add(1), streak.lasted.saturating_add(attempt.took))
        }
        _ => (1, Duration::ZERO),
    }
}

fn given_up(outcome: Outcome) -> AbandonReason {
    match outcome {
        Outcome::Unsignable => AbandonReason::Unsignable,
        _ => AbandonReason::Exhausted,
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::model::{Cause, ClientKey, DeliveryId, IssuerKey, LogoutId, Streak};

    const HOUR: Duration = Duration::from_hours(1);
    const MILLI: Duration = Duration::from_millis(1);
    const ALMOST_AN_HOUR: Duration = Duration::from_millis(3_599_999);
    const ALMOST_A_DAY: Duration = Duration::from_millis(86_399_999);

    fn owed(tries: u16, owed_for: Duration, streak: Option<(Outcome, u16, Duration)>) -> Delivery {
        Delivery {
            id: DeliveryId(1),
            logout: LogoutId(1),
            issuer: IssuerKey(1),
            client: ClientKey(1),
            sid: None,
            sub: Some("u".into()),
            cause: Cause::Unspecified,
            tries,
            attempts: tries,
            owed_for,
            accepted_at: OffsetDateTime::UNIX_EPOCH,
            streak: streak.map(|(outcome, count, lasted)| Streak { outcome, count, lasted }),
            bulk: false,
        }
    }

    fn attempt(outcome: Outcome, retry_after: Option<u64>) -> Attempt {
        Attempt {
            outcome,
            status: None,
            retry_after: retry_after.map(Duration::from_secs),
            jti: None,
            kid: None,
            started_at: OffsetDateTime::UNIX_EPOCH,
            took: Duration::ZERO,
            detail: String::new(),
        }
    }

    fn verdict(delivery: &Delivery, outcome: Outcome, lane_alive: bool) -> Verdict {
        judge(delivery, &attempt(outcome, None), lane_alive, &Schedule::default(), 0.0)
    }

    fn retry(seconds: u64) -> Verdict {
        Verdict::RetryIn(Duration::from_secs(seconds))
    }

    #[test]
    fn accepted_is_delivered_however_late() {
        assert_eq!(verdict(&owed(900, 48 * HOUR, None), Outcome::Accepted, false), Verdict::Delivered);
    }

    #[test]
    fn refusals_follow_their_own_waits_and_end() {
        let table = [(0, retry(1)), (1, retry(10)), (2, retry(60)), (3, retry(289))];
        for (before, expected) in table {
            let streak = (before > 0).then_some((Outcome::Refused, before, HOUR));
            assert_eq!(verdict(&owed(before, HOUR, streak), Outcome::Refused, true), expected, "after {before}");
        }
        let last = owed(4, HOUR, Some((Outcome::Refused, 4, HOUR)));
        assert_eq!(verdict(&last, Outcome::Refused, true), Verdict::Abandon(AbandonReason::Refused));
    }

    #[test]
    fn another_outcome_starts_the_count_of_refusals_again() {
        let delivery = owed(9, HOUR, Some((Outcome::Unavailable, 9, HOUR)));
        assert_eq!(verdict(&delivery, Outcome::Refused, true), retry(1));
    }

    #[test]
    fn wrong_places_are_retried_for_an_hour() {
        for (outcome, why) in
            [(Outcome::Misdirected, AbandonReason::Misdirected), (Outcome::Blocked, AbandonReason::Blocked)]
        {
            let after = |count, lasted| verdict(&owed(count, lasted, Some((outcome, count, lasted))), outcome, true);
            assert_eq!(verdict(&owed(7, HOUR, None), outcome, true), retry(30));
            assert_eq!(after(1, MILLI), retry(60));
            assert_eq!(after(3, MILLI), retry(240));
            assert_eq!(after(4, ALMOST_AN_HOUR), retry(300));
            assert_eq!(after(4, HOUR), Verdict::Abandon(why));
        }
    }

    #[test]
    fn failures_wait_twice_as_long_each_time_up_to_five_minutes() {
        for outcome in [Outcome::Unavailable, Outcome::Failing, Outcome::Unsignable] {
            for (tries, seconds) in [(0, 1), (1, 2), (2, 4), (8, 256), (9, 300), (65_535, 300)] {
                assert_eq!(verdict(&owed(tries, HOUR, None), outcome, false), retry(seconds), "{outcome:?} {tries}");
            }
        }
    }

    #[test]
    fn what_fails_while_the_client_accepts_others_ends_after_eight() {
        let after = |count, alive| {
            verdict(&owed(count, MILLI, Some((Outcome::Failing, count, MILLI))), Outcome::Failing, alive)
        };
        assert_eq!(after(6, true), retry(64));
        assert_eq!(after(7, true), Verdict::Abandon(AbandonReason::Failing));
        assert_eq!(after(7, false), retry(128));
    }

    #[test]
    fn every_retry_ends_after_a_day() {
        let day = 24 * HOUR;
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Accepted) {
            let why = if outcome == Outcome::Unsignable { AbandonReason::Unsignable } else { AbandonReason::Exhausted };
            assert!(matches!(verdict(&owed(0, ALMOST_A_DAY, None), outcome, false), Verdict::RetryIn(_)));
            assert_eq!(verdict(&owed(0, day, None), outcome, false), Verdict::Abandon(why), "{outcome:?}");
        }
    }

    #[test]
    fn the_time_of_the_attempt_counts_as_owed() {
        let slow = Attempt { took: MILLI, ..attempt(Outcome::Unavailable, None) };
        let delivery = owed(0, ALMOST_A_DAY, None);
        let verdict = judge(&delivery, &slow, false, &Schedule::default(), 0.0);
        assert_eq!(verdict, Verdict::Abandon(AbandonReason::Exhausted));
    }

    #[test]
    fn a_hint_lengthens_the_wait_up_to_ten_minutes() {
        let schedule = Schedule::default();
        for (tries, hint, seconds) in [(0, 0, 1), (0, 7, 7), (4, 7, 16), (0, 600, 600), (0, 601, 600), (9, 9999, 600)] {
            let answer = attempt(Outcome::Unavailable, Some(hint));
            assert_eq!(judge(&owed(tries, MILLI, None), &answer, false, &schedule, 0.0), retry(seconds));
        }
    }

    #[test]
    fn jitter_only_lengthens() {
        let wait = |dice| {
            judge(&owed(0, MILLI, None), &attempt(Outcome::Unavailable, None), false, &Schedule::default(), dice)
        };
        let millis = |ms| Verdict::RetryIn(Duration::from_millis(ms));
        for (dice, ms) in [(-1.0, 1000), (0.0, 1000), (0.5, 1050), (1.0, 1100), (7.0, 1100), (f64::NAN, 1000)] {
            assert_eq!(wait(dice), millis(ms), "{dice}");
        }
    }
}
