//! What came of one try? Signs, checks the address, posts, reads the answer: one `Attempt`.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};
use url::Url;
use uuid::Uuid;

use super::Settings;
use super::answer::{Secrets, classify, kept, printable, retry_after};
use super::guard::{self, Blocked, Rules};
use super::pool::{self, Pool};
use crate::metrics::Metrics;
use crate::model::client::alg_name;
use crate::model::{Attempt, Client, Clock, Delivery, Issuer, Outcome};
use crate::token::{self, Claims, SharedKeyrings};

/// Makes attempts. One for the whole service: it keeps the connections.
#[derive(Debug)]
pub struct Deliverer {
    settings: Settings,
    token_settings: token::Settings,
    keyrings: SharedKeyrings,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    pool: Pool,
}

/// Everything one attempt is about.
#[derive(Clone, Copy)]
struct Job<'a> {
    delivery: &'a Delivery,
    issuer: &'a Issuer,
    client: &'a Client,
    until: Instant,
}

/// A signed token and the names it goes by.
struct Signed {
    token: String,
    jti: Uuid,
    kid: String,
}

/// What one request came to.
struct Tried {
    outcome: Outcome,
    status: Option<u16>,
    retry_after: Option<Duration>,
    signed: Option<(Uuid, String)>,
    detail: String,
    /// The connection ended before any answer.
    cut_off: bool,
}

impl Deliverer {
    /// Signs with the keys that are current at each attempt.
    #[must_use]
    pub fn new(
        settings: Settings,
        token_settings: token::Settings,
        keyrings: SharedKeyrings,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        let pool = Pool::new(settings.clone());
        Self { settings, token_settings, keyrings, clock, metrics, pool }
    }

    /// How long an attempt for this client may take.
    #[must_use]
    pub fn deadline(&self, client: &Client) -> Duration {
        client.timeout.unwrap_or(self.settings.timeout)
    }

    /// One attempt, over before its deadline. A connection that may have been kept and is cut
    /// before any answer was probably closed by the server while idle: then a second request goes
    /// out at once, on a new connection and with a new token.
    pub async fn attempt(
        &self,
        delivery: &Delivery,
        issuer: &Issuer,
        client: &Client,
        connection_may_be_reused: bool,
    ) -> Attempt {
        let (started_at, began) = (self.clock.now(), self.clock.instant());
        let job = Job { delivery, issuer, client, until: Instant::now() + self.deadline(client) };
        let mut tried = self.once(job, false).await;
        if tried.cut_off && connection_may_be_reused {
            tried = self.once(job, true).await;
        }
        let (jti, kid) = tried.signed.unzip();
        let took = self.clock.instant().saturating_duration_since(began);
        Attempt {
            outcome: tried.outcome,
            status: tried.status,
            retry_after: tried.retry_after,
            jti,
            kid,
            started_at,
            took,
            detail: tried.detail,
        }
    }

    async fn once(&self, job: Job<'_>, fresh: bool) -> Tried {
        let Some(uri) = &job.client.backchannel_logout_uri else {
            return Tried::unsent(Outcome::Misdirected, "the client has no backchannel_logout_uri");
        };
        if let Err(blocked) = self.check(job.client, uri) {
            return Tried::unsent(Outcome::Blocked, &blocked.to_string());
        }
        let http = match timeout_at(job.until, self.pool.client(job.client, uri, fresh)).await {
            Ok(Ok(http)) => http,
            Ok(Err(error)) => return Tried::unsent(Outcome::Unavailable, &error.to_string()),
            Err(_) => return Tried::unsent(Outcome::Unavailable, "timeout reading the client's TLS files"),
        };
        match self.sign(job) {
            Ok(signed) => self.post(job, &http, uri, signed).await,
            Err(why) => Tried::unsent(Outcome::Unsignable, &why),
        }
    }

    fn check(&self, client: &Client, uri: &Url) -> Result<(), Blocked> {
        let networks = pool::networks(&self.settings, client);
        let http = pool::allow_http(&self.settings, client);
        guard::check_url(uri, &Rules { networks: &networks, ports: &self.settings.allow_ports, http })
    }

    fn sign(&self, job: Job<'_>) -> Result<Signed, String> {
        let alg = job.client.id_token_signed_response_alg.unwrap_or(job.issuer.default_alg);
        let now = self.clock.now();
        let rings = self.keyrings.load();
        let key = rings.get(job.issuer.key).and_then(|ring| ring.signer(alg, now));
        let key = key.ok_or_else(|| format!("issuer {} has no key that signs {}", job.issuer.name, alg_name(alg)))?;
        let jti = Uuid::from_bytes(rand::random());
        let claims = Claims::new(&job.issuer.issuer, job.client, job.delivery, now, &self.token_settings, jti);
        let claims = claims.map_err(|error| error.to_string())?;
        let began = self.clock.instant();
        let token = token::sign(key, alg, &claims).map_err(|error| error.to_string())?;
        let took = self.clock.instant().saturating_duration_since(began);
        self.metrics.sign_duration.with_label_values(&[alg_name(alg)]).observe(took.as_secs_f64());
        Ok(Signed { token, jti, kid: key.kid().to_owned() })
    }

    async fn post(&self, job: Job<'_>, http: &reqwest::Client, uri: &Url, signed: Signed) -> Tried {
        let request = http
            .post(uri.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("logout_token={}", signed.token));
        let mut tried = match timeout_at(job.until, request.send()).await {
            Ok(Ok(response)) => self.answered(job, response, &signed.token).await,
            Ok(Err(error)) => self.failed(error),
            Err(_) => {
                let limit = humantime::format_duration(self.deadline(job.client));
                Tried::unsent(Outcome::Unavailable, &format!("timeout: no answer within {limit}"))
            }
        };
        tried.signed = Some((signed.jti, signed.kid));
        tried
    }

    /// The status line decides; a body that fails or hangs afterwards takes nothing back.
    async fn answered(&self, job: Job<'_>, mut response: reqwest::Response, token: &str) -> Tried {
        let status = response.status().as_u16();
        let hint = self.hint(response.headers());
        let mut body = Vec::new();
        while body.len() < self.settings.answer_bytes {
            let Ok(Ok(Some(chunk))) = timeout_at(job.until, response.chunk()).await else { break };
            let room = self.settings.answer_bytes - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        }
        let secrets = Secrets { token, sid: job.delivery.sid.as_deref(), sub: job.delivery.sub.as_deref() };
        Tried {
            outcome: classify(status),
            status: Some(status),
            retry_after: hint,
            signed: None,
            detail: kept(&body, &secrets, self.settings.answer_kept),
            cut_off: false,
        }
    }

    fn hint(&self, headers: &HeaderMap) -> Option<Duration> {
        retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, self.clock.now())
    }

    fn failed(&self, error: reqwest::Error) -> Tried {
        let error = error.without_url();
        if let Some(blocked) = causes(&error).find_map(|cause| cause.downcast_ref::<Blocked>()) {
            return Tried::unsent(Outcome::Blocked, &blocked.to_string());
        }
        let text = causes(&error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let detail = printable(&text, self.settings.answer_kept);
        let cut_off = !error.is_connect() && causes(&error).any(is_cut_off);
        Tried { cut_off, ..Tried::unsent(Outcome::Unavailable, &detail) }
    }
}

impl Tried {
    fn unsent(outcome: Outcome, detail: &str) -> Self {
        Self { outcome, status: None, retry_after: None, signed: None, detail: detail.to_owned(), cut_off: false }
    }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

fn is_cut_off(cause: &(dyn StdError + 'static)) -> bool {
    let http = cause.downcast_ref::<hyper::Error>();
    let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    http.is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed())
        || matches!(
            io,
            Some(
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
            )
        )
}
