//! Private CAs and client certificates, per client and by content.

use std::sync::Arc;

use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use signoff::deliver::{TlsError, check_tls};
use signoff::model::{Client, Outcome};

use super::server::Server;
use super::{Rig, client};
use crate::support::pki::{Ca, ca, leaf, put};

/// A server for 127.0.0.1 with a certificate of `ca`; with `clients`, it demands theirs.
pub(crate) async fn server(ca: &Ca, clients: Option<&Ca>) -> Server {
    let (certificate, key) = leaf(ca, "127.0.0.1");
    let builder = rustls::ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Server::tls(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()).await
}

fn https(server: &Server) -> Client {
    client(&format!("https://{}/logout", server.address))
}

#[tokio::test]
async fn a_private_ca_is_trusted_by_the_client_that_names_it_and_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (ca(), ca());
    let server = server(&ours, None).await;
    let rig = Rig::new();
    let mut client = https(&server);
    client.ca_file = Some(put(dir.path(), "ca.pem", &ours.pem()));
    assert_eq!(rig.attempt(&client).await.outcome, Outcome::Accepted);

    client.ca_file = Some(put(dir.path(), "other.pem", &other.pem()));
    let attempt = rig.attempt(&client).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Unavailable, None));
    assert!(attempt.detail.contains("certificate"), "{}", attempt.detail);

    let by_name = format!("https://localhost:{}/", server.address.port());
    let mut client = super::client(&by_name);
    client.ca_file = Some(put(dir.path(), "ca.pem", &ours.pem()));
    assert_eq!(rig.attempt(&client).await.outcome, Outcome::Unavailable, "the certificate is for 127.0.0.1");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_gets_the_clients() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, clients) = (ca(), ca());
    let server = server(&servers, Some(&clients)).await;
    let rig = Rig::new();
    let mut client = https(&server);
    client.ca_file = Some(put(dir.path(), "ca.pem", &servers.pem()));
    assert_eq!(rig.attempt(&client).await.outcome, Outcome::Unavailable, "without a certificate");

    let (certificate, key) = leaf(&clients, "signoff");
    client.client_certificate_file = Some(put(dir.path(), "id.pem", &(certificate.pem() + &key.serialize_pem())));
    assert_eq!(rig.attempt(&client).await.outcome, Outcome::Accepted);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn new_content_in_a_tls_file_counts_at_the_next_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (ca(), ca());
    let server = server(&ours, None).await;
    let rig = Rig::new();
    let mut client = https(&server);
    for (pem, outcome) in [
        (other.pem(), Outcome::Unavailable),
        (ours.pem(), Outcome::Accepted),
        (other.pem(), Outcome::Unavailable),
        ("no certificate".to_owned(), Outcome::Unavailable),
        (ours.pem(), Outcome::Accepted),
    ] {
        client.ca_file = Some(put(dir.path(), "ca.pem", &pem));
        assert_eq!(rig.attempt(&client).await.outcome, outcome);
    }
    std::fs::remove_file(dir.path().join("ca.pem")).unwrap();
    let attempt = rig.attempt(&client).await;
    assert_eq!((attempt.outcome, attempt.jti), (Outcome::Unavailable, None));
    assert!(attempt.detail.contains("ca.pem: cannot be read"), "{}", attempt.detail);
}

#[tokio::test]
async fn plain_http_to_a_tls_port_and_the_other_way_round_are_unavailable() {
    let ours = ca();
    let tls = server(&ours, None).await;
    assert_eq!(Rig::new().attempt(&client(&tls.url("/"))).await.outcome, Outcome::Unavailable);
    let plain = Server::new(super::server::Say::status(200)).await;
    let dir = tempfile::tempdir().unwrap();
    let mut client = https(&plain);
    client.ca_file = Some(put(dir.path(), "ca.pem", &ours.pem()));
    client.timeout = Some(std::time::Duration::from_millis(500));
    assert_eq!(Rig::new().attempt(&client).await.outcome, Outcome::Unavailable);
}

#[tokio::test]
async fn tls_files_are_checked_before_they_are_needed() {
    let dir = tempfile::tempdir().unwrap();
    let authority = ca();
    let (certificate, key) = leaf(&authority, "signoff");
    let good = put(dir.path(), "good.pem", &authority.pem());
    let identity = put(dir.path(), "id.pem", &(certificate.pem() + &key.serialize_pem()));
    let stranger =
        put(dir.path(), "stranger.pem", &(certificate.pem() + &KeyPair::generate().unwrap().serialize_pem()));
    let missing = dir.path().join("missing.pem");
    check_tls(Some(&good), Some(&identity)).await.unwrap();
    assert!(matches!(check_tls(Some(&missing), None).await, Err(TlsError::Unreadable { .. })));
    let key_alone = put(dir.path(), "key.pem", &key.serialize_pem());
    assert!(matches!(check_tls(Some(&key_alone), None).await, Err(TlsError::NoCertificate { .. })));
    assert!(matches!(check_tls(Some(&good), Some(&good)).await, Err(TlsError::NoIdentity { .. })));
    let mismatch = check_tls(Some(&good), Some(&stranger)).await;
    assert!(matches!(mismatch, Err(TlsError::NotBuilt(_))), "{mismatch:?}");
}
