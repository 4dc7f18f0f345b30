//! Which certificates do the listeners show? Those of the configuration, read again as keys are.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::ServerConfig;

use super::Wiring;
use crate::admin::{Certificate, Tls};
use crate::config::Config;

/// The certificates of both listeners; `None`: that one speaks plain HTTP.
#[derive(Clone)]
pub(super) struct Certificates {
    api: Option<Arc<Certificate>>,
    metrics: Option<Arc<Certificate>>,
}

impl Certificates {
    /// Reads the files.
    pub(super) fn read(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { api: read(config.http.tls.as_ref())?, metrics: read(config.metrics.tls.as_ref())? })
    }

    /// What the API's listener does TLS with.
    pub(super) fn api(&self) -> anyhow::Result<Option<ServerConfig>> {
        server_config(self.api.as_ref())
    }

    /// What the listener of the metrics does TLS with.
    pub(super) fn metrics(&self) -> anyhow::Result<Option<ServerConfig>> {
        server_config(self.metrics.as_ref())
    }

    /// Reads the files again, now.
    pub(super) fn reload(&self) {
        for certificate in self.all() {
            certificate.reload();
        }
    }

    /// Looks at the files until the service stops.
    pub(super) fn watch(&self, parts: &Wiring) {
        for certificate in self.all() {
            let (poll, stop) = (parts.config.tokens.poll, parts.shutdown.stop.clone());
            parts.shutdown.spawn(Arc::clone(certificate).run(poll, stop));
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.api.iter().chain(&self.metrics)
    }
}

fn read(files: Option<&Tls>) -> anyhow::Result<Option<Arc<Certificate>>> {
    let Some(files) = files else { return Ok(None) };
    let read = Certificate::read(files.clone()).map_err(|(setting, what)| anyhow::anyhow!("{setting}: {what}"));
    let of = |file: &Path| format!("the certificate {} cannot be used", file.display());
    Ok(Some(Arc::new(read.with_context(|| of(&files.certificate_file))?)))
}

fn server_config(certificate: Option<&Arc<Certificate>>) -> anyhow::Result<Option<ServerConfig>> {
    certificate.map(Certificate::server_config).transpose().context("TLS cannot be set up")
}
