//! What does a row look like? Shapes both stores read, and how they become nouns.

use std::time::{Duration, Instant};

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use super::at::At;
use super::batch::SessionKey;
use super::views::{AttemptView, ClientRecord, Counts, DeliveryView, LogoutView, SessionView};
use crate::model::{
    AbandonReason, Cause, ClientKey, Delivery, DeliveryId, DeliveryState, IssuerKey, LeaseId, Leased, Logout, LogoutId,
    Outcome, Scope, Session, SkipReason, Streak,
};

/// Row states, as stored.
pub(super) mod state {
    pub(in crate::store) const PENDING: i16 = 0;
    pub(in crate::store) const DELIVERED: i16 = 1;
    pub(in crate::store) const ABANDONED: i16 = 2;
    pub(in crate::store) const SKIPPED: i16 = 3;
}

/// Logout scopes, as stored.
pub(super) mod scope {
    pub(in crate::store) const SESSION: i16 = 0;
    pub(in crate::store) const SUBJECT: i16 = 1;
    pub(in crate::store) const BULK: i16 = 2;
}

/// The place of a value in its list of all: its stored code.
pub(super) fn code<T: PartialEq>(all: &[T], value: &T) -> i16 {
    all.iter().position(|known| known == value).and_then(|place| i16::try_from(place).ok()).unwrap_or(i16::MAX)
}

fn by_code<T: Copy>(all: &[T], code: i16) -> Option<T> {
    usize::try_from(code).ok().and_then(|place| all.get(place)).copied()
}

pub(super) fn some_text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn span(later: OffsetDateTime, earlier: OffsetDateTime) -> Duration {
    Duration::try_from(later - earlier).unwrap_or_default()
}

pub(super) fn defect(what: &str) -> StoreError {
    StoreError::Internal(anyhow::anyhow!("{what}"))
}

#[derive(Debug, FromRow)]
pub(super) struct ProviderSessionRow {
    pub(super) issuer: i32,
    pub(super) session_id: String,
    pub(super) ended_at: Option<At>,
    pub(super) logout_id: Option<i64>,
}

#[derive(Debug, Clone, FromRow)]
pub(super) struct SessionRow {
    pub(super) issuer: i32,
    pub(super) session_id: String,
    pub(super) client: i32,
    pub(super) sid: String,
    pub(super) sub: String,
    pub(super) subject: String,
    pub(super) opened_at: At,
    pub(super) expires_at: At,
    pub(super) offline: bool,
    pub(super) held: bool,
}

impl SessionRow {
    pub(super) fn key(&self) -> SessionKey {
        SessionKey {
            issuer: IssuerKey(self.issuer),
            session_id: self.session_id.clone(),
            client: ClientKey(self.client),
            sid: self.sid.clone(),
        }
    }

    pub(super) fn session(&self) -> Session {
        Session {
            issuer: IssuerKey(self.issuer),
            session_id: self.session_id.clone(),
            client: ClientKey(self.client),
            sid: some_text(self.sid.clone()),
            sub: self.sub.clone(),
            subject: self.subject.clone(),
            opened_at: self.opened_at.0,
            expires_at: self.expires_at.0,
            offline: self.offline,
        }
    }
}

#[derive(Debug, FromRow)]
pub(super) struct SessionViewRow {
    pub(super) id: i64,
    #[sqlx(flatten)]
    pub(super) session: SessionRow,
    pub(super) client_name: String,
}

impl SessionViewRow {
    pub(super) fn view(self) -> SessionView {
        SessionView { session: self.session.session(), client_id: self.client_name }
    }
}

#[derive(Debug, Clone, FromRow)]
pub(super) struct LogoutRow {
    pub(super) id: i64,
    pub(super) issuer: i32,
    pub(super) event_id: String,
    pub(super) scope: i16,
    pub(super) key: String,
    pub(super) scope_client: Option<String>,
    pub(super) cause: i16,
    pub(super) initiator: Option<String>,
    pub(super) exclude_initiator: bool,
    pub(super) happened_at: At,
    pub(super) accepted_at: At,
}

impl LogoutRow {
    pub(super) fn logout(self) -> Logout {
        let scope = match self.scope {
            scope::SESSION => Scope::Session { session_id: self.key },
            scope::SUBJECT => Scope::Subject { subject: self.key, client_id: self.scope_client },
            _ => Scope::Bulk { client_id: self.scope_client },
        };
        Logout {
            id: LogoutId(self.id),
            issuer: IssuerKey(self.issuer),
            event_id: self.event_id,
            scope,
            cause: by_code(&Cause::ALL, self.cause).unwrap_or_default(),
            initiator: self.initiator,
            exclude_initiator: self.exclude_initiator,
            happened_at: self.happened_at.0,
            accepted_at: self.accepted_at.0,
        }
    }
}

/// One state of one logout's deliveries, counted.
#[derive(Debug, FromRow)]
pub(super) struct CountRow {
    pub(super) logout_id: i64,
    pub(super) state: i16,
    pub(super) n: i64,
}

/// Stands among the states for a logout that is still expanded.
pub(super) const EXPANDING: i16 = -1;

pub(super) fn counts(rows: &[CountRow], logout: LogoutId) -> Counts {
    let of = |state| {
        rows.iter().filter(|row| row.logout_id == logout.0 && row.state == state).map(|row| row.n.unsigned_abs()).sum()
    };
    Counts {
        pending: of(state::PENDING),
        delivered: of(state::DELIVERED),
        abandoned: of(state::ABANDONED),
        skipped: of(state::SKIPPED),
        expanding: rows.iter().any(|row| row.logout_id == logout.0 && row.state == EXPANDING),
    }
}

pub(super) fn with_counts(rows: Vec<LogoutRow>, counted: &[CountRow]) -> Vec<LogoutView> {
    rows.into_iter()
        .map(LogoutRow::logout)
        .map(|logout| LogoutView { counts: counts(counted, logout.id), logout })
        .collect()
}

#[derive(Debug, FromRow)]
pub(super) struct LeasedRow {
    pub(super) id: i64,
    pub(super) logout_id: i64,
    pub(super) issuer: i32,
    pub(super) client: i32,
    pub(super) cause: i16,
    pub(super) tries: i16,
    pub(super) attempts: i16,
    pub(super) streak_outcome: Option<i16>,
    pub(super) streak_count: i16,
    pub(super) streak_since: Option<At>,
    pub(super) whole_subject: bool,
    pub(super) bulk: bool,
    pub(super) sid: String,
    pub(super) sub: String,
    pub(super) accepted_at: At,
    pub(super) armed_at: At,
}

/// What every row of one hand-off has in common.
pub(super) struct HandOff {
    pub(super) lease: LeaseId,
    pub(super) since: Instant,
    pub(super) lasts: Duration,
    pub(super) now: OffsetDateTime,
}

impl LeasedRow {
    pub(super) fn leased(self, hand_off: &HandOff) -> Leased {
        let streak = self.streak_outcome.and_then(Outcome::from_code).map(|outcome| Streak {
            outcome,
            count: self.streak_count.unsigned_abs(),
            lasted: self.streak_since.map_or(Duration::ZERO, |since| span(hand_off.now, since.0)),
        });
        let delivery = Delivery {
            id: DeliveryId(self.id),
            logout: LogoutId(self.logout_id),
            issuer: IssuerKey(self.issuer),
            client: ClientKey(self.client),
            sid: some_text(self.sid).filter(|_| !self.whole_subject),
            sub: some_text(self.sub),
            cause: by_code(&Cause::ALL, self.cause).unwrap_or_default(),
            tries: self.tries.unsigned_abs(),
            attempts: self.attempts.unsigned_abs(),
            owed_for: span(hand_off.now, self.armed_at.0),
            accepted_at: self.accepted_at.0,
            streak,
            bulk: self.bulk,
        };
        Leased { delivery, lease: hand_off.lease, since: hand_off.since, lasts: hand_off.lasts }
    }
}

#[derive(Debug, FromRow)]
pub(super) struct DeliveryRow {
    pub(super) id: i64,
    pub(super) logout_id: i64,
    pub(super) issuer: i32,
    pub(super) client: i32,
    pub(super) client_name: String,
    pub(super) state: i16,
    pub(super) why: Option<i16>,
    pub(super) attempts: i16,
    pub(super) last_outcome: Option<i16>,
    pub(super) last_status: Option<i16>,
    pub(super) whole_subject: bool,
    pub(super) session_id: String,
    pub(super) sid: String,
    pub(super) sub: String,
    pub(super) created_at: At,
    pub(super) due_at: Option<At>,
    pub(super) settled_at: Option<At>,
}

impl DeliveryRow {
    pub(super) fn view(self) -> DeliveryView {
        let state = by_code(&DeliveryState::ALL, self.state).unwrap_or(DeliveryState::Pending);
        let why = self.why;
        DeliveryView {
            id: DeliveryId(self.id),
            logout: LogoutId(self.logout_id),
            issuer: IssuerKey(self.issuer),
            client: ClientKey(self.client),
            client_id: self.client_name,
            session_id: some_text(self.session_id),
            sid: some_text(self.sid).filter(|_| !self.whole_subject),
            sub: some_text(self.sub),
            state,
            abandoned: why
                .filter(|_| state == DeliveryState::Abandoned)
                .and_then(|why| by_code(&AbandonReason::ALL, why)),
            skipped: why.filter(|_| state == DeliveryState::Skipped).and_then(|why| by_code(&SkipReason::ALL, why)),
            attempts: self.attempts.unsigned_abs(),
            last_outcome: self.last_outcome.and_then(Outcome::from_code),
            last_status: self.last_status.map(i16::unsigned_abs),
            created_at: self.created_at.0,
            due_at: self.due_at.map(|at| at.0),
            settled_at: self.settled_at.map(|at| at.0),
        }
    }
}

#[derive(Debug, FromRow)]
pub(super) struct AttemptRow {
    pub(super) number: i16,
    pub(super) started_at: At,
    pub(super) took_us: i64,
    pub(super) outcome: i16,
    pub(super) status: Option<i16>,
    pub(super) jti: Option<Uuid>,
    pub(super) kid: Option<String>,
    pub(super) detail: String,
}

impl AttemptRow {
    pub(super) fn view(self) -> AttemptView {
        AttemptView {
            number: self.number.unsigned_abs(),
            started_at: self.started_at.0,
            took: Duration::from_micros(self.took_us.unsigned_abs()),
            outcome: Outcome::from_code(self.outcome).unwrap_or(Outcome::Failing),
            status: self.status.map(i16::unsigned_abs),
            jti: self.jti,
            kid: self.kid,
            detail: self.detail,
        }
    }
}

#[derive(Debug, FromRow)]
pub(super) struct ClientRow {
    pub(super) id: i32,
    pub(super) issuer: i32,
    pub(super) client_id: String,
    pub(super) metadata: sqlx::types::Json<serde_json::Value>,
    pub(super) version: i64,
}

impl ClientRow {
    pub(super) fn record(self) -> ClientRecord {
        ClientRecord {
            key: ClientKey(self.id),
            issuer: IssuerKey(self.issuer),
            client_id: self.client_id,
            metadata: self.metadata.0,
            version: self.version,
        }
    }
}
