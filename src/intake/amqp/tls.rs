//! Whom do we trust at the broker, and who are we? The TLS files of an intake.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{Amqp, AmqpError};

/// Where the broker is, and how we know each other.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) url: Zeroizing<String>,
    ca_file: Option<PathBuf>,
    client_certificate_file: Option<PathBuf>,
}

impl Broker {
    /// The broker of this intake.
    pub(super) fn of(settings: &Amqp) -> Self {
        let Amqp { url, ca_file, client_certificate_file, .. } = settings.clone();
        Self { url, ca_file, client_certificate_file }
    }

    /// The broker at this URL; it shows a certificate of a CA that this machine knows.
    pub(super) fn at(url: &str) -> Self {
        Self { url: Zeroizing::new(url.into()), ca_file: None, client_certificate_file: None }
    }

    /// What TLS is made with, from the files as they are now. The CA is trusted alone; without one,
    /// the machine's.
    pub(super) async fn connector(&self) -> Result<RustlsConnector, AmqpError> {
        let mut config = match &self.ca_file {
            None => {
                RustlsConnectorConfig::new_with_native_certs().map_err(|error| AmqpError::Tls(error.to_string()))?
            }
            Some(file) => {
                let mut config = RustlsConnectorConfig::default();
                config.add_parsable_certificates(certificates(file, &content(file).await?)?);
                config
            }
        };
        let connector = match &self.client_certificate_file {
            None => std::mem::take(&mut config).connector_with_no_client_auth(),
            Some(file) => {
                let pem = content(file).await?;
                let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| lacks(file, "private key"))?;
                std::mem::take(&mut config).connector_with_single_cert(certificates(file, &pem)?, key)
            }
        };
        connector.map_err(|error| AmqpError::Tls(error.to_string()))
    }
}

async fn content(file: &Path) -> Result<Zeroizing<Vec<u8>>, AmqpError> {
    let read = tokio::fs::read(file).await.map(Zeroizing::new);
    read.map_err(|error| AmqpError::Tls(format!("{} cannot be read ({error})", file.display())))
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, AmqpError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| lacks(file, "certificate"))
}

fn lacks(file: &Path, what: &str) -> AmqpError {
    AmqpError::Tls(format!("{} holds no PEM {what}", file.display()))
}

/// Tells a certificate that is not trusted from everything else that ends a connection.
pub(super) fn explained(error: lapin::Error) -> AmqpError {
    let lapin::ErrorKind::IOError(io) = error.kind() else { return error.into() };
    match invalid_certificate(io.as_ref()) {
        Some(why) => AmqpError::Untrusted(why),
        None => error.into(),
    }
}

fn invalid_certificate(error: &(dyn StdError + 'static)) -> Option<rustls::Error> {
    if let Some(found @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return Some(found.clone());
    }
    // What an I/O error holds is not among its sources, only what that was caused by.
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    held.and_then(|held| invalid_certificate(held)).or_else(|| error.source().and_then(invalid_certificate))
}
