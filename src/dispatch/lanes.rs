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

    /// An attempt ended. On [`Change::Opened`] the lane has to be drained.
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
