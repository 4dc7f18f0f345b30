//! How are the keys read? From a file or over HTTP, within a time and a size.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::KeySet;
use crate::jose::Algorithm;
use crate::metadata::{Cause, ProviderMetadata};
use crate::outbound::{BadRemote, GetError, MAX_BYTES, Remote};

const JWKS: &str = "application/jwk-set+json, application/json";

/// Where the key set is.
#[derive(Debug)]
pub(crate) enum KeySource {
    File(PathBuf),
    Uri(Remote),
    /// Where the discovery document says, each time anew: providers move.
    Discovery {
        issuer: String,
        document: Remote,
        plain_http: bool,
    },
}

/// What one reading brought; shared by all who waited for it.
pub(super) type Fetched = Result<Arc<KeySet>, Arc<FetchError>>;

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error(transparent)]
    Http(GetError),
    #[error("discovery")]
    Discovery(#[source] Cause),
    #[error("the jwks_uri of the discovery document")]
    JwksUri(#[source] BadRemote),
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
            Self::Uri(remote) => remote.get(JWKS).await.map_err(FetchError::Http),
            Self::Discovery { issuer, document, plain_http } => {
                let metadata = ProviderMetadata::read(issuer, document).await.map_err(FetchError::Discovery)?;
                let keys = Remote::new(&metadata.jwks_uri, *plain_http).map_err(FetchError::JwksUri)?;
                // Whom https vouches for is not to be asked over less.
                if document.is_https() && !keys.is_https() {
                    return Err(FetchError::JwksUri(BadRemote::PlainHttp));
                }
                keys.get(JWKS).await.map_err(FetchError::Http)
            }
        }
    }
}

async fn read_file(path: &PathBuf) -> Result<Vec<u8>, FetchError> {
    let file = tokio::fs::File::open(path).await.map_err(FetchError::File)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await.map_err(FetchError::File)?;
    if bytes.len() > MAX_BYTES { Err(FetchError::TooLarge) } else { Ok(bytes) }
}
