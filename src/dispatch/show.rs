//! What do others see of the lanes? Their room for the intake, their state for operators.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::handle::LaneStatus;
use super::run::Dispatcher;
use crate::model::ClientKey;

/// The labels of every lane's gauge, kept to take it away also when the client is gone.
pub(super) type Shown = HashMap<ClientKey, [String; 2]>;

impl Dispatcher {
    /// Shows every lane as it is now, and forgets those of which nothing is left.
    pub(super) fn show(&mut self) {
        let now = self.parts.clock.instant();
        for client in self.lanes.clients() {
            let nothing_left = self.lanes.is_idle(client, now) || self.is_gone(client);
            if nothing_left && self.lanes.is_empty(client) && self.parts.rooms.forget(client) {
                self.lanes.forget(client);
            } else {
                self.publish(client, now);
            }
        }
        let lanes = self.lanes.status(now);
        self.gauge(&lanes);
        self.handle.lanes.store(Arc::new(lanes));
    }

    /// Tells the intake how much room a lane has.
    pub(super) fn publish(&self, client: ClientKey, now: Instant) {
        let (rows, backlog) = self.lanes.rows(client, now);
        self.parts.rooms.publish(client, rows, backlog);
    }

    fn is_gone(&self, client: ClientKey) -> bool {
        self.parts.directory.load().client(client).is_none()
    }

    fn gauge(&mut self, lanes: &[LaneStatus]) {
        let directory = self.parts.directory.load();
        let mut gone = std::mem::take(&mut self.shown);
        for lane in lanes {
            let Some(client) = directory.client(lane.client) else { continue };
            let Some(issuer) = directory.issuer(client.issuer) else { continue };
            let labels = gone.remove(&lane.client).unwrap_or_else(|| [issuer.name.clone(), client.client_id.clone()]);
            self.parts.metrics.lane_state.with_label_values(&labels).set(lane.state.gauge());
            self.shown.insert(lane.client, labels);
        }
        for labels in gone.values() {
            drop(self.parts.metrics.lane_state.remove_label_values(labels));
        }
    }
}
