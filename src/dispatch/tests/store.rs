//! A table of deliveries in memory, with the store's rules for leases.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{BEGAN, leased, now, pass};
use crate::model::{
    ClientKey, DeliveryId, DeliveryState, Event, LeaseId, Leased, Outcome, SkipReason, Streak, Verdict,
};
use crate::store::views::DeliveryFilter;
use crate::store::{
    Backlog, DueLane, Expanded, Outbox, Planner, Rate, Recorded, Retention, Rooms, Settled, Settlement, StoreError,
    Want, Which,
};

/// The table.
#[derive(Default)]
pub(super) struct FakeStore {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<DeliveryId, Stored>,
    leases: i64,
    down: bool,
    /// Outcomes with free text of this delivery are refused, for ever if `true`.
    poison: Option<(DeliveryId, bool)>,
    skipped: Vec<(ClientKey, SkipReason)>,
}

/// One delivery.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) client: ClientKey,
    pub(super) state: DeliveryState,
    pub(super) accepted: Instant,
    pub(super) settled: Option<Instant>,
    pub(super) attempts: u16,
    /// When it is due, or when its lease ends.
    due: Instant,
    lease: Option<LeaseId>,
    tried: Option<Instant>,
    streak: Option<(Outcome, u16, Instant)>,
}

impl Stored {
    fn is_free(&self) -> bool {
        self.state == DeliveryState::Pending && (self.lease.is_none() || self.due <= now())
    }

    fn leased(&self, id: DeliveryId, lease: LeaseId) -> Leased {
        let mut leased = leased(self.client, id, lease, self.attempts, now());
        leased.lasts = self.due - now();
        leased.delivery.owed_for = now() - self.accepted;
        leased.delivery.accepted_at =
            OffsetDateTime::UNIX_EPOCH + BEGAN.with(|began| self.accepted.saturating_duration_since(*began));
        leased.delivery.streak =
            self.streak.map(|(outcome, count, since)| Streak { outcome, count, lasted: now() - since });
        leased
    }
}

impl Table {
    fn lease(&mut self, id: DeliveryId, lasts: Duration) -> Option<Leased> {
        self.leases += 1;
        let (lease, row) = (LeaseId(self.leases), self.rows.get_mut(&id)?);
        (row.lease, row.due) = (Some(lease), now() + lasts);
        Some(row.leased(id, lease))
    }

    fn wanted(&self, want: &Want) -> Vec<DeliveryId> {
        let fits = |row: &Stored| match want.which {
            Which::Due => row.due <= now(),
            Which::Any => true,
            Which::DueOrTriedBefore(age) => {
                row.due <= now() || row.tried.is_some_and(|tried| now().duration_since(tried) > age)
            }
        };
        let mut found: Vec<_> =
            self.rows.iter().filter(|(_, row)| row.client == want.client && row.is_free() && fits(row)).collect();
        found.sort_by_key(|(_, row)| if want.which == Which::Any { (row.tried, row.due) } else { (None, row.due) });
        found.into_iter().take(want.room as usize).map(|(id, _)| *id).collect()
    }
}

impl FakeStore {
    /// Adds deliveries as `record` does: leased where the lane has room.
    pub(super) fn accept(
        &self,
        client: ClientKey,
        count: usize,
        rooms: &dyn Rooms,
        lease: Duration,
    ) -> (Vec<Leased>, Vec<ClientKey>) {
        let mut table = self.table.lock().unwrap();
        let (mut handed, mut overflow) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let id = DeliveryId(i64::try_from(table.rows.len()).unwrap() + 1);
            let fresh = Stored {
                client,
                state: DeliveryState::Pending,
                accepted: now(),
                settled: None,
                attempts: 0,
                due: now(),
                lease: None,
                tried: None,
                streak: None,
            };
            table.rows.insert(id, fresh);
            if rooms.reserve(client) {
                handed.extend(table.lease(id, lease));
            } else {
                overflow = vec![client];
            }
        }
        (handed, overflow)
    }

    /// From now on it does not answer, or does again.
    pub(super) fn set_down(&self, down: bool) {
        self.table.lock().unwrap().down = down;
    }

    /// It refuses this delivery's outcome as long as it has free text, or for ever.
    pub(super) fn refuse(&self, id: i64, for_ever: bool) {
        self.table.lock().unwrap().poison = Some((DeliveryId(id), for_ever));
    }

    /// Every delivery, by key.
    pub(super) fn rows(&self) -> Vec<(DeliveryId, Stored)> {
        self.table.lock().unwrap().rows.iter().map(|(id, row)| (*id, row.clone())).collect()
    }

    /// How many are in this state.
    pub(super) fn count(&self, state: DeliveryState) -> usize {
        self.rows().iter().filter(|(_, row)| row.state == state).count()
    }

    /// How many are on a living lease.
    pub(super) fn on_lease(&self) -> usize {
        self.rows().iter().filter(|(_, row)| row.state == DeliveryState::Pending && !row.is_free()).count()
    }

    /// How long the slowest of these clients' deliveries took, or has taken so far.
    pub(super) fn slowest(&self, clients: std::ops::RangeInclusive<i32>) -> Duration {
        let rows = self.rows();
        let of_them = rows.iter().filter(|(_, row)| clients.contains(&row.client.0));
        of_them.map(|(_, row)| row.settled.unwrap_or_else(now) - row.accepted).max().unwrap()
    }

    /// Whom it was told to skip.
    pub(super) fn skipped(&self) -> Vec<(ClientKey, SkipReason)> {
        self.table.lock().unwrap().skipped.clone()
    }

    /// A statement's way there and back.
    async fn reach(&self) -> Result<(), StoreError> {
        pass(Duration::from_millis(2)).await;
        if self.table.lock().unwrap().down {
            return Err(StoreError::Unavailable(anyhow::anyhow!("down")));
        }
        Ok(())
    }
}

#[async_trait]
impl Outbox for FakeStore {
    async fn record(&self, _: &[Event], _: &dyn Planner, _: &dyn Rooms, _: Duration) -> Result<Recorded, StoreError> {
        Err(StoreError::Internal(anyhow::anyhow!("see accept")))
    }

    async fn expand(&self, _: &dyn Planner, _: Rate) -> Result<Option<Expanded>, StoreError> {
        Ok(None)
    }

    async fn due_lanes(&self) -> Result<Vec<DueLane>, StoreError> {
        self.reach().await?;
        let mut lanes: BTreeMap<ClientKey, Option<Duration>> = BTreeMap::new();
        for row in self.table.lock().unwrap().rows.values().filter(|row| row.is_free()) {
            let due_for = now().checked_duration_since(row.due);
            let lane = lanes.entry(row.client).or_default();
            *lane = (*lane).max(due_for);
        }
        Ok(lanes.into_iter().map(|(client, due_for)| DueLane { client, due_for }).collect())
    }

    async fn lease(&self, wants: &[Want], lasts: Duration) -> Result<Vec<Leased>, StoreError> {
        self.reach().await?;
        let mut table = self.table.lock().unwrap();
        let ids: Vec<_> = wants.iter().flat_map(|want| table.wanted(want)).collect();
        Ok(ids.into_iter().filter_map(|id| table.lease(id, lasts)).collect())
    }

    async fn settle(&self, done: &[Settlement]) -> Result<Settled, StoreError> {
        self.reach().await?;
        let mut table = self.table.lock().unwrap();
        let refused = |one: &Settlement| {
            table.poison.is_some_and(|(id, ever)| id == one.delivery && (ever || !one.attempt.detail.is_empty()))
        };
        if done.iter().any(refused) {
            return Err(StoreError::Poison(anyhow::anyhow!("22021")));
        }
        let mut settled = Settled::default();
        for one in done {
            let row = table.rows.get_mut(&one.delivery).unwrap();
            let ours = row.lease == Some(one.lease);
            if row.state != DeliveryState::Pending || (!ours && one.verdict != Verdict::Delivered) {
                settled.lost.push(one.delivery);
                continue;
            }
            row.attempts = one.number;
            (row.tried, row.lease) = (Some(now()), None);
            row.streak = match row.streak {
                Some((outcome, count, since)) if outcome == one.attempt.outcome => Some((outcome, count + 1, since)),
                _ => Some((one.attempt.outcome, 1, now())),
            };
            match one.verdict {
                Verdict::Delivered => row.state = DeliveryState::Delivered,
                Verdict::Abandon(_) => row.state = DeliveryState::Abandoned,
                Verdict::RetryIn(wait) => row.due = now() + wait,
            }
            row.settled = (row.state != DeliveryState::Pending).then(now);
            let list = if one.verdict == Verdict::Delivered { &mut settled.delivered } else { &mut settled.applied };
            list.push(one.delivery);
        }
        Ok(settled)
    }

    async fn release(&self, rows: &[(DeliveryId, LeaseId)]) -> Result<u64, StoreError> {
        self.reach().await?;
        let mut table = self.table.lock().unwrap();
        for (id, lease) in rows {
            let row = table.rows.get_mut(id).unwrap();
            if row.lease == Some(*lease) {
                (row.lease, row.due) = (None, now());
            }
        }
        Ok(rows.len() as u64)
    }

    async fn clients_have_uri(&self, _: &[ClientKey]) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn skip_clients(&self, clients: &[ClientKey], why: SkipReason) -> Result<u64, StoreError> {
        self.reach().await?;
        let mut table = self.table.lock().unwrap();
        let mut count = 0;
        for row in table.rows.values_mut().filter(|row| clients.contains(&row.client) && row.is_free()) {
            row.state = DeliveryState::Skipped;
            count += 1;
        }
        table.skipped.extend(clients.iter().map(|client| (*client, why)));
        Ok(count)
    }

    async fn redeliver(&self, _: DeliveryId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn redeliver_where(&self, _: &DeliveryFilter) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        Ok(Backlog::default())
    }

    async fn prune(&self, _: &Retention, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}
