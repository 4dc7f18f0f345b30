//! What may this client's share do now? One lane: what waits, what flies, its breaker. Pure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::{Breaker, Change, Evidence, State};
use super::load::Load;
use super::queue::{Queue, Row};
use super::rooms::Door;
use super::{LaneState, LaneStatus, Settings};
use crate::model::{ClientKey, Outcome};
use crate::store::Which;

/// One client's share of the dispatcher.
#[derive(Debug)]
pub(super) struct Lane {
    /// Lets through all, nothing, or one probe.
    pub(super) breaker: Breaker,
    /// Where its attempts go, shared with lanes of the same origin.
    pub(super) origin: Option<Arc<str>>,
    /// Whether it has its turn in the round.
    pub(super) listed: bool,
    /// Since when rows of it wait in the table that may be leased now; of several lanes the one
    /// that waits longest is filled first.
    pub(super) backlog: Option<Instant>,
    /// It has unsettled rows in the table, due or not: something to probe with.
    pub(super) owed: bool,
    queue: Queue,
    load: Load,
    last_success: Option<Instant>,
    /// A moving average of how long its attempts take.
    took: Duration,
    /// After a recovery: at most this many in flight, one more with every answer.
    ramp: Option<usize>,
    /// Rows last tried before this are due, until a fetch finds no more of them.
    recovered_at: Option<Instant>,
}

impl Lane {
    /// An empty lane that has yet to prove itself.
    #[must_use]
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            breaker: Breaker::new(settings),
            origin: None,
            listed: false,
            backlog: None,
            owed: false,
            queue: Queue::default(),
            load: Load::default(),
            last_success: None,
            took: Duration::ZERO,
            ramp: None,
            recovered_at: None,
        }
    }

    /// Rows that wait in memory.
    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether it had a success lately.
    #[must_use]
    pub(super) fn is_proven(&self, now: Instant, settings: &Settings) -> bool {
        self.succeeded_since(now.checked_sub(settings.proven_for))
    }

    /// Whether it had a success at that moment or later; `None`: ever.
    #[must_use]
    pub(super) fn succeeded_since(&self, since: Option<Instant>) -> bool {
        self.last_success.is_some_and(|at| since.is_none_or(|since| at >= since))
    }

    /// How long ago it last had a success.
    #[must_use]
    pub(super) fn success_ago(&self, now: Instant) -> Option<Duration> {
        self.last_success.map(|at| now.saturating_duration_since(at))
    }

    /// How many attempts it may have in flight.
    #[must_use]
    pub(super) fn cap(&self, now: Instant, settings: &Settings) -> usize {
        if !self.breaker.is_closed() {
            return 0;
        }
        if !settings.lane_cap {
            return settings.in_flight;
        }
        let proven = self.is_proven(now, settings);
        let cap = if proven { settings.in_flight_per_client } else { settings.in_flight_unproven };
        self.ramp.map_or(cap, |ramp| cap.min(ramp))
    }

    /// How many rows it may hold in memory: no more than it is likely to try within half of
    /// `patience`, the time a fresh lease leaves for waiting.
    #[must_use]
    pub(super) fn rows(&self, now: Instant, settings: &Settings, patience: Duration) -> usize {
        let cap = self.cap(now, settings);
        if cap == 0 || !settings.lane_cap {
            return if cap == 0 { 0 } else { settings.queue };
        }
        if self.ramp.is_some() || !self.is_proven(now, settings) {
            return cap * 2;
        }
        let rounds = (patience / 2).as_millis() / self.took.as_millis().max(1);
        let likely = usize::try_from(rounds).unwrap_or(usize::MAX).saturating_mul(cap);
        likely.clamp(cap * 2, settings.queue_per_client.max(cap * 2))
    }

    /// Lets a row wait here, if the breaker lets it through: one at most while a probe is sought.
    /// Returns it where not.
    #[must_use]
    pub(super) fn push(&mut self, row: Row) -> Option<Row> {
        let probes = self.breaker.seeks_probe() && row.door == Door::Lease && self.waiting() == 0;
        if !self.breaker.is_closed() && !probes {
            return Some(row);
        }
        self.queue.push(row);
        None
    }

    /// Takes out everything that waits.
    pub(super) fn drain(&mut self) -> Vec<Row> {
        self.queue.drain()
    }

    /// The kinds of rows, retries (`true`) or not, in the order it would start them.
    pub(super) fn order(&self) -> [bool; 2] {
        self.queue.order()
    }

    /// Whether a row of this kind waits and fits under the lane's own cap.
    pub(super) fn may_start(&self, retry: bool, now: Instant, settings: &Settings) -> bool {
        let cap = self.cap(now, settings);
        let room = || self.load.has_room(cap, settings.open_share(cap), retry);
        self.queue.has(retry) && (self.breaker.seeks_probe() || room())
    }

    /// Takes the next row of this kind: it starts.
    pub(super) fn start(&mut self, retry: bool) -> Option<Row> {
        let row = self.queue.pop(retry)?;
        self.load.enter(retry);
        self.breaker.probe_starts();
        Some(row)
    }

    /// What was started did not leave after all.
    pub(super) fn unstarted(&mut self, retry: bool, epoch: u64, now: Instant) {
        self.load.leave(retry);
        if epoch == self.breaker.epoch() {
            self.breaker.probe_lost(now);
        }
    }

    /// An attempt ended. When the breaker opens, the rows that wait have to be given back.
    pub(super) fn finished(&mut self, done: &Ended, now: Instant, settings: &Settings) -> Option<Change> {
        self.load.leave(done.retry);
        self.took = if self.took.is_zero() { done.took } else { (self.took * 7 + done.took) / 8 };
        let evidence = evidence(done.outcome, self.is_proven(now, settings));
        if done.outcome == Outcome::Accepted {
            self.last_success = Some(now);
        }
        let change = self.breaker.heard(done.epoch, evidence, now);
        match change {
            Some(Change::Closed) => self.recover(now),
            Some(Change::Opened | Change::Reopened) => self.trip(),
            None if evidence == Evidence::Alive => {
                self.ramp = self.ramp.map(|ramp| ramp + 1).filter(|ramp| *ramp < settings.in_flight_per_client);
            }
            None => {}
        }
        change
    }

    /// Rows given back, and the one just tried, are owed in the table.
    fn trip(&mut self) {
        (self.ramp, self.recovered_at) = (None, None);
        self.owed = true;
    }

    fn recover(&mut self, now: Instant) {
        self.ramp = Some(1);
        self.recovered_at = Some(now);
        self.backlog = Some(now);
    }

    /// Which rows it wants from the table now, if any.
    #[must_use]
    pub(super) fn asks(&self, now: Instant) -> Option<Which> {
        if self.breaker.is_closed() {
            let due =
                self.recovered_at.map_or(Which::Due, |at| Which::DueOrTriedBefore(now.saturating_duration_since(at)));
            return self.backlog.map(|_| due);
        }
        (self.owed && self.breaker.probe_is_due(now)).then_some(Which::Any)
    }

    /// The table had all that was asked for, and may have more: others first.
    pub(super) fn found_all(&mut self, which: Which, now: Instant) {
        if which != Which::Any {
            self.backlog = self.backlog.map(|_| now);
        }
    }

    /// Nothing of it can be tried: it wants no rows.
    pub(super) fn disown(&mut self) {
        (self.backlog, self.owed, self.recovered_at) = (None, false, None);
    }

    /// The table had fewer of them than asked for.
    pub(super) fn found_fewer(&mut self, which: Which, got: usize, now: Instant) {
        match which {
            Which::Any if got == 0 => {
                self.owed = false;
                self.breaker.probe_lost(now);
            }
            Which::Any => {}
            Which::Due if self.recovered_at.is_some() => {}
            Which::Due | Which::DueOrTriedBefore(_) => (self.backlog, self.recovered_at) = (None, None),
        }
    }

    /// Whether nothing of it waits or flies.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting() + self.load.all() == 0
    }

    /// Whether forgetting it loses nothing.
    #[must_use]
    pub(super) fn is_idle(&self, now: Instant, settings: &Settings) -> bool {
        self.breaker.state() == (State::Closed { failures: 0 })
            && self.is_empty()
            && self.backlog.is_none()
            && self.ramp.is_none()
            && !self.is_proven(now, settings)
    }

    /// As operators see it.
    #[must_use]
    pub(super) fn status(&self, client: ClientKey, now: Instant) -> LaneStatus {
        let (state, probe_in) = match self.breaker.state() {
            State::Closed { .. } => (LaneState::Closed, None),
            State::HalfOpen { .. } => (LaneState::HalfOpen, None),
            State::Open { until, .. } => (LaneState::Open, Some(until.saturating_duration_since(now))),
        };
        LaneStatus {
            client,
            state,
            probe_in,
            in_flight: self.load.all(),
            waiting: self.waiting(),
            success_ago: self.success_ago(now),
        }
    }
}

/// What a lane learns from an attempt that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whether it was a retry.
    pub(super) retry: bool,
    /// The breaker's epoch when it started.
    pub(super) epoch: u64,
    /// What it came to.
    pub(super) outcome: Outcome,
    /// How long it took.
    pub(super) took: Duration,
}

/// A 500 counts only while the lane has no success: some receivers answer it to what they refuse,
/// and that must not keep others' logouts waiting.
fn evidence(outcome: Outcome, proven: bool) -> Evidence {
    match outcome {
        Outcome::Accepted | Outcome::Refused | Outcome::Misdirected => Evidence::Alive,
        Outcome::Unavailable => Evidence::Dead,
        Outcome::Failing if !proven => Evidence::Dead,
        Outcome::Failing | Outcome::Blocked | Outcome::Unsignable => Evidence::Neither,
    }
}
