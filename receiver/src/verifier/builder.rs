//! What does a verifier need to know, and what does it assume?

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, redirect};
use url::{Host, Url};

use super::{LogoutTokenVerifier, Rules};
use crate::claims::{ClaimsPolicy, ExpPolicy, MultiAudience};
use crate::jose::{Algorithm, JosePolicy, TypPolicy};
use crate::keys::{KeyCache, KeySource, Times};
use crate::{Clock, SystemClock};

/// Collects what [`LogoutTokenVerifier`] needs to know.
#[derive(Debug)]
#[must_use]
pub struct LogoutTokenVerifierBuilder {
    claims: ClaimsPolicy,
    jose: JosePolicy,
    jwks: Option<Jwks>,
    plain_http: bool,
    times: Times,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Jwks {
    Uri(String),
    File(PathBuf),
}

/// What is missing or wrong in the configuration of a verifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No `issuer`, or an empty one.
    #[error("issuer is missing")]
    NoIssuer,
    /// No `client_id`, or an empty one.
    #[error("client_id is missing")]
    NoClientId,
    /// Neither `jwks_uri` nor `jwks_file`.
    #[error("neither jwks_uri nor jwks_file is given")]
    NoKeys,
    /// An empty list of algorithms.
    #[error("no signature algorithm is allowed")]
    NoAlgorithms,
    /// `exp` is optional and no maximum age is set: a token would be good for ever.
    #[error("without a maximum age, exp must be required")]
    UnboundedLifetime,
    /// `jwks_uri` is not an absolute http or https URL.
    #[error("jwks_uri is not an absolute http or https URL")]
    JwksUri,
    /// `jwks_uri` is http, beyond this machine, and that was not allowed.
    #[error("jwks_uri is not https; allow_plain_http() accepts that")]
    PlainHttp,
    /// The HTTP client cannot work here; on machines without CA certificates, for one.
    #[error("the HTTP client could not be built")]
    HttpClient(#[source] reqwest::Error),
}

impl LogoutTokenVerifierBuilder {
    pub(super) fn new() -> Self {
        Self {
            claims: ClaimsPolicy::new("", ""),
            jose: JosePolicy { algorithms: Algorithm::ALL.to_vec(), typ: TypPolicy::default() },
            jwks: None,
            plain_http: false,
            times: Times { timeout: Duration::from_secs(5), max_age: Duration::from_mins(10) },
            clock: Arc::new(SystemClock),
        }
    }

    /// The provider's issuer URL, byte for byte as in its discovery document. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.claims.issuer = issuer.into();
        self
    }

    /// Our client id at the provider. Required.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.claims.client_id = client_id.into();
        self
    }

    /// Where the provider publishes its keys; read when the first token comes. This or `jwks_file` is required.
    pub fn jwks_uri(mut self, uri: impl Into<String>) -> Self {
        self.jwks = Some(Jwks::Uri(uri.into()));
        self
    }

    /// A file that holds the provider's keys as a JSON Web Key Set; read again as a URL would be.
    pub fn jwks_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.jwks = Some(Jwks::File(path.into()));
        self
    }

    /// Accept keys over plain http from other machines. Whoever can change them on the way can log
    /// everybody out; this machine's own addresses need no permission.
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// The signature algorithms to accept; all of [`Algorithm::ALL`] unless set. Best: the one the
    /// client is registered with (`id_token_signed_response_alg`).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.jose.algorithms = algorithms.into_iter().collect();
        self
    }

    /// What the header's `typ` must say; lenient unless set.
    pub fn typ(mut self, policy: TypPolicy) -> Self {
        self.jose.typ = policy;
        self
    }

    /// Whether `exp` must be there; required unless set.
    pub fn exp(mut self, policy: ExpPolicy) -> Self {
        self.claims = self.claims.exp(policy);
        self
    }

    /// What to do with several audiences and no `azp`; accepted unless set.
    pub fn multi_audience(mut self, policy: MultiAudience) -> Self {
        self.claims = self.claims.multi_audience(policy);
        self
    }

    /// How old `iat` may be, on top of the skew; 10 minutes unless set, `None` for any age.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.claims = self.claims.max_age(age.into());
        self
    }

    /// How far the provider's clock and ours may be apart; 60 s unless set.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.claims = self.claims.skew(skew);
        self
    }

    /// Refuse tokens without `sid`, as `backchannel_logout_session_required` asks for.
    pub fn require_sid(mut self) -> Self {
        self.claims = self.claims.require_sid(true);
        self
    }

    /// Accept an `iss` that differs from the issuer by a trailing slash.
    pub fn ignore_trailing_slash(mut self) -> Self {
        self.claims = self.claims.ignore_trailing_slash(true);
        self
    }

    /// How long the provider's keys may take to arrive; 5 s unless set. Senders wait for it.
    pub fn jwks_timeout(mut self, timeout: Duration) -> Self {
        self.times.timeout = timeout;
        self
    }

    /// After which time the keys are read again, so that a withdrawn key is refused; 10 minutes unless set.
    pub fn jwks_max_age(mut self, age: Duration) -> Self {
        self.times.max_age = age;
        self
    }

    /// Where the time comes from; the machine unless set.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The verifier. Does no I/O: it can be built before the provider is up.
    pub fn build(self) -> Result<LogoutTokenVerifier, BuildError> {
        if self.claims.issuer.is_empty() {
            return Err(BuildError::NoIssuer);
        }
        if self.claims.client_id.is_empty() {
            return Err(BuildError::NoClientId);
        }
        if self.jose.algorithms.is_empty() {
            return Err(BuildError::NoAlgorithms);
        }
        if !self.claims.bounds_lifetime() {
            return Err(BuildError::UnboundedLifetime);
        }
        let source = match self.jwks.ok_or(BuildError::NoKeys)? {
            Jwks::File(path) => KeySource::File(path),
            Jwks::Uri(uri) => remote(&uri, self.plain_http)?,
        };
        let keys = KeyCache::new(source, self.times, self.jose.algorithms.clone(), Arc::clone(&self.clock));
        let rules = Rules { jose: self.jose, claims: self.claims, clock: self.clock };
        Ok(LogoutTokenVerifier { rules: Arc::new(rules), keys: Arc::new(keys) })
    }
}

fn remote(uri: &str, plain_http: bool) -> Result<KeySource, BuildError> {
    let uri = Url::parse(uri).map_err(|_| BuildError::JwksUri)?;
    let this_machine = match uri.host().ok_or(BuildError::JwksUri)? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    match uri.scheme() {
        "https" => {}
        "http" if this_machine || plain_http => {}
        "http" => return Err(BuildError::PlainHttp),
        _ => return Err(BuildError::JwksUri),
    }
    let client = client(uri.scheme() == "https", this_machine).map_err(BuildError::HttpClient)?;
    Ok(KeySource::Uri(uri, client))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> LogoutTokenVerifierBuilder {
        LogoutTokenVerifier::builder().issuer("https://idp.example.com").client_id("shop").jwks_file("jwks.json")
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(builder().build().is_ok());
        assert!(matches!(builder().issuer("").build(), Err(BuildError::NoIssuer)));
        assert!(matches!(builder().client_id("").build(), Err(BuildError::NoClientId)));
        assert!(matches!(builder().algorithms([]).build(), Err(BuildError::NoAlgorithms)));
        let no_keys = LogoutTokenVerifier::builder().issuer("i").client_id("c").build();
        assert!(matches!(no_keys, Err(BuildError::NoKeys)));
        let for_ever = builder().exp(ExpPolicy::IfPresent).max_age(None).build();
        assert!(matches!(for_ever, Err(BuildError::UnboundedLifetime)));
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let build = |uri: &str| builder().jwks_uri(uri).build();
        for uri in ["http://127.0.0.1:1/jwks", "http://[::1]:1/jwks", "http://localhost/jwks"] {
            assert!(build(uri).is_ok(), "{uri}");
        }
        for uri in ["http://idp.example.com/jwks", "http://10.0.0.1/jwks", "http://localhost.example.com/jwks"] {
            assert!(matches!(build(uri), Err(BuildError::PlainHttp)), "{uri}");
            assert!(builder().jwks_uri(uri).allow_plain_http().build().is_ok(), "{uri}");
        }
        for uri in ["", "/jwks", "idp.example.com", "file:///etc/passwd", "ftp://idp.example.com/jwks"] {
            assert!(matches!(build(uri), Err(BuildError::JwksUri)), "{uri}");
        }
    }
}
