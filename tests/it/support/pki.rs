//! Whose certificates do the tests trust? Those of CAs of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::unique;

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

/// A CA that nobody knows.
pub(crate) fn ca() -> Ca {
    let mut params = CertificateParams::new(vec![]).expect("parameters");
    // CAs of one name would be one to those who look for an issuer.
    params.distinguished_name.push(DnType::CommonName, unique("ca"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate of this CA for this name, and its key.
pub(crate) fn leaf(ca: &Ca, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    (params.signed_by(&key, ca).expect("a certificate"), key)
}

/// A file with this in it.
pub(crate) fn put(directory: &Path, name: &str, content: &str) -> PathBuf {
    let file = directory.join(name);
    fs::write(&file, content).expect("to write");
    file
}

/// For https on loopback: trusts this CA alone.
#[expect(clippy::disallowed_methods, reason = "the guarded client is what the tests test")]
pub(crate) fn https_client(ca: &Ca, http1: bool) -> reqwest::Client {
    let known = reqwest::Certificate::from_pem(ca.pem().as_bytes()).expect("a certificate");
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([known]).pool_max_idle_per_host(0);
    let builder = if http1 { builder.http1_only() } else { builder };
    builder.timeout(Duration::from_secs(30)).build().expect("an HTTP client")
}
