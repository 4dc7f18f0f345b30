//! What does a logout owe that covers too much for one transaction? Its sessions are walked in
//! steps, each a transaction of its own, with the locks of an opening.
//!
//! Nothing is missed: the fence was committed under the issuer's exclusive lock, so that every
//! opening is either committed before it, and walked, or sees it. Nothing is owed twice: a session
//! is read again once its provider session is locked, and is gone when another logout took it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::tx::{ExpandTx, ExpansionRow, Next, Walk};
use super::{Covered, Input, Pace, Run, Touch};
use crate::model::{ClientKey, IssuerKey, LeaseId, LogoutId, Scope};
use crate::store::at::At;
use crate::store::batch::{ProviderSessionKey, SessionKey};
use crate::store::rows::{scope, span};
use crate::store::{Expanded, Planner, Rate, Rooms, StoreError};

/// Sessions of one step; what covers more is expanded.
pub(super) const CHUNK: u32 = 1000;

/// An expansion holds nothing in memory: what it owes is leased when its time has come.
struct NoRooms;

impl Rooms for NoRooms {
    fn reserve(&self, _: ClientKey) -> bool {
        false
    }

    fn cancel(&self, _: ClientKey) {}
}

impl<'a> Input<'a> {
    /// For a step of an expansion: no events.
    fn of_expansion(planner: &'a dyn Planner, since: Instant) -> Self {
        let (client, lease) = (&|_: IssuerKey, _: &str| None, (LeaseId(0), Duration::ZERO));
        Self { events: &[], planner, rooms: &NoRooms, client, session_max_age: Duration::ZERO, since, lease }
    }
}

/// One step of the expansion that is due for longest. `None`: none is due. The caller commits.
pub(in crate::store) async fn expand<T: ExpandTx>(
    tx: &mut T,
    planner: &dyn Planner,
    since: Instant,
    rate: Rate,
) -> Result<Option<Expanded>, StoreError> {
    let input = &Input::of_expansion(planner, since);
    let now = At(tx.clock().await?);
    let Some(mut job) = tx.take_expansion(now).await? else { return Ok(None) };
    let logout = job.logout.clone().logout();
    tx.lock_issuers(&[(logout.issuer, false)]).await?;
    let all_clients = matches!(logout.scope, Scope::Bulk { client_id: None });
    if all_clients && job.at_client == 0 {
        job.at_client = tx.next_client(logout.issuer, 0).await?.unwrap_or(i32::MAX);
    }
    let seen = tx.walk(&job.walk(), CHUNK).await?;
    let keys: BTreeSet<&SessionKey> = seen.iter().map(|(_, key)| key).collect();
    let mut run = Run {
        input,
        now,
        logouts: BTreeMap::from([(logout.id, logout.clone())]),
        fresh: HashSet::from([logout.id]),
        first: BTreeMap::new(),
        receipts: HashMap::new(),
        pace: Some(Pace::new(now, rate.0)),
    };
    let covered = run.read_again(tx, &keys, &job).await?;
    let decided = run.plan(covered);
    let (_, clients) = run.write_deliveries(tx, decided).await?;
    let due_at = run.pace.as_ref().map_or(now, Pace::end);
    let next =
        next(tx, &job, &seen, all_clients).await?.map(|(at_client, after_id)| Next { at_client, after_id, due_at });
    tx.walked(logout.id, next).await?;
    let next_in = next.map(|next| span(next.due_at.0, now.0));
    Ok(Some(Expanded { logout: logout.id, clients, next_in }))
}

impl Run<'_> {
    async fn read_again<T: ExpandTx>(
        &self,
        tx: &mut T,
        keys: &BTreeSet<&SessionKey>,
        job: &ExpansionRow,
    ) -> Result<Covered, StoreError> {
        let provider_sessions: BTreeSet<ProviderSessionKey> =
            keys.iter().map(|key| (key.issuer, key.session_id.clone())).collect();
        let touch = |key| Touch { key, ended_at: None, logout: None, reused: false };
        let touches: Vec<_> = provider_sessions.iter().map(touch).collect();
        if touches.is_empty() {
            return Ok(Covered::new());
        }
        tx.touch(&touches, self.now.end_of_hour()).await?;
        let id = LogoutId(job.logout.id);
        let rows = tx.sessions_of(&keys.iter().copied().collect::<Vec<_>>()).await?;
        // Opened again since: a new life.
        let covered = rows.into_iter().filter(|row| row.opened_at <= job.logout.happened_at);
        Ok(covered.map(|row| (row.key(), (row, vec![id]))).collect())
    }
}

/// Where the walk goes on: in this client, in the next one, or nowhere.
async fn next<T: ExpandTx>(
    tx: &mut T,
    job: &ExpansionRow,
    seen: &[(i64, SessionKey)],
    all_clients: bool,
) -> Result<Option<(i32, i64)>, StoreError> {
    if seen.len() >= CHUNK as usize {
        return Ok(seen.last().map(|(id, _)| (job.at_client, *id)));
    }
    if !all_clients || job.at_client == i32::MAX {
        return Ok(None);
    }
    let client = tx.next_client(IssuerKey(job.logout.issuer), job.at_client).await?;
    Ok(client.map(|client| (client, 0)))
}

impl ExpansionRow {
    fn walk(&self) -> Walk<'_> {
        let of_subject = self.logout.scope == scope::SUBJECT;
        let whole_issuer = !of_subject && self.scope_client_key.is_none();
        Walk {
            issuer: IssuerKey(self.logout.issuer),
            subject: of_subject.then_some(self.logout.key.as_str()),
            client: if whole_issuer { Some(self.at_client) } else { self.scope_client_key },
            after_id: self.after_id,
            opened_until: self.logout.happened_at,
        }
    }
}
