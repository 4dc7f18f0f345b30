//! Which attempt starts next? All lanes, their shared limits, and a fair round. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::Change;
use super::lane::{Ended, Lane};
use super::load::Load;
use super::queue::Row;
use super::{LaneStatus, Settings};
use crate::model::{ClientKey, Outcome};
use crate::store::{Want, Which};

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    settings: Settings,
    /// How long a row on a fresh lease can wait.
    patience: Duration,
    by_client: HashMap<ClientKey, Lane>,
    /// Lanes that may have something to start, in the order of their turns.
    round: VecDeque<ClientKey>,
    load: Load,
    origins: HashMap<Arc<str>, Load>,
}

/// An attempt that starts now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// What it delivers.
    pub(super) row: Row,
    /// To be handed back when it ended.
    pub(super) ticket: Ticket,
    /// How long ago the lane last had a success.
    pub(super) success_ago: Option<Duration>,
}

/// Where an attempt in flight is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    client: ClientKey,
    origin: Option<Arc<str>>,
    retry: bool,
    yields: bool,
    epoch: u64,
}

impl Lanes {
    /// No lanes yet.
    #[must_use]
    pub(super) fn new(settings: Settings, patience: Duration) -> Self {
        Self {
            settings,
            patience,
            by_client: HashMap::new(),
            round: VecDeque::new(),
            load: Load::default(),
            origins: HashMap::new(),
        }
    }

    /// Lets a row wait in its lane; returns it where the breaker is open.
    #[must_use]
    pub(super) fn push(&mut self, row: Row, origin: Arc<str>) -> Option<Row> {
        let client = row.leased.delivery.client;
        let lane = self.lane(client);
        lane.origin = Some(origin);
        let refused = lane.push(row);
        self.list(client);
        refused
    }

    /// The next attempt that every limit allows; lanes take turns.
    pub(super) fn next(&mut self, now: Instant) -> Option<Start> {
        for _ in 0..self.round.len() {
            if self.load.all() >= self.settings.in_flight {
                return None;
            }
            let client = self.round.pop_front()?;
            match self.turn(client, now) {
                Turn::Starts(start) => return Some(*start),
                Turn::Keeps => self.round.push_back(client),
                Turn::Leaves => {}
            }
        }
        None
    }

    /// A started attempt did not leave after all.
    pub(super) fn unstarted(&mut self, ticket: &Ticket, now: Instant) {
        self.lane(ticket.client).unstarted(ticket.retry, ticket.epoch, now);
        self.leave(ticket);
    }

    /// An attempt ended. When the breaker opens, the lane has to be drained.
    pub(super) fn finished(
        &mut self,
        ticket: &Ticket,
        outcome: Outcome,
        took: Duration,
        now: Instant,
    ) -> Option<Change> {
        let ended = Ended { retry: ticket.retry, epoch: ticket.epoch, outcome, took };
        let lane = self.by_client.entry(ticket.client).or_insert_with(|| Lane::new(&self.settings));
        let change = lane.finished(&ended, now, &self.settings);
        self.leave(ticket);
        change
    }

    /// The client asked for this much time (`Retry-After`).
    pub(super) fn asked_for(&mut self, client: ClientKey, time: Duration, now: Instant) {
        self.lane(client).breaker.not_before(now + time);
    }

    /// Takes out what waits in a lane.
    pub(super) fn drain(&mut self, client: ClientKey) -> Vec<Row> {
        self.lane(client).drain()
    }

    /// Takes out what waits anywhere.
    pub(super) fn drain_all(&mut self) -> Vec<Row> {
        self.by_client.values_mut().flat_map(Lane::drain).collect()
    }

    /// The client has unsettled rows in the table, some of them due since then.
    pub(super) fn owes(&mut self, client: ClientKey, due_since: Option<Instant>) {
        let lane = self.lane(client);
        lane.owed = true;
        lane.backlog = due_since.or(lane.backlog);
    }

    /// Nothing of this client can be tried: its lane wants no rows.
    pub(super) fn disown(&mut self, client: ClientKey) {
        self.lane(client).disown();
    }

    /// What to lease now: for each lane that wants rows, which, and how many at most. A lane that
    /// asks for a probe has its probe's place taken.
    pub(super) fn wants(&mut self, now: Instant) -> Vec<Want> {
        let mut wants = Vec::new();
        for (client, lane) in &mut self.by_client {
            let Some(which) = lane.asks(now) else { continue };
            let rows = lane.rows(now, &self.settings, self.patience);
            let room = if which == Which::Any { 1 } else { u32::try_from(rows).unwrap_or(u32::MAX) };
            if which == Which::Any {
                lane.breaker.seek_probe();
            }
            wants.push((lane.backlog, Want { client: *client, room, which }));
        }
        wants.sort_unstable_by_key(|(since, want)| (*since, want.client));
        wants.into_iter().map(|(_, want)| want).collect()
    }

    /// What the table had for a want.
    pub(super) fn leased(&mut self, want: &Want, got: usize, now: Instant) {
        let lane = self.lane(want.client);
        if got < want.room as usize {
            lane.found_fewer(want.which, got, now);
        } else {
            lane.found_all(want.which, now);
        }
    }

    /// The table could not be asked.
    pub(super) fn not_leased(&mut self, want: &Want, now: Instant) {
        if want.which == Which::Any {
            self.lane(want.client).breaker.probe_lost(now);
        }
    }

    /// How many rows a lane may hold now, and whether more of them wait in the table.
    #[must_use]
    pub(super) fn rows(&self, client: ClientKey, now: Instant) -> (usize, bool) {
        self.by_client.get(&client).map_or((self.settings.unproven_rows(), false), |lane| {
            (lane.rows(now, &self.settings, self.patience), lane.backlog.is_some())
        })
    }

    /// Whether the lane's breaker is closed.
    pub(super) fn is_closed(&self, client: ClientKey) -> bool {
        self.by_client.get(&client).is_none_or(|lane| lane.breaker.is_closed())
    }

    /// Whether the client accepted something at that moment or later.
    #[must_use]
    pub(super) fn succeeded_since(&self, client: ClientKey, since: Option<Instant>) -> bool {
        self.by_client.get(&client).is_some_and(|lane| lane.succeeded_since(since))
    }

    /// Every lane's client.
    #[must_use]
    pub(super) fn clients(&self) -> Vec<ClientKey> {
        self.by_client.keys().copied().collect()
    }

    /// Whether forgetting a lane loses nothing.
    #[must_use]
    pub(super) fn is_idle(&self, client: ClientKey, now: Instant) -> bool {
        self.by_client.get(&client).is_some_and(|lane| lane.is_idle(now, &self.settings))
    }

    /// Whether nothing of a lane waits or flies.
    #[must_use]
    pub(super) fn is_empty(&self, client: ClientKey) -> bool {
        self.by_client.get(&client).is_none_or(Lane::is_empty)
    }

    /// Forgets a lane.
    pub(super) fn forget(&mut self, client: ClientKey) {
        self.by_client.remove(&client);
    }

    /// As operators see them, by client.
    #[must_use]
    pub(super) fn status(&self, now: Instant) -> Vec<LaneStatus> {
        let mut all: Vec<_> = self.by_client.iter().map(|(client, lane)| lane.status(*client, now)).collect();
        all.sort_unstable_by_key(|lane| lane.client);
        all
    }

    /// Attempts in flight.
    #[must_use]
    pub(super) fn in_flight(&self) -> usize {
        self.load.all()
    }

    fn lane(&mut self, client: ClientKey) -> &mut Lane {
        self.by_client.entry(client).or_insert_with(|| Lane::new(&self.settings))
    }

    fn list(&mut self, client: ClientKey) {
        let Some(lane) = self.by_client.get_mut(&client) else { return };
        if !lane.listed && lane.waiting() > 0 {
            lane.listed = true;
            self.round.push_back(client);
        }
    }

    /// One lane's turn.
    fn turn(&mut self, client: ClientKey, now: Instant) -> Turn {
        let Some(lane) = self.by_client.get_mut(&client) else { return Turn::Leaves };
        lane.listed = false;
        let own = lane.order().map(|retry| (retry, lane.may_start(retry, now, &self.settings)));
        let yields = |retry| retry || (self.settings.lane_cap && !lane.is_proven(now, &self.settings));
        let at = lane.origin.as_ref().and_then(|origin| self.origins.get(origin)).copied().unwrap_or_default();
        let fits = |retry| {
            let room = |load: Load, limit| load.has_room(limit, self.settings.open_share(limit), yields(retry));
            room(self.load, self.settings.in_flight) && room(at, self.settings.origin_cap())
        };
        if let Some((retry, _)) = own.into_iter().find(|(retry, may)| *may && fits(*retry)) {
            let yields = yields(retry);
            return self.start(client, retry, yields, now);
        }
        // Its own limits change with its own attempts alone, which list it again.
        if own.iter().all(|(_, may)| !may) {
            return Turn::Leaves;
        }
        lane.listed = true;
        Turn::Keeps
    }

    fn start(&mut self, client: ClientKey, retry: bool, yields: bool, now: Instant) -> Turn {
        let Some(lane) = self.by_client.get_mut(&client) else { return Turn::Leaves };
        let Some(row) = lane.start(retry) else { return Turn::Leaves };
        let ticket = Ticket { client, origin: lane.origin.clone(), retry, yields, epoch: lane.breaker.epoch() };
        let success_ago = lane.success_ago(now);
        self.load.enter(yields);
        if let Some(origin) = &ticket.origin {
            self.origins.entry(Arc::clone(origin)).or_default().enter(yields);
        }
        self.list(client);
        Turn::Starts(Box::new(Start { row, ticket, success_ago }))
    }

    fn leave(&mut self, ticket: &Ticket) {
        self.load.leave(ticket.yields);
        if let Some(origin) = &ticket.origin
            && let Some(load) = self.origins.get_mut(origin)
        {
            load.leave(ticket.yields);
            if load.all() == 0 {
                self.origins.remove(origin);
            }
        }
        self.list(ticket.client);
    }
}

/// What became of a lane's turn.
enum Turn {
    /// It starts an attempt.
    Starts(Box<Start>),
    /// It could, but for a limit it shares: it keeps its turn.
    Keeps,
    /// It has nothing to start.
    Leaves,
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SECOND, now, row};
    use super::*;
    use crate::model::Outcome::{Accepted, Failing, Refused, Unavailable};

    fn lanes(settings: Settings) -> Lanes {
        Lanes::new(settings, 18 * SECOND)
    }

    fn push(lanes: &mut Lanes, client: i32, ids: std::ops::Range<i64>, tries: u16) -> usize {
        let refused = ids.map(|id| lanes.push(row(client, id, tries, now()), format!("https://{client}").into()));
        refused.flatten().count()
    }

    fn start_all(lanes: &mut Lanes) -> Vec<Start> {
        std::iter::from_fn(|| lanes.next(now())).collect()
    }

    fn clients(starts: &[Start]) -> Vec<i32> {
        starts.iter().map(|start| start.row.leased.delivery.client.0).collect()
    }

    /// Has one attempt of the client end like this.
    fn hear(lanes: &mut Lanes, client: i32, outcome: Outcome) -> Option<Change> {
        push(lanes, client, 0..1, 0);
        let start = lanes.next(now()).unwrap();
        lanes.finished(&start.ticket, outcome, SECOND, now())
    }

    fn open(lanes: &mut Lanes, client: i32) {
        while hear(lanes, client, Unavailable) != Some(Change::Opened) {}
    }

    #[test]
    fn lanes_take_turns() {
        let mut lanes = lanes(Settings { in_flight: 5, first_attempt_reserve: 0, ..Settings::default() });
        for client in [1, 2, 3] {
            push(&mut lanes, client, 0..9, 0);
        }
        let starts = start_all(&mut lanes);
        assert_eq!(clients(&starts), [1, 2, 3, 1, 2]);
        lanes.finished(&starts[0].ticket, Accepted, SECOND, now());
        assert_eq!(clients(&start_all(&mut lanes)), [3]);
    }

    #[test]
    fn a_lane_gets_two_places_until_a_success_and_sixteen_after_it() {
        for (outcome, places) in [(Refused, 2), (Accepted, 16)] {
            let mut lanes = lanes(Settings::default());
            hear(&mut lanes, 1, outcome);
            push(&mut lanes, 1, 0..99, 0);
            assert_eq!(start_all(&mut lanes).len(), places, "{outcome:?}");
        }
    }

    #[test]
    fn retries_leave_a_quarter_of_a_lane_to_first_attempts() {
        let mut lanes = lanes(Settings::default());
        hear(&mut lanes, 1, Accepted);
        push(&mut lanes, 1, 0..99, 1);
        assert_eq!(start_all(&mut lanes).len(), 12);
        push(&mut lanes, 1, 0..99, 0);
        let firsts = start_all(&mut lanes);
        assert_eq!(firsts.len(), 4);
        lanes.finished(&firsts[0].ticket, Accepted, SECOND, now());
        let next: Vec<_> = start_all(&mut lanes).iter().map(|start| start.row.leased.delivery.tries).collect();
        assert_eq!(next, [0]);
    }

    #[test]
    fn retries_get_every_fourth_place_that_both_may_have() {
        let mut lanes = lanes(Settings::default());
        hear(&mut lanes, 1, Accepted);
        push(&mut lanes, 1, 0..99, 0);
        push(&mut lanes, 1, 0..99, 1);
        let retries = start_all(&mut lanes).iter().filter(|start| start.row.leased.delivery.tries > 0).count();
        assert_eq!(retries, 4);
    }

    #[test]
    fn retries_and_unproven_lanes_leave_a_quarter_of_all_places() {
        let mut lanes = lanes(Settings { in_flight: 16, ..Settings::default() });
        hear(&mut lanes, 1, Accepted);
        for client in 2..=20 {
            push(&mut lanes, client, 0..9, u16::from(client % 2 == 0));
        }
        assert_eq!(start_all(&mut lanes).len(), 12);
        push(&mut lanes, 1, 0..9, 0);
        assert_eq!(clients(&start_all(&mut lanes)), [1; 4]);
    }

    #[test]
    fn an_origin_has_its_own_limit_and_blocks_no_other() {
        let mut lanes = lanes(Settings { in_flight_per_origin: 4, ..Settings::default() });
        for client in [1, 2, 3] {
            hear(&mut lanes, client, Accepted);
        }
        for client in [1, 2, 3] {
            for id in 0..9 {
                let origin = if client < 3 { "https://shared" } else { "https://own" };
                assert!(lanes.push(row(client, id, 0, now()), origin.into()).is_none());
            }
        }
        let starts = clients(&start_all(&mut lanes));
        let at = |client| starts.iter().filter(|started| **started == client).count();
        assert_eq!((at(1), at(2), at(3)), (2, 2, 4));
    }

    #[test]
    fn a_lane_takes_one_row_while_it_seeks_a_probe_and_none_otherwise() {
        let mut lanes = lanes(Settings::default());
        open(&mut lanes, 1);
        assert_eq!(push(&mut lanes, 1, 0..3, 1), 3, "open");
        lanes.owes(ClientKey(1), None);
        assert_eq!(lanes.wants(now()), [], "too early for a probe");
        let probe = Want { client: ClientKey(1), room: 1, which: Which::Any };
        assert_eq!(lanes.wants(now() + SECOND), std::slice::from_ref(&probe));
        assert_eq!(lanes.wants(now() + 9 * SECOND), [], "one at a time");
        assert_eq!(push(&mut lanes, 1, 0..3, 1), 2, "the probe alone");
        assert_eq!(start_all(&mut lanes).len(), 1);
        assert_eq!(push(&mut lanes, 1, 0..3, 1), 3, "the probe is on its way");
    }

    #[test]
    fn a_probe_that_found_no_row_or_could_not_leave_is_sought_again() {
        let mut lanes = lanes(Settings::default());
        open(&mut lanes, 1);
        let later = now() + SECOND;
        let [probe] = lanes.wants(later)[..] else { panic!("no probe") };
        lanes.not_leased(&probe, later);
        assert_eq!(lanes.wants(later), [probe]);
        push(&mut lanes, 1, 0..1, 1);
        let start = lanes.next(later).unwrap();
        lanes.unstarted(&start.ticket, later);
        assert_eq!((lanes.wants(later), lanes.in_flight()), (vec![probe], 0));
        lanes.leased(&probe, 0, later);
        assert_eq!(lanes.wants(later), [], "it is owed nothing");
    }

    #[test]
    fn a_recovered_lane_wants_what_was_tried_before_until_there_is_no_more() {
        let mut lanes = lanes(Settings::default());
        open(&mut lanes, 1);
        lanes.wants(now() + SECOND);
        push(&mut lanes, 1, 0..1, 1);
        let probe = lanes.next(now()).unwrap();
        let back = now();
        assert_eq!(lanes.finished(&probe.ticket, Accepted, SECOND, back), Some(Change::Closed));
        let which = Which::DueOrTriedBefore(3 * SECOND);
        let [want] = lanes.wants(back + 3 * SECOND)[..] else { panic!("no want") };
        assert_eq!(want, Want { client: ClientKey(1), room: 2, which });
        lanes.leased(&want, 2, back);
        assert_eq!(lanes.wants(back + 3 * SECOND), [want], "there may be more");
        lanes.leased(&Want { which: Which::Due, ..want }, 0, back);
        assert_eq!(lanes.wants(back + 3 * SECOND), [want], "asked before it was back");
        lanes.leased(&want, 1, back);
        assert_eq!(lanes.wants(back + 3 * SECOND), []);
    }

    #[test]
    fn failing_counts_only_without_a_recent_success() {
        for (proven, opens) in [(false, true), (true, false)] {
            let mut lanes = lanes(Settings::default());
            if proven {
                hear(&mut lanes, 1, Accepted);
            }
            let changes: Vec<_> = (0..5).map(|_| hear(&mut lanes, 1, Failing)).collect();
            assert_eq!(changes.contains(&Some(Change::Opened)), opens, "proven: {proven}");
        }
    }

    #[test]
    fn a_slow_lane_holds_fewer_rows_than_a_fast_one() {
        for (millis, rows) in [(10, 512), (1000, 144), (20_000, 32)] {
            let mut lanes = lanes(Settings::default());
            push(&mut lanes, 1, 0..1, 0);
            let start = lanes.next(now()).unwrap();
            lanes.finished(&start.ticket, Accepted, Duration::from_millis(millis), now());
            assert_eq!(lanes.rows(ClientKey(1), now()), (rows, false), "{millis} ms");
        }
        assert_eq!(lanes(Settings::default()).rows(ClientKey(1), now()), (4, false), "not seen yet");
    }

    #[test]
    fn lanes_that_wait_longest_are_filled_first() {
        let mut lanes = lanes(Settings::default());
        let start = now() + 60 * SECOND;
        for (client, since) in [(1, 51), (2, 57), (3, 55)] {
            lanes.owes(ClientKey(client), Some(now() + since * SECOND));
        }
        let order = |lanes: &mut Lanes| lanes.wants(start).iter().map(|want| want.client.0).collect::<Vec<_>>();
        assert_eq!(order(&mut lanes), [1, 3, 2]);
        let want = Want { client: ClientKey(1), room: 4, which: Which::Due };
        lanes.leased(&want, 4, start);
        assert_eq!(order(&mut lanes), [3, 2, 1]);
    }

    #[test]
    fn a_lane_is_forgotten_when_nothing_is_left_of_it() {
        let mut lanes = lanes(Settings::default());
        hear(&mut lanes, 1, Accepted);
        assert!(!lanes.is_idle(ClientKey(1), now() + 59 * SECOND), "it is proven");
        assert!(lanes.is_idle(ClientKey(1), now() + 61 * SECOND));
        open(&mut lanes, 2);
        assert!(!lanes.is_idle(ClientKey(2), now() + 61 * SECOND), "its breaker is open");
    }
}
