//! How does the rest of the house speak HTTP? A plain client for our own API and key sets.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use time::OffsetDateTime;

use super::answer::retry_after;
use super::pin::only_this;
use super::pool::{not_built, plain_builder};
use super::tls::{TlsError, TlsFiles};

/// An answer larger than this is a mistake.
const LARGEST_ANSWER: usize = 64 << 20;

/// An HTTP client without address guard, for addresses the operator typed in: no proxy, no
/// redirect, one deadline per call.
#[derive(Debug, Clone)]
pub struct PlainClient {
    http: reqwest::Client,
}

/// The method of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainAnswer {
    /// The status line's code.
    pub status: u16,
    /// `Retry-After`, as a delay from now.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    /// The client cannot be built.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer.
    #[error("no answer from {url}")]
    NoAnswer {
        /// What was called.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More than anything of ours answers.
    #[error("the answer from {url} is too large")]
    TooLarge {
        /// What was called.
        url: String,
    },
}

impl PlainClient {
    /// Each call ends within `timeout`. Without any CA store on the machine only `http` works.
    pub fn new(timeout: Duration) -> Result<Self, PlainError> {
        let with_tls = plain_builder(Some(&TlsFiles::default()))?.timeout(timeout).build();
        let http = match with_tls {
            Ok(http) => http,
            Err(_) => plain_builder(None)?.timeout(timeout).build().map_err(|error| not_built(&error))?,
        };
        Ok(Self { http })
    }

    /// The same, trusting the CA certificates in this file alone.
    pub fn with_ca(timeout: Duration, ca_file: &Path) -> Result<Self, PlainError> {
        Self::built(plain_builder(Some(&TlsFiles::of_ca(ca_file)?))?, timeout)
    }

    /// The same, trusting exactly the first certificate in this file, under any name.
    pub fn with_certificate(timeout: Duration, certificate_file: &Path) -> Result<Self, PlainError> {
        Self::built(plain_builder(None)?.tls_backend_preconfigured(only_this(certificate_file)?), timeout)
    }

    fn built(builder: reqwest::ClientBuilder, timeout: Duration) -> Result<Self, PlainError> {
        let http = builder.timeout(timeout).build().map_err(|error| not_built(&error))?;
        Ok(Self { http })
    }

    /// GET.
    pub async fn get(&self, url: &str) -> Result<PlainAnswer, PlainError> {
        self.call(Verb::Get, url, None, None).await
    }

    /// POST of a JSON body.
    pub async fn post_json(
        &self,
        url: &str,
        bearer: Option<&str>,
        body: &serde_json::Value,
    ) -> Result<PlainAnswer, PlainError> {
        self.call(Verb::Post, url, bearer, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// Any call; `body` with its media type.
    pub async fn call(
        &self,
        verb: Verb,
        url: &str,
        bearer: Option<&str>,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<PlainAnswer, PlainError> {
        let mut request = self.http.request(verb.method(), url);
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes);
        }
        let no_answer =
            |error: reqwest::Error| PlainError::NoAnswer { url: url.to_owned(), source: error.without_url().into() };
        let mut response = request.send().await.map_err(no_answer)?;
        let mut answer = PlainAnswer { status: response.status().as_u16(), retry_after: hint(&response), body: vec![] };
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if answer.body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(PlainError::TooLarge { url: url.to_owned() });
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

impl Verb {
    const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }
}

fn hint(response: &reqwest::Response) -> Option<Duration> {
    use crate::model::{Clock as _, SystemClock};
    let now: OffsetDateTime = SystemClock.now();
    retry_after(response.headers().get(RETRY_AFTER)?.to_str().ok()?, now)
}
