//! May this attempt leave now? The last look before a row becomes a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::carrier::{Job, carry};
use super::handle::{Finished, Message};
use super::lanes::Start;
use super::run::Dispatcher;
use crate::model::{Client, Delivery, Issuer};

/// A connection kept this long may still be open; the pool drops it a little earlier.
const CONNECTION_KEPT: Duration = Duration::from_secs(5);

impl Dispatcher {
    /// Starts every attempt that may start now.
    pub(super) fn start(&mut self) {
        if self.stopping.is_some() || self.settling.down {
            return;
        }
        let now = self.parts.clock.instant();
        while let Some(start) = self.lanes.next(now) {
            if let Some((job, deadline)) = self.job(&start, now) {
                self.launch(start, job, deadline);
            } else {
                self.lanes.unstarted(&start.ticket, now);
                self.give_back(&start.row);
            }
        }
    }

    /// The attempt and its deadline, if the client is still there and the lease outlives it.
    fn job(&self, start: &Start, now: Instant) -> Option<(Job, Duration)> {
        let leased = &start.row.leased;
        let (client, issuer) = self.registered(&leased.delivery)?;
        let deadline = self.deadline(&client);
        let connection_may_be_reused = start.success_ago.is_some_and(|ago| ago <= CONNECTION_KEPT);
        leased
            .outlives(now, deadline + self.parts.settings.lease_margin)
            .then(|| (Job { delivery: leased.delivery.clone(), client, issuer, connection_may_be_reused }, deadline))
    }

    fn launch(&self, start: Start, job: Job, deadline: Duration) {
        let Start { row, ticket, .. } = start;
        let (client, issuer) = (Arc::clone(&job.client), Arc::clone(&job.issuer));
        let limit = deadline + self.parts.settings.lease_margin / 2;
        let attempt = carry(Arc::clone(&self.parts.carrier), job, limit, Arc::clone(&self.parts.clock));
        let inbox = self.inbox_sender();
        self.parts.shutdown.spawn(async move {
            let attempt = attempt.await;
            drop(inbox.send(Message::Finished(Box::new(Finished { row, ticket, client, issuer, attempt }))));
        });
    }

    /// The client's own deadline or everybody's, and never one that a fresh lease cannot cover.
    fn deadline(&self, client: &Client) -> Duration {
        let settings = &self.parts.settings;
        let most = (settings.lease * 9 / 10).saturating_sub(settings.lease_margin);
        client.timeout.unwrap_or(self.parts.timeout).min(most)
    }

    /// The client and issuer of a delivery, if it can be tried: registered, with a URI.
    pub(super) fn registered(&self, delivery: &Delivery) -> Option<(Arc<Client>, Arc<Issuer>)> {
        let directory = self.parts.directory.load();
        let client = directory.client(delivery.client).filter(|client| client.backchannel_logout_uri.is_some())?;
        Some((Arc::clone(client), Arc::clone(directory.issuer(delivery.issuer)?)))
    }
}
