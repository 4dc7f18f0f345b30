//! Attempts against real servers that answer well, badly, slowly or never.
mod address;
mod answers;
mod connections;
mod plain;
mod request;
pub(crate) mod server;
pub(crate) mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use signoff::deliver::{Deliverer, Settings};
use signoff::metrics::Metrics;
use signoff::model::{
    Attempt, Cause, Client, ClientKey, Delivery, DeliveryId, Issuer, IssuerKey, LogoutId, LogoutTokenSubject,
    SubjectLogout, SystemClock,
};
use signoff::token::{self, Keyring, Keyrings, SharedKeyrings};
use time::OffsetDateTime;

use crate::token::key;

const ISSUER: IssuerKey = IssuerKey(1);

/// A deliverer with one ES256 key that may reach the loopback by `http`.
struct Rig {
    deliverer: Deliverer,
    rings: SharedKeyrings,
    metrics: Metrics,
    issuer: Issuer,
}

impl Rig {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        let ring =
            Keyring::new([(Arc::new(key(Algorithm::ES256)), OffsetDateTime::UNIX_EPOCH)], &token::Settings::default());
        let rings = SharedKeyrings::new(ArcSwap::from_pointee(Keyrings::new([(ISSUER, ring)])));
        let metrics = Metrics::new().unwrap();
        let deliverer =
            Deliverer::new(settings, token::Settings::default(), rings.clone(), Arc::new(SystemClock), metrics.clone());
        Self { deliverer, rings, metrics, issuer: issuer() }
    }

    async fn attempt(&self, client: &Client) -> Attempt {
        self.deliverer.attempt(&delivery(), &self.issuer, client, false).await
    }

    async fn attempt_on_kept(&self, client: &Client) -> Attempt {
        self.deliverer.attempt(&delivery(), &self.issuer, client, true).await
    }
}

fn settings() -> Settings {
    Settings {
        timeout: Duration::from_secs(5),
        allow_networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        allow_http: true,
        ..Settings::default()
    }
}

fn issuer() -> Issuer {
    Issuer {
        key: ISSUER,
        name: "main".into(),
        issuer: "https://idp.example/".into(),
        default_alg: Algorithm::ES256,
        sid_is_session_id: true,
        reuses_session_ids: false,
        logs_out_offline: false,
    }
}

fn delivery() -> Delivery {
    Delivery {
        id: DeliveryId(1),
        logout: LogoutId(1),
        issuer: ISSUER,
        client: ClientKey(1),
        sid: Some("session-1".into()),
        sub: Some("alice".into()),
        cause: Cause::UserLogout,
        tries: 0,
        attempts: 0,
        owed_for: Duration::ZERO,
        accepted_at: OffsetDateTime::UNIX_EPOCH,
        streak: None,
        bulk: false,
    }
}

fn client(uri: &str) -> Client {
    Client {
        key: ClientKey(1),
        issuer: ISSUER,
        client_id: "shop".into(),
        backchannel_logout_uri: Some(uri.parse().unwrap()),
        backchannel_logout_session_required: false,
        id_token_signed_response_alg: None,
        logout_token_subject: LogoutTokenSubject::Both,
        subject_logout: SubjectLogout::EachSession,
        logout_causes: None,
        include_cause: false,
        allow_networks: vec![],
        allow_http: None,
        ca_file: None::<PathBuf>,
        client_certificate_file: None,
        timeout: None,
    }
}
