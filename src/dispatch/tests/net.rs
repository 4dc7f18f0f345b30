//! Clients that do as they are told, and a log of every attempt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use time::OffsetDateTime;

use super::{SECOND, now, pass};
use crate::dispatch::{Carrier, Job};
use crate::model::{Attempt, ClientKey, DeliveryId, Outcome};

/// What a client does with an attempt that starts now: how long it takes, and what comes of it.
type Manner = Arc<dyn Fn(&Job) -> (Duration, Outcome) + Send + Sync>;

/// All clients.
#[derive(Default)]
pub(super) struct Net {
    manners: Mutex<HashMap<ClientKey, Manner>>,
    log: Arc<Mutex<Vec<Tried>>>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    pub(super) client: ClientKey,
    pub(super) delivery: DeliveryId,
    pub(super) started: Instant,
    pub(super) ended: Option<Instant>,
    pub(super) reused: bool,
}

impl Net {
    /// From now on this client behaves like this.
    pub(super) fn set(&self, client: i32, manner: impl Fn(&Job) -> (Duration, Outcome) + Send + Sync + 'static) {
        self.manners.lock().unwrap().insert(ClientKey(client), Arc::new(manner));
    }

    /// It takes the connection and never answers.
    pub(super) fn hangs(&self, client: i32) {
        self.set(client, |_| (10 * SECOND, Outcome::Unavailable));
    }

    /// It answers this at once.
    pub(super) fn answers(&self, client: i32, outcome: Outcome) {
        self.set(client, move |_| (Duration::from_millis(5), outcome));
    }

    /// It refuses connections until then, and accepts from then on.
    pub(super) fn is_down_until(&self, client: i32, back: Instant) {
        self.set(client, move |_| {
            let outcome = if now() < back { Outcome::Unavailable } else { Outcome::Accepted };
            (Duration::from_millis(20), outcome)
        });
    }

    /// Attempts at this client, in the order of their start.
    pub(super) fn tried(&self, client: i32) -> Vec<Tried> {
        self.log.lock().unwrap().iter().filter(|tried| tried.client == ClientKey(client)).cloned().collect()
    }

    /// Attempts at any client.
    pub(super) fn attempts(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// The most attempts at this client at one moment, of those that started at `from` or later.
    pub(super) fn peak(&self, client: i32, from: Instant) -> usize {
        let tried: Vec<_> = self.tried(client).into_iter().filter(|tried| tried.started >= from).collect();
        let running = |at: Instant| {
            tried.iter().filter(|other| other.started <= at && other.ended.is_none_or(|ended| ended > at)).count()
        };
        tried.iter().map(|tried| running(tried.started)).max().unwrap_or_default()
    }
}

impl Carrier for Net {
    fn carry(&self, job: Job) -> BoxFuture<'static, Attempt> {
        let manner = self.manners.lock().unwrap().get(&job.client.key).cloned();
        let (log, started) = (Arc::clone(&self.log), now());
        let index = {
            let mut log = log.lock().unwrap();
            let (client, delivery, reused) = (job.client.key, job.delivery.id, job.connection_may_be_reused);
            log.push(Tried { client, delivery, started, ended: None, reused });
            log.len() - 1
        };
        async move {
            let (took, outcome) = manner.map_or((Duration::from_millis(20), Outcome::Accepted), |manner| manner(&job));
            pass(took).await;
            log.lock().unwrap()[index].ended = Some(now());
            Attempt {
                outcome,
                status: None,
                retry_after: None,
                jti: None,
                kid: None,
                started_at: OffsetDateTime::UNIX_EPOCH,
                took,
                detail: "as told".into(),
            }
        }
        .boxed()
    }
}
