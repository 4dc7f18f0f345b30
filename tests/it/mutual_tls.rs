//! Does each client get the certificate that is registered with it, and nobody else's?

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::deliver::tls;
use crate::support::eventually;
use crate::support::pki::{Ca, ca, leaf, put};
use crate::support::process::Service;
use crate::support::provider::{get, logout, opened, tell};
use crate::support::setup::{SQLITE, Setup};

const SOON: Duration = Duration::from_secs(30);

/// The latest attempt of this client's delivery, when there is one.
async fn attempt(service: &Service, client: &str) -> Value {
    eventually(&format!("an attempt for {client}"), SOON, async || {
        let list = get(service, &format!("/v1/deliveries?issuer=main&client_id={client}")).await;
        let id = list["items"][0]["id"].as_i64()?;
        let detail = get(service, &format!("/v1/deliveries/{id}")).await;
        detail["attempts"].as_array()?.last().cloned()
    })
    .await
}

#[tokio::test]
async fn a_client_that_demands_a_certificate_gets_its_own_and_others_do_not_use_it() {
    let (servers, clients, strangers) = (ca(), ca(), ca());
    let server = tls::server(&servers, Some(&clients)).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, pem: &str| put(directory.path(), name, pem).display().to_string();
    let identity = |ca: &Ca, name: &str| {
        let (certificate, key) = leaf(ca, "signoff");
        format!("client_certificate_file = '{}'\n", file(name, &(certificate.pem() + &key.serialize_pem())))
    };
    let trusted = format!("ca_file = '{}'\n", file("ca.pem", &servers.pem()));
    // All at one origin, so that a connection which one of them made could be used by another.
    let registered = [
        ("good", trusted.clone() + &identity(&clients, "good.pem"), "accepted"),
        ("without", trusted.clone(), "unavailable"),
        ("wrong", trusted + &identity(&strangers, "wrong.pem"), "unavailable"),
        ("untrusting", identity(&clients, "untrusting.pem"), "unavailable"),
    ];
    let mut config = Setup::new(SQLITE).config();
    for (name, lines, _) in &registered {
        let uri = format!("https://{}/logout", server.address);
        let _ = write!(config, "[clients.{name}]\nissuer = 'main'\nbackchannel_logout_uri = '{uri}'\n{lines}");
    }
    let service = Service::spawn(&config).await;

    for (round, expected) in [(1, 1), (2, 2)] {
        let session = format!("s{round}");
        let openings: Vec<_> = registered.iter().map(|(name, ..)| opened(name, &session, "ann")).collect();
        tell(&service, &openings).await;
        tell(&service, &[logout(&session)]).await;
        for (name, _, outcome) in &registered {
            let attempt = attempt(&service, name).await;
            assert_eq!(attempt["outcome"], *outcome, "{name}: {attempt}");
            if *outcome == "unavailable" {
                assert!(attempt["status"].is_null(), "{name}: {attempt}");
                assert!(attempt["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}: {attempt}");
            }
        }
        let told = async || (server.seen().len() == expected).then_some(());
        eventually("the one with the certificate is told", SOON, told).await;
    }
    let detail = attempt(&service, "untrusting").await["detail"].to_string();
    assert!(detail.contains("certificate"), "{detail}");
    assert_eq!(server.seen().len(), 2, "nobody else got through");
}
