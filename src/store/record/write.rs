//! What is owed from now on? Sessions go, deliveries come; those with a place are leased.

use std::collections::HashSet;
use std::time::Duration;

use super::decide::leaves_alone;
use super::{NewDelivery, Planned, RecordTx, Run};
use crate::model::{ClientKey, Delivery, DeliveryId, IssuerKey, Leased, SkipReason};
use crate::store::at::At;
use crate::store::{Decision, Rooms, StoreError, rows};

impl Run<'_> {
    pub(super) async fn write_deliveries<T: RecordTx>(
        &mut self,
        tx: &mut T,
        mut planned: Vec<Planned>,
    ) -> Result<(Vec<Leased>, Vec<ClientKey>), StoreError> {
        if planned.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        planned.sort_by_cached_key(|p| p.row.key());
        let keys: Vec<_> = planned.iter().map(|p| p.row.key()).collect();
        let (mut gone, mut kept, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for (p, key) in planned.iter().zip(&keys) {
            match (leaves_alone(p.decision), p.row.held) {
                (false, false) => gone.push(key),
                (false, true) => {
                    gone.push(key);
                    again.push(key);
                }
                (true, false) => kept.push(key),
                (true, true) => {}
            }
        }
        if !gone.is_empty() {
            tx.delete_sessions(&gone).await?;
        }
        if !kept.is_empty() {
            tx.hold_sessions(&kept).await?;
        }
        if !again.is_empty() {
            tx.drop_skipped(&again).await?;
        }
        // What is left alone once more is on record already.
        planned.retain(|p| !(leaves_alone(p.decision) && p.row.held) || self.fresh.contains(&p.logout));
        self.insert(tx, &planned).await
    }

    async fn insert<T: RecordTx>(
        &mut self,
        tx: &mut T,
        planned: &[Planned],
    ) -> Result<(Vec<Leased>, Vec<ClientKey>), StoreError> {
        let mut overflow = HashSet::new();
        let rows: Vec<_> = planned.iter().map(|p| self.new_delivery(p, &mut overflow)).collect();
        let ids = match tx.insert_deliveries(&rows, self.now).await {
            Ok(ids) => ids,
            Err(error) => {
                give_back(
                    self.input.rooms,
                    rows.iter().filter(|r| r.leased.is_some()).map(|r| ClientKey(r.session.client)),
                );
                return Err(error);
            }
        };
        for p in planned {
            self.count(p);
        }
        let leased = rows.iter().zip(ids).filter_map(|(row, id)| self.leased(row, id)).collect();
        Ok((leased, overflow.into_iter().collect()))
    }

    fn new_delivery(&mut self, planned: &Planned, overflow: &mut HashSet<ClientKey>) -> NewDelivery {
        let client = ClientKey(planned.row.client);
        let (lease, lasts) = self.input.lease;
        let owed = matches!(planned.decision, Decision::Owe { .. });
        let bulk = self.pace.is_some();
        let leased = (owed && !bulk && self.input.rooms.reserve(client)).then(|| (lease, At(self.now.0 + lasts)));
        if owed && leased.is_none() {
            overflow.insert(client);
        }
        let due_at = self.pace.as_mut().filter(|_| owed).map_or(self.now, |pace| pace.next(client));
        let logout = self.logouts.get(&planned.decided_by);
        NewDelivery {
            session: planned.row.clone(),
            logout: planned.logout,
            cause: logout.map_or_else(Default::default, |logout| logout.cause),
            accepted_at: logout.map_or(self.now, |logout| At(logout.accepted_at)),
            decision: planned.decision,
            leased,
            bulk,
            due_at,
        }
    }

    fn count(&mut self, planned: &Planned) {
        let of_event = self.logouts.get(&planned.decided_by).map(|logout| (logout.issuer, logout.event_id.clone()));
        let Some(receipt) = of_event.and_then(|key| self.receipts.get_mut(&key)) else { return };
        match planned.decision {
            Decision::Owe { .. } => receipt.owed += 1,
            Decision::Skip(SkipReason::Covered) => {}
            Decision::Skip(_) => receipt.skipped += 1,
        }
    }

    fn leased(&self, row: &NewDelivery, id: DeliveryId) -> Option<Leased> {
        let (lease, _) = row.leased?;
        let whole_subject = matches!(row.decision, Decision::Owe { whole_subject: true });
        let delivery = Delivery {
            id,
            logout: row.logout,
            issuer: IssuerKey(row.session.issuer),
            client: ClientKey(row.session.client),
            sid: rows::some_text(row.session.sid.clone()).filter(|_| !whole_subject),
            sub: rows::some_text(row.session.sub.clone()),
            cause: row.cause,
            tries: 0,
            attempts: 0,
            owed_for: Duration::ZERO,
            accepted_at: row.accepted_at.0,
            streak: None,
            bulk: row.bulk,
        };
        Some(Leased { delivery, lease, since: self.input.since, lasts: self.input.lease.1 })
    }
}

/// Gives reserved places back.
pub(in crate::store) fn give_back(rooms: &dyn Rooms, clients: impl Iterator<Item = ClientKey>) {
    for client in clients {
        rooms.cancel(client);
    }
}
