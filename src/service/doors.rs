//! Which room stands behind which door? The small traits of one room, answered by another.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::admin::{Events, Jwks};
use crate::deliver::Deliverer;
use crate::dispatch::{Carrier, Job};
use crate::intake::SubmitError;
use crate::intake::http::Http;
use crate::model::{Attempt, Clock, IssuerKey, Receipt};
use crate::token::SharedKeyrings;

/// The dispatcher's attempts are HTTP posts.
pub(super) struct Post(pub(super) Arc<Deliverer>);

impl Carrier for Post {
    fn carry(&self, job: Job) -> BoxFuture<'static, Attempt> {
        let deliverer = Arc::clone(&self.0);
        async move { deliverer.attempt(&job.delivery, &job.issuer, &job.client, job.connection_may_be_reused).await }
            .boxed()
    }
}

/// The API's events go in by the HTTP intake.
pub(super) struct Submit(pub(super) Http);

#[async_trait]
impl Events for Submit {
    async fn submit(
        &self,
        content_type: &str,
        body: &[u8],
        issuers: Option<&[String]>,
        allow_bulk: bool,
    ) -> Result<Vec<Receipt>, SubmitError> {
        self.0.submit(content_type, body, issuers, allow_bulk).await
    }
}

/// The API's key sets are the keyrings' public halves.
pub(super) struct PublicKeys {
    pub(super) keyrings: SharedKeyrings,
    pub(super) clock: Arc<dyn Clock>,
}

impl Jwks for PublicKeys {
    fn jwks(&self, issuer: IssuerKey) -> Option<Value> {
        self.keyrings.load().get(issuer).map(|keyring| keyring.jwks(self.clock.now()))
    }
}
