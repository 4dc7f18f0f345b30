//! Who makes the attempt? The door to the deliver room, and what happens when it breaks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::model::{Attempt, Client, Clock, Delivery, Issuer, Outcome};

/// One attempt to make.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is delivered.
    pub delivery: Delivery,
    /// To whom, as registered now.
    pub client: Arc<Client>,
    /// In whose name.
    pub issuer: Arc<Issuer>,
    /// The client answered so recently that a kept connection may be used: a reset of it before
    /// any byte of the answer says nothing about the client.
    pub connection_may_be_reused: bool,
}

/// Makes attempts.
pub trait Carrier: Send + Sync {
    /// One attempt, within the client's deadline.
    fn carry(&self, job: Job) -> BoxFuture<'static, Attempt>;
}

/// One attempt that ends within `limit` and does not panic.
pub(super) async fn carry(carrier: Arc<dyn Carrier>, job: Job, limit: Duration, clock: Arc<dyn Clock>) -> Attempt {
    let (started_at, began) = (clock.now(), clock.instant());
    let trying = AssertUnwindSafe(async move { carrier.carry(job).await }).catch_unwind();
    let lost = match tokio::time::timeout(limit, trying).await {
        Ok(Ok(attempt)) => return attempt,
        Ok(Err(_)) => "attempt ended unexpectedly",
        Err(_) => "attempt did not end in time",
    };
    Attempt {
        outcome: Outcome::Unavailable,
        status: None,
        retry_after: None,
        jti: None,
        kid: None,
        started_at,
        took: clock.instant().saturating_duration_since(began),
        detail: lost.into(),
    }
}
