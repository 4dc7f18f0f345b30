//! Is this token ours to carry out, and what is remembered of it after?

use std::sync::Arc;
use std::time::Duration;

use super::ReplayOutage;
use crate::error::chain;
use crate::replay::{Begun, TokenId};
use crate::{LogoutToken, ReplayGuard, StoreError, Unavailable};

/// A token that somebody else is carrying out is asked after this often, and so many times.
const PAUSE: Duration = Duration::from_millis(50);
const LOOKS: u32 = 100;

/// How far the clocks of replicas may be apart, in seconds: one may accept a token a bit longer.
const MARGIN: i64 = 60;

#[derive(Clone)]
pub(super) struct Replay {
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) outage: ReplayOutage,
}

impl Replay {
    /// Whether the token is ours to carry out; if not, it has been. Waits a while for whoever has it:
    /// should they fail, it is ours.
    pub(super) async fn begin(&self, id: &TokenId) -> Result<bool, Unavailable> {
        for _ in 0..LOOKS {
            match self.guard.begin(id).await {
                Ok(Begun::Fresh) => return Ok(true),
                Ok(Begun::Done) => return Ok(false),
                Ok(Begun::InFlight) => tokio::time::sleep(PAUSE).await,
                Err(error) if self.outage == ReplayOutage::Act => {
                    log(&error);
                    return Ok(true);
                }
                Err(error) => return Err(Unavailable::Replay(error)),
            }
        }
        Err(Unavailable::InFlight)
    }

    /// The sessions are gone, whatever the guard says to it: at worst the token is carried out twice.
    pub(super) async fn commit(&self, id: &TokenId, token: &LogoutToken) {
        if let Err(error) = self.guard.commit(id, token.valid_until.saturating_add(MARGIN)).await {
            log(&error);
        }
    }

    /// The sender will come back; should this fail, the lease keeps it waiting for half a minute.
    pub(super) async fn release(&self, id: &TokenId) {
        if let Err(error) = self.guard.release(id).await {
            log(&error);
        }
    }
}

fn log(error: &StoreError) {
    tracing::warn!(error = %chain(error), "the replay guard is out of order");
}
