//! Is it alive, is it ready, what does it count? Probes and metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Admin;
use super::auth::{Caller, Reads};
use super::problem::{Kind, Problem, ProblemBody};
use crate::metrics::Metrics;

/// The store is asked at most this often, however many probes come.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// The store must answer in this time.
const PING_DEADLINE: Duration = Duration::from_secs(2);

/// What the rooms report about themselves.
#[derive(Debug, Default)]
pub struct Health {
    intakes: Mutex<BTreeMap<String, bool>>,
    pinged: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Nothing reported yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this intake is connected now. Shown, and no reason to be unready: without its
    /// broker a replica still delivers.
    pub fn intake(&self, name: &str, connected: bool) {
        self.intakes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), connected);
    }

    fn intakes(&self) -> BTreeMap<String, bool> {
        self.intakes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the store answers, or answered a moment ago.
    async fn store(&self, admin: &Admin) -> bool {
        let mut pinged = self.pinged.lock().await;
        let now = admin.clock.instant();
        if let Some((at, up)) = *pinged
            && now.saturating_duration_since(at) < FRESH_FOR
        {
            return up;
        }
        let up = matches!(tokio::time::timeout(PING_DEADLINE, admin.store.ping()).await, Ok(Ok(())));
        *pinged = Some((admin.clock.instant(), up));
        up
    }
}

/// Why it is ready or not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    /// The service was asked to stop.
    stopping: bool,
    /// The store answers.
    store: bool,
    /// Per issuer: it has keys.
    keys: BTreeMap<String, bool>,
    /// Per intake: it is connected. Shown only.
    intakes: BTreeMap<String, bool>,
}

/// The process answers. Touches neither database nor broker.
#[utoipa::path(tag = "service", operation_id = "livez", responses((status = 200, description = "Alive")))]
#[get("/livez")]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}

/// The store answers and every issuer has keys.
#[utoipa::path(
    tag = "service",
    operation_id = "readyz",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)),
)]
#[get("/readyz")]
pub(crate) async fn ready(admin: Data<Admin>) -> HttpResponse {
    let directory = admin.directory.load_full();
    let has_keys = |keys: Option<Value>| keys.is_some_and(|set| set["keys"].as_array().is_some_and(|k| !k.is_empty()));
    let keys: BTreeMap<_, _> =
        directory.issuers().map(|issuer| (issuer.name.clone(), has_keys(admin.jwks.jwks(issuer.key)))).collect();
    let store = admin.health.store(&admin).await;
    let stopping = admin.stop.is_cancelled();
    let ready = store && !stopping && keys.values().all(|has| *has);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(Readiness { ready, stopping, store, keys, intakes: admin.health.intakes() })
}

/// What Prometheus scrapes. Not for tokens limited to issuers: it shows all.
#[utoipa::path(
    tag = "service",
    operation_id = "metrics",
    responses(
        (status = 200, description = "Prometheus text format", content_type = "text/plain"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/metrics")]
pub(crate) async fn metrics(caller: Caller<Reads>, admin: Data<Admin>) -> Result<HttpResponse, Problem> {
    if caller.issuers().is_some() {
        return Err(Problem::new(Kind::IssuerNotAllowed, "metrics show every issuer; the token is limited to some"));
    }
    rendered(&admin.metrics)
}

/// The metrics as text.
pub(crate) fn rendered(counted: &Metrics) -> Result<HttpResponse, Problem> {
    let text = counted.render().map_err(|error| {
        tracing::error!(%error, "the metrics could not be rendered");
        Problem::new(Kind::Internal, "the metrics could not be rendered")
    })?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}
