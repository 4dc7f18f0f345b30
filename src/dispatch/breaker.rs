//! Is this client worth trying now? One lane's breaker: pure, with the time as an argument.

use std::time::{Duration, Instant};

use super::Settings;

/// What an outcome says about whether the client is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It answered for itself.
    Alive,
    /// It did not, and this counts.
    Dead,
    /// Nothing either way.
    Neither,
}

/// What the breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Everything.
    Closed {
        /// Failures in a row.
        failures: u32,
    },
    /// Nothing until then.
    Open {
        /// When one probe may go.
        until: Instant,
        /// How long it waited for that.
        wait: Duration,
    },
    /// One probe.
    HalfOpen {
        /// How long it had waited.
        wait: Duration,
        /// Whether the probe has left; before that it is being fetched or waits for a place.
        running: bool,
    },
}

/// A change that the rest of the lane reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened.
    Opened,
    /// It opened again after a probe.
    Reopened,
    /// It closed: the client is back.
    Closed,
}

/// One lane's breaker.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    state: State,
    /// Changes with the state, so that failures of attempts begun before it count no more.
    epoch: u64,
    opens_after: u32,
    first: Duration,
    longest: Duration,
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            state: State::Closed { failures: 0 },
            epoch: 0,
            opens_after: if settings.breaker { settings.breaker_failures.max(1) } else { u32::MAX },
            first: settings.breaker_first,
            longest: settings.breaker_longest,
        }
    }

    /// What it lets through.
    #[must_use]
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// To be handed back to [`Breaker::heard`] with the outcome of an attempt that starts now.
    #[must_use]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it is closed.
    #[must_use]
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Whether a probe may be sought at `now`.
    #[must_use]
    pub(super) fn probe_is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Open { until, .. } if until <= now)
    }

    /// Whether the next attempt of this lane is the probe.
    #[must_use]
    pub(super) fn seeks_probe(&self) -> bool {
        matches!(self.state, State::HalfOpen { running: false, .. })
    }

    /// Takes the probe's place: no other is sought until this one ended or is lost.
    pub(super) fn seek_probe(&mut self) {
        if let State::Open { wait, .. } = self.state {
            self.enter(State::HalfOpen { wait, running: false });
        }
    }

    /// The probe leaves.
    pub(super) fn probe_starts(&mut self) {
        if let State::HalfOpen { running, .. } = &mut self.state {
            *running = true;
        }
    }

    /// There was nothing to probe with, or it could not leave: another may be sought at once.
    pub(super) fn probe_lost(&mut self, now: Instant) {
        if let State::HalfOpen { wait, .. } = self.state {
            self.enter(State::Open { until: now, wait });
        }
    }

    /// The outcome of an attempt that started in this epoch.
    pub(super) fn heard(&mut self, epoch: u64, evidence: Evidence, now: Instant) -> Option<Change> {
        let current = epoch == self.epoch;
        match (self.state, evidence) {
            (State::Closed { .. }, Evidence::Alive) => {
                self.state = State::Closed { failures: 0 };
                None
            }
            (State::Closed { failures }, Evidence::Dead) if current => self.failed(failures + 1, now),
            // Whenever the attempt began: it is there now.
            (State::Open { .. } | State::HalfOpen { .. }, Evidence::Alive) => {
                self.enter(State::Closed { failures: 0 });
                Some(Change::Closed)
            }
            (State::HalfOpen { wait, .. }, Evidence::Dead) if current => {
                self.open((wait * 2).min(self.longest), now);
                Some(Change::Reopened)
            }
            (State::HalfOpen { wait, .. }, Evidence::Neither) if current => {
                self.open(wait, now);
                Some(Change::Reopened)
            }
            _ => None,
        }
    }

    /// The client asked to be left alone until then: while it is open, no probe goes earlier.
    pub(super) fn not_before(&mut self, at: Instant) {
        if let State::Open { until, .. } = &mut self.state {
            *until = at.max(*until);
        }
    }

    fn failed(&mut self, failures: u32, now: Instant) -> Option<Change> {
        if failures >= self.opens_after {
            self.open(self.first, now);
            return Some(Change::Opened);
        }
        self.state = State::Closed { failures };
        None
    }

    fn open(&mut self, wait: Duration, now: Instant) {
        self.enter(State::Open { until: now + wait, wait });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "a test's own start")]
    fn start() -> (Breaker, Instant) {
        (Breaker::new(&Settings::default()), Instant::now())
    }

    fn fail(breaker: &mut Breaker, times: u32, now: Instant) -> Option<Change> {
        (0..times).map(|_| breaker.heard(breaker.epoch(), Evidence::Dead, now)).last().flatten()
    }

    /// Sends one probe and hears `evidence` from it.
    fn probe(breaker: &mut Breaker, evidence: Evidence, now: Instant) -> Option<Change> {
        breaker.seek_probe();
        breaker.probe_starts();
        breaker.heard(breaker.epoch(), evidence, now)
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let (mut breaker, now) = start();
        assert_eq!(fail(&mut breaker, 4, now), None);
        assert!(breaker.is_closed());
        assert_eq!(fail(&mut breaker, 1, now), Some(Change::Opened));
        assert_eq!(breaker.state(), State::Open { until: now + SECOND, wait: SECOND });
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_again_and_silence_does_not() {
        for (between, change) in [(Evidence::Alive, None), (Evidence::Neither, Some(Change::Opened))] {
            let (mut breaker, now) = start();
            fail(&mut breaker, 4, now);
            breaker.heard(0, between, now);
            assert_eq!(fail(&mut breaker, 1, now), change, "{between:?}");
        }
    }

    #[test]
    fn a_probe_is_due_when_the_wait_is_over_and_not_before() {
        let (mut breaker, now) = start();
        fail(&mut breaker, 5, now);
        assert!(!breaker.probe_is_due(now + Duration::from_millis(999)));
        assert!(breaker.probe_is_due(now + SECOND));
    }

    #[test]
    fn a_client_that_asks_for_time_is_probed_no_earlier() {
        for (asks, probed) in [(0, 1_u32), (1, 1), (7, 7)] {
            let (mut breaker, now) = start();
            breaker.not_before(now + 60 * SECOND);
            fail(&mut breaker, 5, now);
            breaker.not_before(now + SECOND * asks);
            assert!(!breaker.probe_is_due(now + SECOND * probed.saturating_sub(1)), "{asks}");
            assert!(breaker.probe_is_due(now + SECOND * probed), "{asks}");
        }
    }

    #[test]
    fn waits_double_up_to_thirty_seconds() {
        let (mut breaker, now) = start();
        fail(&mut breaker, 5, now);
        for seconds in [2, 4, 8, 16, 30, 30] {
            assert_eq!(probe(&mut breaker, Evidence::Dead, now), Some(Change::Reopened));
            let wait = SECOND * seconds;
            assert_eq!(breaker.state(), State::Open { until: now + wait, wait });
        }
    }

    #[test]
    fn exactly_one_probe_at_a_time() {
        let (mut breaker, now) = start();
        fail(&mut breaker, 5, now);
        let later = now + SECOND;
        breaker.seek_probe();
        assert!(breaker.seeks_probe() && !breaker.probe_is_due(later + 60 * SECOND));
        breaker.probe_starts();
        assert!(!breaker.seeks_probe() && !breaker.probe_is_due(later + 60 * SECOND));
    }

    #[test]
    fn a_lost_probe_frees_its_place_and_keeps_the_wait() {
        for started in [false, true] {
            let (mut breaker, now) = start();
            fail(&mut breaker, 5, now);
            breaker.seek_probe();
            if started {
                breaker.probe_starts();
            }
            breaker.probe_lost(now + SECOND);
            assert!(breaker.probe_is_due(now + SECOND));
            assert_eq!(breaker.state(), State::Open { until: now + SECOND, wait: SECOND });
        }
    }

    #[test]
    fn a_probe_closes_it_or_opens_it_again() {
        for (evidence, change, wait) in [
            (Evidence::Alive, Change::Closed, None),
            (Evidence::Dead, Change::Reopened, Some(2 * SECOND)),
            (Evidence::Neither, Change::Reopened, Some(SECOND)),
        ] {
            let (mut breaker, now) = start();
            fail(&mut breaker, 5, now);
            assert_eq!(probe(&mut breaker, evidence, now), Some(change));
            let state = wait.map_or(State::Closed { failures: 0 }, |wait| State::Open { until: now + wait, wait });
            assert_eq!(breaker.state(), state);
        }
    }

    #[test]
    fn failures_of_attempts_begun_earlier_do_not_count() {
        let (mut breaker, now) = start();
        let before = breaker.epoch();
        fail(&mut breaker, 5, now);
        breaker.seek_probe();
        breaker.probe_starts();
        assert_eq!(breaker.heard(before, Evidence::Dead, now), None);
        assert!(matches!(breaker.state(), State::HalfOpen { running: true, .. }));
        assert_eq!(breaker.heard(breaker.epoch(), Evidence::Alive, now), Some(Change::Closed));
        for _ in 0..9 {
            assert_eq!(breaker.heard(before, Evidence::Dead, now), None);
        }
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_late_answer_to_an_earlier_attempt_closes_it() {
        let (mut breaker, now) = start();
        let before = breaker.epoch();
        fail(&mut breaker, 5, now);
        assert_eq!(breaker.heard(before, Evidence::Alive, now), Some(Change::Closed));
    }

    #[test]
    fn switched_off_it_never_opens() {
        let (_, now) = start();
        let mut breaker = Breaker::new(&Settings { breaker: false, ..Settings::default() });
        assert_eq!(fail(&mut breaker, 10_000, now), None);
        assert!(breaker.is_closed());
    }
}
