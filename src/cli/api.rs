//! How do the verbs talk to a running service? Over its HTTP API; its problems are put into words.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::{Given, Usage};
use crate::deliver::{PlainAnswer, PlainClient, PlainError, Verb};

/// Longer than the API waits for anything.
const TIMEOUT: Duration = Duration::from_secs(70);

/// Which service.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// The service's address; where the configuration says that it listens if absent
    #[arg(long, value_name = "URL", env = "SIGNOFF_URL")]
    url: Option<String>,
    /// A file with the bearer token that the service asks for
    #[arg(long, value_name = "FILE", env = "SIGNOFF_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the CA of the service's certificate, where this machine does not know it
    #[arg(long, value_name = "FILE", env = "SIGNOFF_CA_FILE")]
    ca_file: Option<PathBuf>,
}

/// A service's API.
pub(super) struct Api {
    http: PlainClient,
    base: Url,
    token: Option<Zeroizing<String>>,
}

/// What is sent, and as what.
pub(super) struct Body<'a> {
    pub(super) media_type: &'a str,
    pub(super) json: &'a Value,
}

impl<'a> Body<'a> {
    /// Plain JSON.
    pub(super) const fn json(json: &'a Value) -> Self {
        Self { media_type: "application/json", json }
    }
}

impl Where {
    /// The API there.
    pub(super) fn api(self, given: &Given) -> anyhow::Result<Api> {
        let ca = self.ca_file.filter(|file| !file.as_os_str().is_empty()).map(Trust::Ca);
        let (base, trust) = if let Some(url) = self.url.as_deref().filter(|url| !url.is_empty()) {
            (typed(url)?, ca)
        } else {
            let http = given.config()?.http;
            let own = http.tls.map(|tls| Trust::Certificate(tls.certificate_file));
            (local(http.listen, own.is_some())?, ca.or(own))
        };
        let token_file = self.token_file.filter(|file| !file.as_os_str().is_empty());
        let token = token_file.as_deref().map(secret).transpose()?;
        Ok(Api { http: trust.unwrap_or(Trust::Machine).client().context("no HTTP client")?, base, token })
    }
}

/// Whose word is taken that it is the service.
enum Trust {
    /// The CA certificates of this machine.
    Machine,
    /// Those in this file alone.
    Ca(PathBuf),
    /// The configuration's own certificate: the name it is made out to may lead elsewhere.
    Certificate(PathBuf),
}

impl Trust {
    fn client(&self) -> Result<PlainClient, PlainError> {
        match self {
            Self::Machine => PlainClient::new(TIMEOUT),
            Self::Ca(file) => PlainClient::with_ca(TIMEOUT, file),
            Self::Certificate(file) => PlainClient::with_certificate(TIMEOUT, file),
        }
    }
}

/// An address somebody typed.
fn typed(url: &str) -> Result<Url, Usage> {
    let wrong = |why: String| Usage(format!("--url: {url:?} {why}; write one like http://127.0.0.1:8080"));
    let url = Url::parse(url).map_err(|error| wrong(format!("is not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is no http or https address".into()));
    }
    Ok(url)
}

/// Where a service that listens there is reached from its own machine.
fn local(listen: SocketAddr, tls: bool) -> anyhow::Result<Url> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    if listen.port() == 0 {
        return Err(Usage("http.listen is any free port; name the service's address with --url".into()).into());
    }
    let scheme = if tls { "https" } else { "http" };
    Ok(Url::parse(&format!("{scheme}://{}", SocketAddr::new(ip, listen.port())))?)
}

fn secret(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| Usage(format!("--token-file: {} cannot be read: {error}", file.display())))?;
    let token = Zeroizing::new(text.trim().to_owned());
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Usage(format!("--token-file: {} does not hold one token", file.display())).into());
    }
    Ok(token)
}

impl Api {
    /// The API of the service at this address.
    pub(super) fn new(base: Url, token: Option<Zeroizing<String>>) -> anyhow::Result<Self> {
        Ok(Self { http: Trust::Machine.client().context("no HTTP client")?, base, token })
    }

    /// The address of something there.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The address of what an answer refers to as `/v1/…`.
    pub(super) fn linked(&self, link: &str) -> Url {
        self.url(&link.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>(), &[])
    }

    /// GET.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &Url) -> anyhow::Result<T> {
        read(&self.call(Verb::Get, url, None).await?)
    }

    /// POST.
    pub(super) async fn post<T: DeserializeOwned>(&self, url: &Url, body: Option<Body<'_>>) -> anyhow::Result<T> {
        read(&self.call(Verb::Post, url, body).await?)
    }

    /// Any call; whatever is not a success is an error.
    pub(super) async fn call(&self, verb: Verb, url: &Url, body: Option<Body<'_>>) -> anyhow::Result<PlainAnswer> {
        let answer = self.ask(verb, url, body).await?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.refusal(&answer)) }
    }

    /// Any call, and whatever is answered.
    pub(super) async fn ask(&self, verb: Verb, url: &Url, body: Option<Body<'_>>) -> anyhow::Result<PlainAnswer> {
        let body = body.map(|body| (body.media_type, body.json.to_string().into_bytes()));
        let token = self.token.as_ref().map(|token| token.as_str());
        self.http.call(verb, url.as_str(), token, body).await.with_context(|| {
            format!("the service at {} is not reached; start it, or name another with --url", self.base)
        })
    }

    fn refusal(&self, answer: &PlainAnswer) -> anyhow::Error {
        let Ok(problem) = serde_json::from_slice::<Problem>(&answer.body) else {
            return anyhow!("{} answers {}; is it a signoff service?", self.base, answer.status);
        };
        let mut text = format!("the service refuses: {}: {}", problem.title, problem.detail);
        for wrong in problem.errors.iter().filter(|wrong| wrong.detail != problem.detail) {
            let _ = write!(text, "\n  {}: {}", wrong.path.as_deref().unwrap_or_default(), wrong.detail);
        }
        if answer.status == 401 {
            text.push_str("\n  give a token of [http.tokens] with --token-file");
        }
        anyhow!(text)
    }
}

/// A successful answer's body.
pub(super) fn read<T: DeserializeOwned>(answer: &PlainAnswer) -> anyhow::Result<T> {
    serde_json::from_slice(&answer.body).context("the service's answer is not understood; is it another version?")
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Paged<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// RFC 9457.
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    path: Option<String>,
    detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_put_together_whatever_is_in_them() {
        let api = |base: &str| Api::new(typed(base).unwrap(), None).unwrap();
        let of =
            |base: &str| api(base).url(&["v1", "issuers", "a/b?c"], &[("client_id", "https://x?y=1&z")]).to_string();
        let end = "/v1/issuers/a%2Fb%3Fc?client_id=https%3A%2F%2Fx%3Fy%3D1%26z";
        assert_eq!(of("http://127.0.0.1:1"), format!("http://127.0.0.1:1{end}"));
        assert_eq!(of("http://127.0.0.1:1/"), format!("http://127.0.0.1:1{end}"));
        assert_eq!(of("https://h/signoff/?x#y"), format!("https://h/signoff{end}"));
        assert_eq!(api("http://h/").linked("/v1/logouts/7").as_str(), "http://h/v1/logouts/7");
    }

    #[test]
    fn a_service_on_every_address_is_reached_on_loopback() {
        for (listen, expected) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0:80", "http://127.0.0.1/"),
            ("[::]:8080", "http://[::1]:8080/"),
            ("10.0.0.7:1", "http://10.0.0.7:1/"),
        ] {
            assert_eq!(local(listen.parse().unwrap(), false).unwrap().as_str(), expected, "{listen}");
            let https = local(listen.parse().unwrap(), true).unwrap();
            assert_eq!((https.scheme(), https.host_str()), ("https", expected.parse::<Url>().unwrap().host_str()));
        }
        assert!(local("127.0.0.1:0".parse().unwrap(), false).unwrap_err().is::<Usage>());
        for wrong in ["127.0.0.1:8080", "ftp://x", "http://", "x"] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
    }
}
