//! How is a provider asked over HTTP? At a configured address, within a size, without redirects.

use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Certificate, Client, redirect};
use url::{Host, Url};

/// A key set with certificates is some ten kilobytes; this is generous.
pub(crate) const MAX_BYTES: usize = 512 * 1024;

/// One address, and the client to ask it with.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) uri: Url,
    pub(crate) client: Client,
}

/// Why an address will not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRemote {
    #[error("not an absolute http or https URL")]
    NotAUrl,
    #[error("not https")]
    PlainHttp,
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    #[error("request failed")]
    Http(#[source] reqwest::Error),
    #[error("answered with status {0}")]
    Status(u16),
    #[error("larger than {MAX_BYTES} bytes")]
    TooLarge,
}

impl Remote {
    /// Over https; over http where that is allowed, or does not leave this machine.
    pub(crate) fn new(uri: &str, plain_http: bool) -> Result<Self, BadRemote> {
        let uri = Url::parse(uri).map_err(|_| BadRemote::NotAUrl)?;
        let this_machine = match uri.host().ok_or(BadRemote::NotAUrl)? {
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
            Host::Domain(name) => name == "localhost",
        };
        match uri.scheme() {
            "https" => {}
            "http" if this_machine || plain_http => {}
            "http" => return Err(BadRemote::PlainHttp),
            _ => return Err(BadRemote::NotAUrl),
        }
        let client = client(uri.scheme() == "https", this_machine).map_err(BadRemote::Client)?;
        Ok(Self { uri, client })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.uri.scheme() == "https"
    }

    /// The body of a 200. The caller bounds the time.
    pub(crate) async fn get(&self, accept: &'static str) -> Result<Vec<u8>, GetError> {
        let get = self.client.get(self.uri.clone()).header(ACCEPT, accept);
        let mut response = get.send().await.map_err(failed)?;
        if response.status() != 200 {
            return Err(GetError::Status(response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(GetError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn failed(error: reqwest::Error) -> GetError {
    GetError::Http(error.without_url())
}

#[expect(clippy::disallowed_methods, reason = "asks one configured address; the guard is for addresses others choose")]
fn client(tls: bool, this_machine: bool) -> reqwest::Result<Client> {
    let mut client = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(Duration::from_secs(2))
        // Minutes pass between two readings, and a kept connection would belong to one runtime.
        .pool_max_idle_per_host(0);
    if !tls {
        // Else it fails on machines without CA certificates, which plain http does not need.
        client = client.tls_certs_only(Vec::<Certificate>::new());
    }
    if this_machine {
        client = client.no_proxy();
    }
    client.build()
}
