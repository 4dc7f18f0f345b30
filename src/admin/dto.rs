//! What do rows look like in JSON? Instants are RFC 3339, durations seconds, subjects and sids
//! hashed.

use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;
use utoipa::ToSchema;

use crate::model::{
    AbandonReason, Cause, DeliveryState, Directory, IssuerKey, Logout, Outcome, Scope, SkipReason, hashed,
};
use crate::store::views::{
    AttemptView, Counts, DeliveryDetail, DeliveryView, LogoutDetail, LogoutView, PageOf, SessionView,
};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Paged<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// `cursor` of the next page; `null`: this was the last.
    pub(crate) next: Option<String>,
}

impl<T> Paged<T> {
    pub(crate) fn of<V>(page: PageOf<V>, shown: impl FnMut(V) -> T) -> Self {
        Self { items: page.rows.into_iter().map(shown).collect(), next: page.next }
    }

    pub(crate) fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }
}

fn issuer_name(directory: &Directory, key: IssuerKey) -> Option<String> {
    directory.issuer(key).map(|issuer| issuer.name.clone())
}

fn hash(text: Option<&String>) -> Option<String> {
    text.map(|text| hashed(text))
}

/// A client's session under a provider session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionDto {
    /// Short name; `null`: no longer configured.
    issuer: Option<String>,
    client_id: String,
    session_id_hash: String,
    subject_hash: String,
    /// `null`: the client saw no `sid`.
    sid_hash: Option<String>,
    sub_hash: String,
    #[serde(with = "rfc3339")]
    opened_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    expires_at: OffsetDateTime,
    offline: bool,
}

impl SessionDto {
    pub(crate) fn of(directory: &Directory, view: SessionView) -> Self {
        let session = view.session;
        Self {
            issuer: issuer_name(directory, session.issuer),
            client_id: view.client_id,
            session_id_hash: hashed(&session.session_id),
            subject_hash: hashed(&session.subject),
            sid_hash: hash(session.sid.as_ref()),
            sub_hash: hashed(&session.sub),
            opened_at: session.opened_at,
            expires_at: session.expires_at,
            offline: session.offline,
        }
    }
}

/// How much of what a logout owed is where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Counts)]
pub(crate) struct CountsDto {
    pub(crate) pending: u64,
    pub(crate) delivered: u64,
    pub(crate) abandoned: u64,
    pub(crate) skipped: u64,
    /// More is to come: the sessions of a wide logout are still walked. Absent: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) expanding: bool,
}

impl From<Counts> for CountsDto {
    fn from(counts: Counts) -> Self {
        let Counts { pending, delivered, abandoned, skipped, expanding } = counts;
        Self { pending, delivered, abandoned, skipped, expanding }
    }
}

/// Which sessions a logout ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scope)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ScopeDto {
    /// One provider session.
    Session { session_id_hash: String },
    /// All the user's sessions, at one client if named.
    Subject { subject_hash: String, client_id: Option<String> },
    /// All sessions, at one client if named.
    All { client_id: Option<String> },
}

impl From<&Scope> for ScopeDto {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Session { session_id } => Self::Session { session_id_hash: hashed(session_id) },
            Scope::Subject { subject, client_id } => {
                Self::Subject { subject_hash: hashed(subject), client_id: client_id.clone() }
            }
            Scope::Bulk { client_id } => Self::All { client_id: client_id.clone() },
        }
    }
}

/// One accepted logout.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Logout)]
pub(crate) struct LogoutDto {
    id: i64,
    /// Short name; `null`: no longer configured.
    issuer: Option<String>,
    event_id: String,
    scope: ScopeDto,
    cause: Cause,
    initiator: Option<String>,
    exclude_initiator: bool,
    #[serde(with = "rfc3339")]
    happened_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    accepted_at: OffsetDateTime,
    counts: CountsDto,
    /// Nothing is owed any more.
    settled: bool,
}

impl LogoutDto {
    pub(crate) fn of(directory: &Directory, view: LogoutView) -> Self {
        let LogoutView { logout, counts } = view;
        let Logout { id, issuer, event_id, scope, cause, initiator, exclude_initiator, happened_at, accepted_at } =
            logout;
        Self {
            id: id.0,
            issuer: issuer_name(directory, issuer),
            event_id,
            scope: (&scope).into(),
            cause,
            initiator,
            exclude_initiator,
            happened_at,
            accepted_at,
            counts: counts.into(),
            settled: counts.is_settled(),
        }
    }
}

/// One logout with everything it owed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogoutDetail)]
pub(crate) struct LogoutDetailDto {
    #[serde(flatten)]
    logout: LogoutDto,
    /// Clients that have not been told, and why.
    may_still_be_signed_in: Vec<StillSignedIn>,
    /// At most 1,000, unsettled first.
    deliveries: Vec<DeliveryDto>,
}

/// A client whose session may have survived the logout.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StillSignedIn {
    client_id: String,
    delivery: i64,
    state: DeliveryState,
    /// Why: of the abandonment, or of the skip.
    reason: Option<String>,
}

impl LogoutDetailDto {
    pub(crate) fn of(directory: &Directory, detail: LogoutDetail) -> Self {
        Self {
            may_still_be_signed_in: detail.deliveries.iter().filter_map(StillSignedIn::of).collect(),
            logout: LogoutDto::of(directory, detail.view),
            deliveries: detail.deliveries.into_iter().map(|view| DeliveryDto::of(directory, view)).collect(),
        }
    }
}

impl StillSignedIn {
    fn of(view: &DeliveryView) -> Option<Self> {
        may_survive(view).then(|| Self {
            client_id: view.client_id.clone(),
            delivery: view.id.0,
            state: view.state,
            reason: reason(view).map(str::to_owned),
        })
    }
}

/// Whether the session of this delivery may still be alive.
pub(crate) fn may_survive(view: &DeliveryView) -> bool {
    view.state != DeliveryState::Delivered && view.skipped != Some(SkipReason::Covered)
}

/// Why it was given up or never sent.
pub(crate) fn reason(view: &DeliveryView) -> Option<&'static str> {
    view.abandoned.map(AbandonReason::as_str).or(view.skipped.map(SkipReason::as_str))
}

/// One logout token owed to one client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryDto {
    id: i64,
    logout: i64,
    /// Short name; `null`: no longer configured.
    issuer: Option<String>,
    client_id: String,
    session_id_hash: Option<String>,
    sid_hash: Option<String>,
    sub_hash: Option<String>,
    state: DeliveryState,
    /// Why it was given up.
    abandoned: Option<AbandonReason>,
    /// Why nothing is sent.
    skipped: Option<SkipReason>,
    attempts_made: u16,
    last_outcome: Option<Outcome>,
    last_status: Option<u16>,
    #[serde(with = "rfc3339")]
    created_at: OffsetDateTime,
    /// While pending: when it is due, or the end of the running try's lease.
    #[serde(with = "rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    #[serde(with = "rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
}

impl DeliveryDto {
    pub(crate) fn of(directory: &Directory, view: DeliveryView) -> Self {
        Self {
            id: view.id.0,
            logout: view.logout.0,
            issuer: issuer_name(directory, view.issuer),
            client_id: view.client_id,
            session_id_hash: hash(view.session_id.as_ref()),
            sid_hash: hash(view.sid.as_ref()),
            sub_hash: hash(view.sub.as_ref()),
            state: view.state,
            abandoned: view.abandoned,
            skipped: view.skipped,
            attempts_made: view.attempts,
            last_outcome: view.last_outcome,
            last_status: view.last_status,
            created_at: view.created_at,
            due_at: view.due_at,
            settled_at: view.settled_at,
        }
    }
}

/// A delivery with its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryDetail)]
pub(crate) struct DeliveryDetailDto {
    #[serde(flatten)]
    delivery: DeliveryDto,
    /// Oldest first.
    attempts: Vec<AttemptDto>,
}

impl DeliveryDetailDto {
    pub(crate) fn of(directory: &Directory, detail: DeliveryDetail) -> Self {
        Self {
            delivery: DeliveryDto::of(directory, detail.view),
            attempts: detail.attempts.into_iter().map(AttemptDto::from).collect(),
        }
    }
}

/// One HTTP try.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptDto {
    /// From 1.
    number: u16,
    #[serde(with = "rfc3339")]
    started_at: OffsetDateTime,
    duration_seconds: f64,
    outcome: Outcome,
    status: Option<u16>,
    /// Of the token that was sent.
    #[schema(value_type = Option<String>)]
    jti: Option<String>,
    kid: Option<String>,
    /// What was kept of the answer, or the error.
    detail: String,
}

impl From<AttemptView> for AttemptDto {
    fn from(view: AttemptView) -> Self {
        Self {
            number: view.number,
            started_at: view.started_at,
            duration_seconds: view.took.as_secs_f64(),
            outcome: view.outcome,
            status: view.status,
            jti: view.jti.map(|jti| jti.to_string()),
            kid: view.kid,
            detail: view.detail,
        }
    }
}
