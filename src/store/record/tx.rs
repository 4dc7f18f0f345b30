//! Which statements does `record` need? Both stores supply them.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::model::{Cause, DeliveryId, IssuerKey, LeaseId, Logout, LogoutId};
use crate::store::at::At;
use crate::store::batch::{ClosingRow, LogoutRow, OpeningRow, ProviderSessionKey, SessionKey};
use crate::store::probe::Point;
use crate::store::rows::{self, ProviderSessionRow, SessionRow};
use crate::store::{Decision, StoreError};

/// The statements of `record`, in the order they run. Every list is sorted by its unique key.
#[async_trait]
pub(in crate::store) trait RecordTx: Send {
    /// Locks the issuers (`true`: exclusively) and reads the store's clock.
    async fn lock_issuers(&mut self, issuers: &[(IssuerKey, bool)]) -> Result<OffsetDateTime, StoreError>;
    /// Inserts the logouts that are new; which they were.
    async fn insert_logouts(&mut self, logouts: &[&LogoutRow<'_>], now: At) -> Result<Vec<EventLogout>, StoreError>;
    /// The logouts these repeated events stand for (the first of their provider session).
    async fn known_logouts(&mut self, keys: &[(IssuerKey, &str)]) -> Result<Vec<EventLogout>, StoreError>;
    /// Locks provider sessions and ends those with a logout. Of those whose ids are used again,
    /// the latest end counts.
    async fn touch(&mut self, rows: &[Touch<'_>], now: At) -> Result<Vec<ProviderSessionRow>, StoreError>;
    /// Notes that these logouts repeat an earlier one.
    async fn note_repeats(&mut self, repeats: &[(LogoutId, LogoutId)]) -> Result<(), StoreError>;
    /// Remembers closings.
    async fn close(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError>;
    /// Inserts or renews sessions, unless closed later.
    async fn open(&mut self, rows: &[(&SessionKey, &OpeningRow)]) -> Result<(), StoreError>;
    /// Deletes sessions opened before their closing.
    async fn delete_closed(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError>;
    /// Every session under these provider sessions.
    async fn sessions_under(&mut self, keys: &[&ProviderSessionKey]) -> Result<Vec<SessionRow>, StoreError>;
    /// Every session that these wide logouts cover.
    async fn sessions_covered(&mut self, logouts: &[LogoutId]) -> Result<Vec<(SessionRow, LogoutId)>, StoreError>;
    /// For sessions of this batch's openings: the logouts of earlier batches that cover them.
    async fn late(&mut self, rows: &[LateRow<'_>]) -> Result<Vec<(SessionRow, Logout)>, StoreError>;
    /// Which of these sessions already have a delivery of one of these logouts.
    async fn already_planned(&mut self, rows: &[(&SessionKey, LogoutId)]) -> Result<HashSet<SessionKey>, StoreError>;
    /// Makes the abandoned deliveries of these logouts due again; how many of each.
    async fn rearm(&mut self, logouts: &[LogoutId], now: At) -> Result<Vec<(LogoutId, u32)>, StoreError>;
    /// Deletes the `skipped` rows of sessions that are planned again.
    async fn drop_skipped(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError>;
    /// Deletes sessions.
    async fn delete_sessions(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError>;
    /// Marks sessions as covered by a logout and left alone.
    async fn hold_sessions(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError>;
    /// Inserts deliveries; their keys in the order of the rows.
    async fn insert_deliveries(&mut self, rows: &[NewDelivery], now: At) -> Result<Vec<DeliveryId>, StoreError>;
    /// Which of these wide logouts cover more sessions than this.
    async fn crowded(&mut self, logouts: &[LogoutId], more_than: u32) -> Result<Vec<LogoutId>, StoreError>;
    /// Has the sessions of these logouts walked in the background.
    async fn expand_later(&mut self, logouts: &[LogoutId], now: At) -> Result<(), StoreError>;
    /// Where a test may hold the transaction still.
    async fn pause(&mut self, point: Point);
}

/// The statements of one step of an expansion.
#[async_trait]
pub(in crate::store) trait ExpandTx: RecordTx {
    /// The store's clock.
    async fn clock(&mut self) -> Result<OffsetDateTime, StoreError>;
    /// Takes the expansion that is due for longest, and that nobody else is at.
    async fn take_expansion(&mut self, now: At) -> Result<Option<ExpansionRow>, StoreError>;
    /// The issuer's client after this one.
    async fn next_client(&mut self, issuer: IssuerKey, after: i32) -> Result<Option<i32>, StoreError>;
    /// The next sessions of a walk, by id, as they were before any lock.
    async fn walk(&mut self, walk: &Walk<'_>, limit: u32) -> Result<Vec<(i64, SessionKey)>, StoreError>;
    /// These sessions, those that are still there.
    async fn sessions_of(&mut self, keys: &[&SessionKey]) -> Result<Vec<SessionRow>, StoreError>;
    /// Notes how far a walk is; `None`: it is over.
    async fn walked(&mut self, logout: LogoutId, next: Option<Next>) -> Result<(), StoreError>;
}

/// An expansion that is due: its logout, and how far it is.
#[derive(Debug, FromRow)]
pub(in crate::store) struct ExpansionRow {
    #[sqlx(flatten)]
    pub(in crate::store) logout: rows::LogoutRow,
    pub(in crate::store) scope_client_key: Option<i32>,
    pub(in crate::store) at_client: i32,
    pub(in crate::store) after_id: i64,
}

/// Which sessions are walked.
#[derive(Debug)]
pub(in crate::store) struct Walk<'a> {
    pub(in crate::store) issuer: IssuerKey,
    /// Of this user; else of the client.
    pub(in crate::store) subject: Option<&'a str>,
    pub(in crate::store) client: Option<i32>,
    pub(in crate::store) after_id: i64,
    pub(in crate::store) opened_until: At,
}

/// Where a walk goes on, and when.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Next {
    pub(in crate::store) at_client: i32,
    pub(in crate::store) after_id: i64,
    pub(in crate::store) due_at: At,
}

/// (issuer, event id) and the logout it stands for.
pub(in crate::store) type EventLogout = ((IssuerKey, String), LogoutId);

/// A provider session to lock, and to end if a logout says so.
#[derive(Debug)]
pub(in crate::store) struct Touch<'a> {
    pub(in crate::store) key: &'a ProviderSessionKey,
    pub(in crate::store) ended_at: Option<At>,
    pub(in crate::store) logout: Option<LogoutId>,
    pub(in crate::store) reused: bool,
}

/// A session of this batch that earlier logouts may cover.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct LateRow<'a> {
    pub(in crate::store) key: &'a SessionKey,
    /// Its provider session has ended.
    pub(in crate::store) ended: bool,
    /// Its issuer uses session ids again.
    pub(in crate::store) reused: bool,
}

/// A delivery to insert.
#[derive(Debug, Clone)]
pub(in crate::store) struct NewDelivery {
    pub(in crate::store) session: SessionRow,
    pub(in crate::store) logout: LogoutId,
    pub(in crate::store) cause: Cause,
    pub(in crate::store) accepted_at: At,
    pub(in crate::store) decision: Decision,
    /// Leased to this replica until then.
    pub(in crate::store) leased: Option<(LeaseId, At)>,
    /// One of many: it gives way to others.
    pub(in crate::store) bulk: bool,
    /// When it is due, if it is not leased.
    pub(in crate::store) due_at: At,
}
