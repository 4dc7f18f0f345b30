//! Which certificate does a listener show? Its files are read again; what is not good is not taken.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::settings::Tls;

/// A listener's certificate, kept equal to its files.
#[derive(Debug)]
pub struct Certificate {
    files: Tls,
    now: ArcSwap<CertifiedKey>,
    /// What the files are said to lack. A mistake that stays is told once.
    complaint: Mutex<Option<String>>,
}

/// Which setting is wrong, and how.
pub type Wrong = (&'static str, String);

impl Certificate {
    /// The certificate in these files, or which of them is wrong.
    pub fn read(files: Tls) -> Result<Self, Wrong> {
        let now = ArcSwap::from_pointee(certified(&files)?);
        Ok(Self { files, now, complaint: Mutex::default() })
    }

    /// Reads the files again, now; whether the certificate was replaced. Files that do not hold a
    /// certificate and its key leave the last good one in use.
    pub fn reload(&self) -> bool {
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        match certified(&self.files) {
            Ok(next) => {
                *complaint = None;
                let replaced = next.cert != self.now.load().cert;
                if replaced {
                    tracing::info!(file = %self.files.certificate_file.display(), "certificate replaced");
                    self.now.store(Arc::new(next));
                }
                replaced
            }
            Err((setting, what)) => {
                if complaint.as_ref() != Some(&what) {
                    tracing::error!(
                        setting,
                        error = what,
                        "certificate not read again; the last good one stays in use"
                    );
                    *complaint = Some(what);
                }
                false
            }
        }
    }

    /// Looks at the files again and again until `stop`.
    pub async fn run(self: Arc<Self>, poll: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(poll)).await.is_some() {
            let certificate = Arc::clone(&self);
            // What a slow disk takes is not taken from the dispatcher.
            let _interrupted = tokio::task::spawn_blocking(move || certificate.reload()).await;
        }
    }

    /// What a listener does TLS with: the certificate as it is at each handshake.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        Ok(builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_cert_resolver(resolver))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.load_full())
    }
}

fn certified(files: &Tls) -> Result<CertifiedKey, Wrong> {
    let Tls { certificate_file, private_key_file } = files;
    let chain = chain(certificate_file).map_err(|what| ("certificate_file", what))?;
    let key = key(private_key_file).map_err(|what| ("private_key_file", what))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InvalidCertificate(_) => {
            ("certificate_file", format!("{} begins with no X.509 certificate", certificate_file.display()))
        }
        rustls::Error::InconsistentKeys(_) => {
            let (key, certificate) = (private_key_file.display(), certificate_file.display());
            ("private_key_file", format!("{key} is not the key of the first certificate in {certificate}"))
        }
        _ => ("private_key_file", format!("{} holds a key that TLS cannot use", private_key_file.display())),
    })
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = content(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| format!("{} holds no PEM certificate", file.display()))
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&content(file)?).map_err(|_| format!("{} holds no PEM private key", file.display()))
}

fn content(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| format!("{} cannot be read ({error}); mount it there or correct the path", file.display()))
}
