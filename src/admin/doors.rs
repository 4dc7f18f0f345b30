//! What does the API stand on? Its state, and the traits of the rooms it calls.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Health, Settings, Tokens};
use crate::intake::SubmitError;
use crate::metrics::Metrics;
use crate::model::{ClientKey, Clock, Issuer, IssuerKey, Receipt, SharedDirectory};
use crate::store::Store;

/// Where events go that arrive over HTTP.
#[async_trait]
pub trait Events: Send + Sync {
    /// Records the events of one body, all or none; returns after the commit with one receipt
    /// per event. `issuers`: short names the caller may speak for; `None`: all.
    async fn submit(
        &self,
        content_type: &str,
        body: &[u8],
        issuers: Option<&[String]>,
        allow_bulk: bool,
    ) -> Result<Vec<Receipt>, SubmitError>;
}

/// Where the published keys come from.
pub trait Jwks: Send + Sync {
    /// The issuer's key set; `None`: it has none.
    fn jwks(&self, issuer: IssuerKey) -> Option<Value>;
}

/// A member of client metadata that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMember {
    /// The member's name.
    pub path: String,
    /// For people; no values.
    pub detail: String,
}

/// Checks client metadata and returns it normalised.
pub type Validate = Arc<dyn Fn(&Value, &Issuer) -> Result<Value, Vec<InvalidMember>> + Send + Sync>;

/// Called after a client was written: the service refreshes the directory and wakes or skips
/// what the client is owed.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// What every call of the API reaches.
#[derive(Clone)]
pub struct Admin {
    /// Who is registered, what is owed.
    pub store: Arc<dyn Store>,
    /// Issuers and registered clients now.
    pub directory: SharedDirectory,
    /// Clients of the configuration file: read-only here.
    pub file_clients: Arc<HashSet<ClientKey>>,
    /// What `/metrics` renders.
    pub metrics: Metrics,
    /// As configured.
    pub settings: Arc<Settings>,
    /// Who may call now.
    pub tokens: Arc<Tokens>,
    /// Where events go.
    pub events: Arc<dyn Events>,
    /// Where the published keys come from.
    pub jwks: Arc<dyn Jwks>,
    /// What the intakes report.
    pub health: Arc<Health>,
    /// Checks client metadata.
    pub validate: Validate,
    /// Told after a client was written.
    pub changed: Changed,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Ends waits and event streams at shutdown.
    pub stop: CancellationToken,
}
