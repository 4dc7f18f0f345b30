//! What do others see of the lanes? Their room for the intake, their state for operators.

use std::sync::Arc;
use std::time::Instant;

use super::handle::LaneStatus;
use super::run::Dispatcher;
use crate::model::ClientKey;

impl Dispatcher {
    /// Shows every lane as it is now, and forgets those of which nothing is left.
    pub(super) fn show(&mut self) {
        let now = self.parts.clock.instant();
        for client in self.lanes.clients() {
            if self.lanes.is_idle(client, now) && self.parts.rooms.forget(client) {
                self.lanes.forget(client);
                self.gauge(client, None);
            } else {
                self.publish(client, now);
            }
        }
        let lanes = self.lanes.status(now);
        for lane in &lanes {
            self.gauge(lane.client, Some(lane));
        }
        self.handle.lanes.store(Arc::new(lanes));
    }

    /// Tells the intake how much room a lane has.
    pub(super) fn publish(&self, client: ClientKey, now: Instant) {
        let (rows, backlog) = self.lanes.rows(client, now);
        self.parts.rooms.publish(client, rows, backlog);
    }

    fn gauge(&self, client: ClientKey, lane: Option<&LaneStatus>) {
        let directory = self.parts.directory.load();
        let Some(client) = directory.client(client) else { return };
        let Some(issuer) = directory.issuer(client.issuer) else { return };
        let labels = [issuer.name.as_str(), client.client_id.as_str()];
        match lane {
            Some(lane) => self.parts.metrics.lane_state.with_label_values(&labels).set(lane.state.gauge()),
            None => drop(self.parts.metrics.lane_state.remove_label_values(&labels)),
        }
    }
}
