//! Whom do we trust, and who are we? A client's TLS files.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use reqwest::tls::{Certificate, Identity};
use zeroize::Zeroizing;

/// Why a client's TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source})", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificates in the file.
    #[error("{}: holds no certificate in PEM", file.display())]
    NoCertificate {
        /// Which file.
        file: PathBuf,
    },
    /// No certificate with its key in the identity file.
    #[error("{}: must hold a certificate and its private key in PEM", file.display())]
    NoIdentity {
        /// Which file.
        file: PathBuf,
    },
    /// Certificate and key, or the machine's own CA certificates, are not usable.
    #[error("TLS cannot be set up: {0}")]
    NotBuilt(String),
}

/// The content of a client's TLS files; equal keys mean equal content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct TlsKey {
    ca: Option<Fingerprint>,
    identity: Option<Fingerprint>,
}

type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];
type Bytes = Zeroizing<Vec<u8>>;

/// What one client's connections are made with.
#[derive(Default)]
pub(super) struct TlsFiles {
    ca: Option<(PathBuf, Bytes)>,
    identity: Option<(PathBuf, Bytes)>,
}

impl TlsFiles {
    pub(super) async fn read(ca: Option<&Path>, identity: Option<&Path>) -> Result<Self, TlsError> {
        Ok(Self { ca: content(ca).await?, identity: content(identity).await? })
    }

    /// A CA alone.
    pub(super) fn of_ca(file: &Path) -> Result<Self, TlsError> {
        Ok(Self { ca: Some((file.to_owned(), bytes(file, std::fs::read(file))?)), identity: None })
    }

    pub(super) fn key(&self) -> TlsKey {
        let of = |file: &Option<(PathBuf, Bytes)>| file.as_ref().map(|(_, bytes)| fingerprint(bytes));
        TlsKey { ca: of(&self.ca), identity: of(&self.identity) }
    }

    /// The files' CA is trusted alone; without one, the machine's.
    pub(super) fn apply(&self, mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, TlsError> {
        if let Some((file, pem)) = &self.ca {
            let certificates = Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty());
            let certificates = certificates.ok_or_else(|| TlsError::NoCertificate { file: file.clone() })?;
            builder = builder.tls_certs_only(certificates);
        }
        if let Some((file, pem)) = &self.identity {
            let identity = Identity::from_pem(pem).map_err(|_| TlsError::NoIdentity { file: file.clone() })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

/// Whether a client's TLS files (and, without `ca`, the machine's CA certificates) can be used.
pub async fn check(ca: Option<&Path>, identity: Option<&Path>) -> Result<(), TlsError> {
    let files = TlsFiles::read(ca, identity).await?;
    super::pool::check(&files)
}

async fn content(file: Option<&Path>) -> Result<Option<(PathBuf, Bytes)>, TlsError> {
    let Some(file) = file else { return Ok(None) };
    Ok(Some((file.to_owned(), bytes(file, tokio::fs::read(file).await)?)))
}

/// What was read, or that it could not be.
pub(super) fn bytes(file: &Path, read: io::Result<Vec<u8>>) -> Result<Bytes, TlsError> {
    read.map(Zeroizing::new).map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut out = Fingerprint::default();
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
