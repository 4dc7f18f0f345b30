//! How do others talk to the loop? The intake hands deliveries off, the API asks for lanes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

use super::lanes::Ticket;
use super::queue::Row;
use super::settling::Batch;
use crate::model::{Attempt, Client, ClientKey, Issuer, Leased};
use crate::store::{DueLane, Settled, StoreError, Want};

/// What the loop reads.
pub(super) enum Message {
    /// `record` leased these, and left others of these clients in the table.
    HandOff { leased: Vec<Leased>, overflow: Vec<ClientKey> },
    /// An attempt ended.
    Finished(Box<Finished>),
    /// Outcomes cannot be written for now.
    StoreDown,
    /// Outcomes were written; `None`: given up while stopping.
    Settled { batch: Batch, found: Option<Settled>, took: Duration },
    /// Who has unsettled rows.
    Polled(Result<Vec<DueLane>, StoreError>),
    /// Rows for these wants.
    Leased { wants: Vec<Want>, rows: Result<Vec<Leased>, StoreError> },
}

/// An attempt that ended.
pub(super) struct Finished {
    pub(super) row: Row,
    pub(super) ticket: Ticket,
    pub(super) client: Arc<Client>,
    pub(super) issuer: Arc<Issuer>,
    pub(super) attempt: Attempt,
}

/// A cheap way to the loop.
#[derive(Clone)]
pub struct Handle {
    pub(super) inbox: UnboundedSender<Message>,
    pub(super) lanes: Arc<ArcSwap<Vec<LaneStatus>>>,
}

impl Handle {
    /// Gives the loop what `record` leased, and the clients whose lanes had no room.
    ///
    /// After the loop has ended this does nothing: the rows are due when their leases end.
    pub fn hand_off(&self, leased: Vec<Leased>, overflow: Vec<ClientKey>) {
        if !leased.is_empty() || !overflow.is_empty() {
            drop(self.inbox.send(Message::HandOff { leased, overflow }));
        }
    }

    /// The lanes of this replica as of the last poll, by client; idle ones are left out.
    #[must_use]
    pub fn lanes(&self) -> Arc<Vec<LaneStatus>> {
        self.lanes.load_full()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("lanes", &self.lanes.load().len()).finish_non_exhaustive()
    }
}

/// What a lane's breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneState {
    /// Everything.
    Closed,
    /// One probe.
    HalfOpen,
    /// Nothing.
    Open,
}

impl LaneState {
    /// The name used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// The value of the gauge `lane_state`.
    #[must_use]
    pub const fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// A lane as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStatus {
    /// The client.
    pub client: ClientKey,
    /// What its breaker lets through.
    pub state: LaneState,
    /// When the next probe goes, while it is open.
    pub probe_in: Option<Duration>,
    /// Attempts in flight.
    pub in_flight: usize,
    /// Rows that wait in memory.
    pub waiting: usize,
    /// How long ago the client last accepted something.
    pub success_ago: Option<Duration>,
}
