//! What does a verifier need to know, and what does it assume?

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Keys, LogoutTokenVerifier, Trusted};
use crate::claims::{ClaimsPolicy, ExpPolicy, JtiPolicy, MultiAudience};
use crate::jose::{Algorithm, HmacAlgorithm, JosePolicy, Secret, SignaturePolicy, TypPolicy};
use crate::keys::{KeyCache, KeySource, Times};
use crate::metadata::well_known;
use crate::outbound::{BadRemote, Remote};
use crate::{Clock, SystemClock};

/// Collects what [`LogoutTokenVerifier`] needs to know.
#[derive(Debug)]
#[must_use]
pub struct LogoutTokenVerifierBuilder {
    claims: ClaimsPolicy,
    algorithms: Vec<Algorithm>,
    typ: TypPolicy,
    jti: JtiPolicy,
    keys: Option<Source>,
    plain_http: bool,
    times: Times,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Source {
    Discovery,
    Uri(String),
    File(PathBuf),
    /// `None`: the secret is too short.
    Shared(HmacAlgorithm, Option<Secret>),
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
    /// None of `discover`, `jwks_uri`, `jwks_file`, `hmac`.
    #[error("none of discover, jwks_uri, jwks_file, hmac is given")]
    NoKeys,
    /// An empty list of algorithms.
    #[error("no signature algorithm is allowed")]
    NoAlgorithms,
    /// `exp` is optional and no maximum age is set: a token would be good for ever.
    #[error("without a maximum age, exp must be required")]
    UnboundedLifetime,
    /// The secret has fewer bytes than the hash (RFC 7518, section 3.2).
    #[error("the secret is shorter than its algorithm demands")]
    SecretTooShort,
    /// Two verifiers are for the same issuer and client.
    #[error("two verifiers are for the same issuer and client")]
    Ambiguous,
    /// The issuer is not an absolute http or https URL: there is nothing to discover.
    #[error("issuer is not an absolute http or https URL")]
    Issuer,
    /// `jwks_uri` is not an absolute http or https URL.
    #[error("jwks_uri is not an absolute http or https URL")]
    JwksUri,
    /// `jwks_uri`, or the issuer to discover, is http, beyond this machine, and that was not allowed.
    #[error("the provider's address is not https; allow_plain_http() accepts that")]
    PlainHttp,
    /// The HTTP client cannot work here; on machines without CA certificates, for one.
    #[error("the HTTP client could not be built")]
    HttpClient(#[source] reqwest::Error),
}

impl LogoutTokenVerifierBuilder {
    pub(super) fn new() -> Self {
        Self {
            claims: ClaimsPolicy::new("", ""),
            algorithms: Algorithm::ALL.to_vec(),
            typ: TypPolicy::default(),
            jti: JtiPolicy::default(),
            keys: None,
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

    /// Reads the provider's discovery document (`/.well-known/openid-configuration`) to find its keys, when
    /// the first token comes and each time the keys are read. This, `jwks_uri`, `jwks_file` or `hmac` is
    /// required; the last one given counts.
    pub fn discover(mut self) -> Self {
        self.keys = Some(Source::Discovery);
        self
    }

    /// Where the provider publishes its keys; read when the first token comes.
    pub fn jwks_uri(mut self, uri: impl Into<String>) -> Self {
        self.keys = Some(Source::Uri(uri.into()));
        self
    }

    /// A file that holds the provider's keys as a JSON Web Key Set; read again as a URL would be.
    pub fn jwks_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys = Some(Source::File(path.into()));
        self
    }

    /// For a client that is registered with HS256, HS384 or HS512: tokens are signed with this secret, the
    /// octets of the `client_secret` (OpenID Connect Core, section 10.1), and no other tokens are accepted.
    pub fn hmac(mut self, algorithm: HmacAlgorithm, secret: impl AsRef<[u8]>) -> Self {
        self.keys = Some(Source::Shared(algorithm, Secret::new(algorithm, secret.as_ref())));
        self
    }

    /// Accept keys over plain http from other machines. Whoever can change them on the way can log
    /// everybody out; this machine's own addresses need no permission.
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// The signature algorithms to accept; all of [`Algorithm::ALL`] unless set. Best: the one the
    /// client is registered with (`id_token_signed_response_alg`). Means nothing with [`hmac`](Self::hmac).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// What the header's `typ` must say; lenient unless set.
    pub fn typ(mut self, policy: TypPolicy) -> Self {
        self.typ = policy;
        self
    }

    /// Whether `exp` must be there; required unless set.
    pub fn exp(mut self, policy: ExpPolicy) -> Self {
        self.claims = self.claims.exp(policy);
        self
    }

    /// Whether `jti` must be there; required unless set.
    pub fn jti(mut self, policy: JtiPolicy) -> Self {
        self.jti = policy;
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
    pub fn build(mut self) -> Result<LogoutTokenVerifier, BuildError> {
        if self.claims.issuer.is_empty() {
            return Err(BuildError::NoIssuer);
        }
        if self.claims.client_id.is_empty() {
            return Err(BuildError::NoClientId);
        }
        if self.algorithms.is_empty() {
            return Err(BuildError::NoAlgorithms);
        }
        if !self.claims.bounds_lifetime() {
            return Err(BuildError::UnboundedLifetime);
        }
        let (signature, keys) = match self.keys.take().ok_or(BuildError::NoKeys)? {
            Source::Shared(algorithm, secret) => {
                (SignaturePolicy::Shared(algorithm), Keys::Shared(secret.ok_or(BuildError::SecretTooShort)?))
            }
            Source::File(path) => self.published(KeySource::File(path)),
            Source::Uri(uri) => {
                let remote = Remote::new(&uri, self.plain_http);
                self.published(KeySource::Uri(remote.map_err(|bad| address(bad, BuildError::JwksUri))?))
            }
            Source::Discovery => {
                let document = well_known(&self.claims.issuer, self.plain_http);
                let document = document.map_err(|bad| address(bad, BuildError::Issuer))?;
                let (issuer, plain_http) = (self.claims.issuer.clone(), self.plain_http);
                self.published(KeySource::Discovery { issuer, document, plain_http })
            }
        };
        let jose = JosePolicy { signature, typ: self.typ };
        let trusted = Trusted { jose, claims: self.claims, jti: self.jti, clock: self.clock, keys };
        Ok(LogoutTokenVerifier { trusted: vec![Arc::new(trusted)] })
    }

    fn published(&self, source: KeySource) -> (SignaturePolicy, Keys) {
        let algorithms = self.algorithms.clone();
        let cache = KeyCache::new(source, self.times, algorithms.clone(), Arc::clone(&self.clock));
        (SignaturePolicy::Published(algorithms), Keys::Published(Arc::new(cache)))
    }
}

fn address(bad: BadRemote, not_a_url: BuildError) -> BuildError {
    match bad {
        BadRemote::NotAUrl => not_a_url,
        BadRemote::PlainHttp => BuildError::PlainHttp,
        BadRemote::Client(error) => BuildError::HttpClient(error),
    }
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
    fn j13_a_secret_has_as_many_bytes_as_the_hash() {
        for algorithm in [HmacAlgorithm::HS256, HmacAlgorithm::HS384, HmacAlgorithm::HS512] {
            let build = |size: usize| builder().hmac(algorithm, vec![7; size]).build();
            assert!(build(algorithm.size()).is_ok(), "{algorithm:?}");
            assert!(matches!(build(algorithm.size() - 1), Err(BuildError::SecretTooShort)), "{algorithm:?}");
        }
    }

    #[test]
    fn two_verifiers_for_the_same_tokens_are_a_mistake() {
        let one = |issuer: &str, client: &str| builder().issuer(issuer).client_id(client).build().unwrap();
        let any = |verifiers: Vec<LogoutTokenVerifier>| LogoutTokenVerifier::any_of(verifiers);
        assert!(any(vec![one("a", "c"), one("b", "c"), one("a", "d")]).is_ok());
        assert!(matches!(any(vec![]), Err(BuildError::NoIssuer)));
        assert!(matches!(any(vec![one("a", "c"), one("b", "c"), one("a", "c")]), Err(BuildError::Ambiguous)));
        let tolerant = builder().issuer("a/").client_id("c").ignore_trailing_slash().build().unwrap();
        assert!(matches!(any(vec![one("a", "c"), tolerant]), Err(BuildError::Ambiguous)));
    }

    #[test]
    fn what_cannot_be_discovered_is_named() {
        let build = |issuer: &str| builder().issuer(issuer).discover().build();
        assert!(build("https://idp.example.com/tenant/").is_ok());
        assert!(matches!(build("idp"), Err(BuildError::Issuer)));
        assert!(matches!(build("http://idp.example.com"), Err(BuildError::PlainHttp)));
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
