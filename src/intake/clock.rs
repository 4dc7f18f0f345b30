//! What does the store's clock say? Asked at most once a second, carried on by the monotonic clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::model::Clock;
use crate::store::{Store, StoreError};

/// How long one answer is carried on.
const FRESH: Duration = Duration::from_secs(1);

/// The store's clock, cheap to ask.
#[derive(Debug)]
pub struct StoreClock {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Instant, OffsetDateTime)>>,
}

impl StoreClock {
    /// The clock of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, last: Mutex::new(None) }
    }

    /// The store's time. While the store is away, its last answer is carried on: the monotonic
    /// clock does not drift by minutes. An error only if it never answered.
    pub async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        // The lock is held across the query on purpose: one query, and the others wait for it.
        let mut last = self.last.lock().await;
        let asked = self.clock.instant();
        let carried = last.map(|(then, time)| (asked.saturating_duration_since(then), time));
        if let Some((age, time)) = carried
            && age < FRESH
        {
            return Ok(time + age);
        }
        match (self.store.now().await, carried) {
            (Ok(time), _) => {
                *last = Some((asked, time));
                Ok(time)
            }
            (Err(_), Some((age, time))) => Ok(time + age),
            (Err(error), None) => Err(error),
        }
    }
}
