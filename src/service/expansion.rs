//! Which logouts cover too much for one transaction? Their sessions are walked here, step by step.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Wiring;
use crate::dispatch::Dispatcher;
use crate::plan::DirectoryPlanner;
use crate::store::Rate;

/// How soon a wide logout that another replica recorded is noticed, and a step that is due since it stopped.
const LOOK: Duration = Duration::from_millis(500);

/// Takes the steps that are due. Every replica does; the store gives each step to one.
pub(super) fn expand(parts: &Wiring, dispatcher: &Dispatcher) {
    let (store, dispatch, stop) = (Arc::clone(&parts.store), dispatcher.handle(), parts.shutdown.stop.clone());
    let planner = DirectoryPlanner(Arc::clone(&parts.registered.directory));
    let rate = Rate(NonZeroU32::new(parts.config.dispatch.bulk_per_second).unwrap_or(NonZeroU32::MIN));
    parts.shutdown.spawn(async move {
        let mut pause = LOOK;
        while !stop.is_cancelled() {
            match store.expand(&planner, rate).await {
                Ok(Some(taken)) => {
                    if let Some(next) = taken.next_in {
                        pause = pause.min(next);
                    } else {
                        tracing::info!(logout = %taken.logout, "a wide logout is expanded");
                    }
                    dispatch.hand_off(Vec::new(), taken.clients);
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a wide logout could not be expanded further; trying again"),
            }
            let _stopped = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = LOOK;
        }
    });
}
