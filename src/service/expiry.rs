//! Whose provider session ended by time? For issuers that say so, that is a logout.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Wiring;
use super::registry::Registered;
use crate::config::{Config, OnSessionExpiry};
use crate::intake::Intake;
use crate::model::{Cause, Event, EventKind, IssuerKey, LogoutRequest, ReceiptStatus, Scope, fingerprint};
use crate::store::views::ExpiredSession;
use crate::store::{Store, StoreError};

/// The `intake` label of these events.
const INTAKE: &str = "expiry";
/// How soon the end is noticed, and how many ends become logouts in one transaction.
const LOOK: Duration = Duration::from_secs(5);
const BATCH: u32 = 200;

/// The issuers with `on_session_expiry = "logout"`.
pub(super) fn issuers(config: &Config, registered: &Registered) -> Vec<IssuerKey> {
    let ends = |name: &str| {
        let issuer = config.issuers.iter().find(|issuer| issuer.name == name);
        issuer.is_some_and(|issuer| issuer.on_session_expiry == OnSessionExpiry::Logout)
    };
    registered.issuers.iter().filter(|issuer| ends(&issuer.name)).map(|issuer| issuer.key).collect()
}

/// Turns what expired into logouts. Every replica looks: the event ids are the same everywhere.
pub(super) fn end_expired(parts: &Wiring, intake: &Arc<Intake>) {
    let issuers = issuers(&parts.config, &parts.registered);
    let (store, intake, stop) = (Arc::clone(&parts.store), Arc::clone(intake), parts.shutdown.stop.clone());
    if issuers.is_empty() {
        return;
    }
    parts.shutdown.spawn(async move {
        loop {
            for issuer in &issuers {
                if let Err(error) = end_all(&*store, &intake, *issuer, &stop).await {
                    tracing::warn!(%error, "expired sessions could not be logged out; trying again");
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
                return;
            }
        }
    });
}

async fn end_all(
    store: &dyn Store,
    intake: &Intake,
    issuer: IssuerKey,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    while !stop.is_cancelled() && end_some(store, intake, issuer).await? {}
    Ok(())
}

/// Whether there may be more.
async fn end_some(store: &dyn Store, intake: &Intake, issuer: IssuerKey) -> Result<bool, StoreError> {
    let expired = store.expired_sessions(issuer, BATCH).await?;
    let events: Vec<_> = expired.iter().map(|session| logout(issuer, session)).collect();
    let receipts = intake.accept(INTAKE, &events).await?;
    let recorded = receipts.iter().any(|receipt| receipt.status == ReceiptStatus::Recorded);
    Ok(recorded && expired.len() >= BATCH as usize)
}

/// The same event for the same end, whoever notices it.
fn logout(issuer: IssuerKey, expired: &ExpiredSession) -> Event {
    let request = LogoutRequest {
        scope: Scope::Session { session_id: expired.session_id.clone() },
        cause: Cause::SessionExpired,
        initiator: None,
        exclude_initiator: false,
        sessions: Vec::new(),
    };
    let micros = expired.ended_at.unix_timestamp_nanos() / 1000;
    Event {
        issuer,
        id: format!("session-expired:{}:{micros}", fingerprint(&expired.session_id)),
        time: Some(expired.ended_at),
        kind: EventKind::Logout(request),
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn the_same_end_is_the_same_event_and_no_other_end_is() {
        let of = |session_id: &str, seconds| {
            let ended_at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
            logout(IssuerKey(1), &ExpiredSession { session_id: session_id.into(), ended_at })
        };
        assert_eq!(of("s", 5), of("s", 5));
        assert_ne!(of("s", 5).id, of("s", 6).id);
        assert_ne!(of("s", 5).id, of("t", 5).id);
        assert!(!of("secret", 5).id.contains("secret"));
        assert_eq!(of("s", 5).time, Some(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(5)));
    }
}
