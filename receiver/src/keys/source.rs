//! How are the keys read? From a file or over HTTP, within a time and a size.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::ACCEPT;
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::KeySet;
use crate::jose::Algorithm;

/// A key set with certificates is some ten kilobytes; this is generous.
const MAX_BYTES: usize = 512 * 1024;

/// Where the key set is.
#[derive(Debug)]
pub(crate) enum KeySource {
    File(PathBuf),
    Uri(Url, Client),
}

/// What one reading brought; shared by all who waited for it.
pub(super) type Fetched = Result<Arc<KeySet>, Arc<FetchError>>;

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("request failed")]
    Http(#[source] reqwest::Error),
    #[error("answered with status {0}")]
    Status(u16),
    #[error("file not readable")]
    File(#[source] std::io::Error),
    #[error("larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("not a JSON Web Key Set")]
    NotAKeySet(#[source] serde_json::Error),
    #[error("holds no key")]
    NoKeys,
    #[error("interrupted")]
    Interrupted,
}

impl KeySource {
    pub(super) async fn fetch(&self, timeout: Duration, allowed: &[Algorithm]) -> Result<KeySet, FetchError> {
        let json = tokio::time::timeout(timeout, self.read()).await.map_err(|_| FetchError::TimedOut(timeout))??;
        KeySet::parse(&json, allowed).map_err(FetchError::NotAKeySet)?.ok_or(FetchError::NoKeys)
    }

    async fn read(&self) -> Result<Vec<u8>, FetchError> {
        match self {
            Self::File(path) => read_file(path).await,
            Self::Uri(uri, client) => get(uri, client).await.map_err(|error| FetchError::Http(error.without_url()))?,
        }
    }
}

async fn read_file(path: &PathBuf) -> Result<Vec<u8>, FetchError> {
    let file = tokio::fs::File::open(path).await.map_err(FetchError::File)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await.map_err(FetchError::File)?;
    if bytes.len() > MAX_BYTES { Err(FetchError::TooLarge) } else { Ok(bytes) }
}

async fn get(uri: &Url, client: &Client) -> reqwest::Result<Result<Vec<u8>, FetchError>> {
    let mut response =
        client.get(uri.clone()).header(ACCEPT, "application/jwk-set+json, application/json").send().await?;
    if response.status() != 200 {
        return Ok(Err(FetchError::Status(response.status().as_u16())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Ok(Err(FetchError::TooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Ok(bytes))
}
