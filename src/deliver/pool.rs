//! Which connections may be shared? One pooled HTTP client per profile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::redirect::Policy;
use url::Url;

use super::Settings;
use super::resolve::{Guarded, Lookups};
use super::tls::{TlsError, TlsFiles, TlsKey};
use crate::model::Client;

/// HTTP clients kept; beyond that the one that was used longest ago goes.
const MOST_CLIENTS: usize = 1024;
/// Idle connections kept per host.
const IDLE_PER_HOST: usize = 64;
/// A multiplexed connection that does not answer a ping this long is dead.
const PING: Duration = Duration::from_secs(3);

/// All that decides whether a kept connection may be used again: it is not vetted a second time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    /// `None`: plain `http`, which needs no CA certificates.
    tls: Option<TlsKey>,
    networks: Arc<[IpNet]>,
    http: bool,
    /// Never use a connection twice.
    fresh: bool,
}

/// The kept HTTP clients.
#[derive(Debug)]
pub(super) struct Pool {
    settings: Settings,
    lookups: Arc<Lookups>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    clients: HashMap<Profile, (reqwest::Client, u64)>,
    uses: u64,
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, lookups: Lookups::new(), kept: Mutex::default() }
    }

    /// The HTTP client for this client's URI; `fresh`: one that makes a new connection.
    pub(super) async fn client(&self, client: &Client, uri: &Url, fresh: bool) -> Result<reqwest::Client, TlsError> {
        let files = if uri.scheme() == "http" {
            None
        } else {
            let (ca, identity) = (client.ca_file.as_deref(), client.client_certificate_file.as_deref());
            Some(TlsFiles::read(ca, identity).await?)
        };
        let profile = Profile {
            tls: files.as_ref().map(TlsFiles::key),
            networks: networks(&self.settings, client).into(),
            http: allow_http(&self.settings, client),
            fresh,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&profile) {
            return Ok(known);
        }
        let built = self.build(&profile, files.as_ref())?;
        kept.put(profile, built.clone());
        Ok(built)
    }

    fn build(&self, profile: &Profile, files: Option<&TlsFiles>) -> Result<reqwest::Client, TlsError> {
        let resolver = Guarded { networks: Arc::clone(&profile.networks), lookups: Arc::clone(&self.lookups) };
        let builder = plain_builder(files)?
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(self.settings.connect_timeout)
            .pool_idle_timeout(self.settings.idle_timeout)
            .pool_max_idle_per_host(if profile.fresh { 0 } else { IDLE_PER_HOST })
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING);
        builder.build().map_err(|error| not_built(&error))
    }
}

impl Kept {
    fn get(&mut self, profile: &Profile) -> Option<reqwest::Client> {
        self.uses += 1;
        let (client, used) = self.clients.get_mut(profile)?;
        *used = self.uses;
        Some(client.clone())
    }

    fn put(&mut self, profile: Profile, client: reqwest::Client) {
        if self.clients.len() >= MOST_CLIENTS {
            let oldest = self.clients.iter().min_by_key(|(_, (_, used))| *used).map(|(profile, _)| profile.clone());
            oldest.map(|profile| self.clients.remove(&profile));
        }
        self.clients.insert(profile, (client, self.uses));
    }
}

/// The deployment's networks and the client's own.
pub(super) fn networks(settings: &Settings, client: &Client) -> Vec<IpNet> {
    settings.allow_networks.iter().chain(&client.allow_networks).copied().collect()
}

/// The client's word on `http`, else the deployment's.
pub(super) fn allow_http(settings: &Settings, client: &Client) -> bool {
    client.allow_http.unwrap_or(settings.allow_http)
}

/// Whether an HTTP client can be built from these files.
pub(super) fn check(files: &TlsFiles) -> Result<(), TlsError> {
    plain_builder(Some(files))?.build().map(drop).map_err(|error| not_built(&error))
}

/// What all our HTTP clients have in common: no proxy, no redirect, no retry of their own.
/// Without TLS files nothing is trusted, and no CA store is needed.
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub(super) fn plain_builder(files: Option<&TlsFiles>) -> Result<reqwest::ClientBuilder, TlsError> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("signoff/", env!("CARGO_PKG_VERSION")));
    match files {
        Some(files) => files.apply(builder),
        None => Ok(builder.tls_certs_only([])),
    }
}

/// The innermost cause says what is wrong ("No CA certificates were loaded from the system").
pub(super) fn not_built(error: &reqwest::Error) -> TlsError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    TlsError::NotBuilt(cause.to_string())
}
