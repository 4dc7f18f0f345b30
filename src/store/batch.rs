//! What does this batch of events come to? Equal keys merged, clients interned, order fixed.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::at::At;
use crate::model::{ClientKey, Event, EventKind, IssuerKey, LogoutRequest, NamedSession, Opening, Scope};

/// (issuer, provider session).
pub(super) type ProviderSessionKey = (IssuerKey, String);

/// A closing: what is closed, and when.
pub(super) type ClosingRow<'a> = (&'a (IssuerKey, String, ClientKey), &'a At);

/// The key of a client's session; `sid` is `''` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionKey {
    pub(super) issuer: IssuerKey,
    pub(super) session_id: String,
    pub(super) client: ClientKey,
    pub(super) sid: String,
}

/// An opening as it is written.
#[derive(Debug, Clone)]
pub(super) struct OpeningRow {
    pub(super) sub: String,
    pub(super) subject: String,
    pub(super) opened_at: At,
    pub(super) expires_at: At,
    pub(super) offline: bool,
}

/// A logout as it is written.
#[derive(Debug, Clone)]
pub(super) struct LogoutRow<'e> {
    pub(super) issuer: IssuerKey,
    pub(super) event_id: &'e str,
    pub(super) request: &'e LogoutRequest,
    /// The client of a subject scope, interned.
    pub(super) client: Option<ClientKey>,
    pub(super) happened_at: At,
}

/// A batch, ready to be written in key order.
#[derive(Debug, Default)]
pub(super) struct Batch<'e> {
    pub(super) openings: BTreeMap<SessionKey, OpeningRow>,
    pub(super) closings: BTreeMap<(IssuerKey, String, ClientKey), At>,
    /// By (issuer, event id); the first of equal ones.
    pub(super) logouts: BTreeMap<(IssuerKey, &'e str), LogoutRow<'e>>,
}

/// The clients an event names, for interning before the transaction.
pub(super) fn clients_named(events: &[Event]) -> Vec<(IssuerKey, String)> {
    let mut named: Vec<_> =
        events.iter().flat_map(|event| names(event).map(move |name| (event.issuer, name))).collect();
    named.sort();
    named.dedup();
    named
}

fn names(event: &Event) -> impl Iterator<Item = String> {
    let names: Vec<&String> = match &event.kind {
        EventKind::Opened(opening) => vec![&opening.client_id],
        EventKind::Closed(closing) => vec![&closing.client_id],
        EventKind::Logout(request) => {
            let scoped = match &request.scope {
                Scope::Subject { client_id, .. } | Scope::Bulk { client_id } => client_id.as_ref(),
                Scope::Session { .. } => None,
            };
            scoped.into_iter().chain(request.sessions.iter().map(|named| &named.client_id)).collect()
        }
    };
    names.into_iter().cloned().collect::<Vec<_>>().into_iter()
}

/// What the batch is built with.
pub(super) struct Build<'a> {
    pub(super) now: OffsetDateTime,
    pub(super) session_max_age: Duration,
    pub(super) client: &'a (dyn Fn(IssuerKey, &str) -> Option<ClientKey> + Sync),
}

impl Build<'_> {
    /// Merges the events. The sessions a logout names itself are left for
    /// [`Build::named_openings`], so that a repeated logout does not open them again.
    pub(super) fn batch<'e>(&self, events: &'e [Event]) -> Batch<'e> {
        let mut batch = Batch::default();
        for event in events {
            let at = At(event.time.map_or(self.now, |time| time.min(self.now)));
            match &event.kind {
                EventKind::Opened(opening) => self.add_opening(&mut batch, event.issuer, opening, at),
                EventKind::Closed(closing) => {
                    if let Some(client) = (self.client)(event.issuer, &closing.client_id) {
                        let closed =
                            batch.closings.entry((event.issuer, closing.session_id.clone(), client)).or_insert(at);
                        *closed = (*closed).max(at);
                    }
                }
                EventKind::Logout(request) => {
                    batch.logouts.entry((event.issuer, event.id.as_str())).or_insert_with(|| LogoutRow {
                        issuer: event.issuer,
                        event_id: &event.id,
                        request,
                        client: self.scope_client(event.issuer, &request.scope),
                        happened_at: at,
                    });
                }
            }
        }
        batch
    }

    fn scope_client(&self, issuer: IssuerKey, scope: &Scope) -> Option<ClientKey> {
        match scope {
            Scope::Subject { client_id, .. } | Scope::Bulk { client_id } => (self.client)(issuer, client_id.as_ref()?),
            Scope::Session { .. } => None,
        }
    }

    fn add_opening(&self, batch: &mut Batch<'_>, issuer: IssuerKey, opening: &Opening, at: At) {
        let Some(client) = (self.client)(issuer, &opening.client_id) else { return };
        let key = SessionKey {
            issuer,
            session_id: opening.session_id.clone(),
            client,
            sid: opening.sid.clone().unwrap_or_default(),
        };
        let row = OpeningRow {
            sub: opening.sub.clone(),
            subject: opening.subject.clone(),
            opened_at: at,
            expires_at: At(opening.expires_at.unwrap_or(at.0 + self.session_max_age)),
            offline: opening.offline,
        };
        match batch.openings.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(row);
            }
            std::collections::btree_map::Entry::Occupied(mut held) => {
                if held.get().opened_at <= row.opened_at {
                    held.insert(row);
                }
            }
        }
    }

    /// Adds the sessions that newly recorded logouts name, as if they had opened just then.
    pub(super) fn add_named(&self, batch: &mut Batch<'_>, logout: &LogoutRow<'_>) {
        for named in &logout.request.sessions {
            let opening = named_opening(&logout.request.scope, named);
            self.add_opening(batch, logout.issuer, &opening, logout.happened_at);
        }
    }
}

fn named_opening(scope: &Scope, named: &NamedSession) -> Opening {
    let sub = named.sub.clone().unwrap_or_default();
    let (session_id, subject) = match scope {
        Scope::Session { session_id } => (session_id.clone(), sub.clone()),
        Scope::Subject { subject, .. } => (named.sid.clone().unwrap_or_default(), subject.clone()),
        // The format names none where all are meant.
        Scope::Bulk { .. } => (named.sid.clone().unwrap_or_default(), sub.clone()),
    };
    Opening {
        session_id,
        subject,
        client_id: named.client_id.clone(),
        sid: named.sid.clone(),
        sub,
        expires_at: None,
        offline: false,
    }
}
