//! What is tried, and how does it end? Read from the service's API while it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};

use super::report;
use crate::cli::api::{Api, Paged};
use crate::model::{Clock as _, SystemClock};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Attempts of the same moment are read one by one: this long later all are there, to be put in order.
const ORDER: Duration = Duration::from_millis(200);

/// A logout while it is delivered.
pub(super) struct Follower<'a> {
    api: &'a Api,
    /// When the user signed out.
    since: OffsetDateTime,
    logout: i64,
    /// How many attempts of each delivery have been read.
    read: BTreeMap<i64, usize>,
    /// Read and not shown yet, with their clients.
    waiting: Vec<(String, Attempt)>,
}

/// How far it came.
#[derive(Debug, Deserialize)]
pub(super) struct Logout {
    pub(super) id: i64,
    pub(super) settled: bool,
    #[serde(default)]
    pub(super) deliveries: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    pub(super) id: i64,
    pub(super) client_id: String,
    attempts_made: usize,
}

#[derive(Deserialize)]
struct Detail {
    attempts: Vec<Attempt>,
}

/// One HTTP try.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Attempt {
    pub(super) number: u16,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) started_at: OffsetDateTime,
    pub(super) outcome: String,
    pub(super) status: Option<u16>,
    pub(super) jti: Option<String>,
}

impl<'a> Follower<'a> {
    /// Finds the logout of this event, which may still be on its way.
    pub(super) async fn find(api: &'a Api, event: &str, since: OffsetDateTime) -> anyhow::Result<Self> {
        let url = api.url(&["v1", "logouts"], &[("event_id", event)]);
        loop {
            let found: Paged<Logout> = api.get(&url).await?;
            if let Some(logout) = found.items.first() {
                return Ok(Self { api, since, logout: logout.id, read: BTreeMap::new(), waiting: Vec::new() });
            }
            sleep(LOOK).await;
        }
    }

    /// Shows every attempt as it is made, until nothing is owed or the time is up.
    pub(super) async fn follow(mut self, within: Duration) -> anyhow::Result<Logout> {
        let settled = timeout(within, async {
            loop {
                let logout = self.look().await?;
                if logout.settled {
                    return anyhow::Ok(logout);
                }
                self.show(SystemClock.now() - ORDER);
                sleep(LOOK).await;
            }
        });
        let logout = match settled.await {
            Ok(logout) => logout?,
            Err(_late) => self.look().await?,
        };
        self.show(SystemClock.now());
        Ok(logout)
    }

    /// Reads what is new.
    async fn look(&mut self) -> anyhow::Result<Logout> {
        let id = self.logout.to_string();
        let logout: Logout = self.api.get(&self.api.url(&["v1", "logouts", &id], &[])).await?;
        for delivery in &logout.deliveries {
            let read = self.read.entry(delivery.id).or_default();
            if delivery.attempts_made > *read {
                let url = self.api.url(&["v1", "deliveries", &delivery.id.to_string()], &[]);
                let detail: Detail = self.api.get(&url).await?;
                let all = detail.attempts.len();
                let fresh = detail.attempts.into_iter().skip(*read);
                self.waiting.extend(fresh.map(|attempt| (delivery.client_id.clone(), attempt)));
                *read = all;
            }
        }
        Ok(logout)
    }

    /// Shows what was started up to this moment.
    fn show(&mut self, until: OffsetDateTime) {
        self.waiting.sort_by_key(|(_, attempt)| attempt.started_at);
        let ripe = self.waiting.partition_point(|(_, attempt)| attempt.started_at <= until);
        for (client, attempt) in self.waiting.drain(..ripe) {
            report::attempt(&client, &attempt, self.since);
        }
    }
}
