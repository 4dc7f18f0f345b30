//! Which sessions does a logout cover? Step 5: read only after every lock is held.

use super::expand::CHUNK;
use super::{Covered, Ended, Fresh, LateRow, RecordTx, Run};
use crate::model::{IssuerKey, LogoutId, Scope};
use crate::store::StoreError;
use crate::store::batch::{Batch, SessionKey};
use crate::store::rows::SessionRow;

impl Run<'_> {
    /// Step 5: every session that a logout covers and nothing was decided for yet.
    pub(super) async fn collect<T: RecordTx>(
        &mut self,
        tx: &mut T,
        batch: &Batch<'_>,
        fresh: &[Fresh<'_>],
        ended: &Ended,
    ) -> Result<Covered, StoreError> {
        let mut covered = Covered::new();
        self.collect_ended(tx, ended, &mut covered).await?;
        let of_subjects = self.put_off_what_is_too_much(tx, fresh).await?;
        if !of_subjects.is_empty() {
            for (row, logout) in tx.sessions_covered(&of_subjects).await? {
                covered.entry(row.key()).or_insert_with(|| (row, Vec::new())).1.push(logout);
            }
        }
        self.collect_late(tx, batch, ended, &mut covered).await?;
        Ok(covered)
    }

    /// The logouts of subjects that one transaction can carry out.
    async fn put_off_what_is_too_much<T: RecordTx>(
        &mut self,
        tx: &mut T,
        fresh: &[Fresh<'_>],
    ) -> Result<Vec<LogoutId>, StoreError> {
        let of = |wanted: fn(&Scope) -> bool| {
            fresh.iter().filter(|logout| wanted(&logout.row.request.scope)).map(|l| l.id).collect::<Vec<_>>()
        };
        let mut later = of(|scope| matches!(scope, Scope::Bulk { .. }));
        let mut now = of(|scope| matches!(scope, Scope::Subject { .. }));
        if !now.is_empty() {
            let crowded = tx.crowded(&now, CHUNK).await?;
            now.retain(|logout| !crowded.contains(logout));
            later.extend(crowded);
        }
        if !later.is_empty() {
            tx.expand_later(&later, self.now).await?;
            for receipt in self.receipts.values_mut() {
                receipt.expanding = receipt.logout.is_some_and(|logout| later.contains(&logout));
            }
        }
        Ok(now)
    }

    async fn collect_ended<T: RecordTx>(
        &mut self,
        tx: &mut T,
        ended: &Ended,
        covered: &mut Covered,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = ended.by_key.keys().collect();
        if keys.is_empty() {
            return Ok(());
        }
        for row in tx.sessions_under(&keys).await? {
            let Some(logouts) = ended.by_key.get(&(IssuerKey(row.issuer), row.session_id.clone())) else { continue };
            let applying: Vec<_> = logouts.iter().copied().filter(|id| self.applies(*id, &row)).collect();
            if !applying.is_empty() {
                covered.insert(row.key(), (row, applying));
            }
        }
        let firsts: Vec<_> = ended.first.values().copied().collect();
        if !firsts.is_empty() {
            for (first, count) in tx.rearm(&firsts, self.now).await? {
                self.count_owed(first, count);
            }
        }
        Ok(())
    }

    /// A session-scoped logout is absolute, unless the issuer uses session ids again.
    fn applies(&self, logout: LogoutId, row: &SessionRow) -> bool {
        !self.input.planner.reuses_session_ids(IssuerKey(row.issuer))
            || self.logouts.get(&logout).is_some_and(|logout| row.opened_at.0 <= logout.happened_at)
    }

    async fn collect_late<T: RecordTx>(
        &mut self,
        tx: &mut T,
        batch: &Batch<'_>,
        ended: &Ended,
        covered: &mut Covered,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = batch
            .openings
            .keys()
            .map(|key| LateRow {
                key,
                ended: ended.all.contains(&(key.issuer, key.session_id.clone())),
                reused: self.input.planner.reuses_session_ids(key.issuer),
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        for (row, logout) in tx.late(&rows).await? {
            // Held: a logout covered it before and left it; only a new logout decides again.
            if !row.held {
                let logouts = &mut covered.entry(row.key()).or_insert_with(|| (row, Vec::new())).1;
                if !logouts.contains(&logout.id) {
                    logouts.push(logout.id);
                    logouts.sort_unstable();
                }
                self.logouts.entry(logout.id).or_insert(logout);
            }
        }
        self.drop_repeated(tx, covered).await
    }

    /// An opening repeated after its logout: its delivery exists, only the session row came back.
    async fn drop_repeated<T: RecordTx>(&self, tx: &mut T, covered: &mut Covered) -> Result<(), StoreError> {
        let earlier = |(_, logout): &(&SessionKey, LogoutId)| !self.fresh.contains(logout);
        let pairs: Vec<_> = covered
            .iter()
            .flat_map(|(key, (_, logouts))| logouts.iter().map(move |logout| (key, *logout)))
            .filter(earlier)
            .collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let planned = tx.already_planned(&pairs).await?;
        if !planned.is_empty() {
            tx.delete_sessions(&planned.iter().collect::<Vec<_>>()).await?;
            covered.retain(|key, _| !planned.contains(key));
        }
        Ok(())
    }
}
