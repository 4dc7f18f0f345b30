//! Does a queue behind TLS work as one without, with a CA of its own, and with no other?

use std::path::Path;
use std::time::Duration;

use crate::support::events::{logout, opened};
use crate::support::own_broker::OwnBroker;
use crate::support::pki::{Ca, ca, leaf, put};
use crate::support::process::Service;
use crate::support::rabbitmq::Vhost;
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::setup::{EXCHANGE, QUEUE, SQLITE, Setup};
use crate::support::{eventually, free_port};

const SOON: Duration = Duration::from_mins(1);

/// A service that reads the queue at this URL, and its only client.
async fn service(url: &str, lines: &str) -> (Service, Receiver) {
    let receiver = Receiver::start(answer(200)).await;
    let setup = Setup::new(SQLITE).amqps(url, lines).client("shop", &receiver.url());
    (Service::spawn(&setup.config()).await, receiver)
}

/// What is published is consumed, delivered and acknowledged.
async fn reads(service: &Service, receiver: &Receiver, vhost: &Vhost) {
    let consumes = async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers == 1).map(drop);
    eventually("it consumes", SOON, consumes).await;
    let session = format!("s{}", receiver.count());
    vhost
        .publish(EXCHANGE, "event", &[opened(&session, "ann", "shop").to_string(), logout(&session).to_string()])
        .await;
    receiver.wait_for(1, SOON).await;
    eventually("everything is acknowledged", SOON, async || {
        let ready = vhost.depth(QUEUE).await.map_or(1, |depth| depth.ready);
        (ready == 0 && vhost.unacknowledged(QUEUE).await == 0).then_some(())
    })
    .await;
    // What cannot be read goes by a connection of its own.
    vhost.publish(EXCHANGE, "event", &["no event"]).await;
    eventually("it is kept", SOON, async || {
        vhost.depth("signoff.rejected").await.filter(|depth| depth.ready == 1).map(drop)
    })
    .await;
    assert!(!service.log().contains("guest:guest"), "the password is in the log");
}

/// The broker is refused, and the log says why in these words; nothing is consumed.
async fn refuses(url: &str, lines: &str, vhost: &Vhost, words: &[&str]) {
    let (service, _receiver) = service(url, lines).await;
    for said in words {
        let told = async || service.log().contains(said).then_some(());
        eventually(&format!("the log says: {said}"), SOON, told).await;
    }
    assert_eq!(vhost.depth(QUEUE).await.map_or(0, |depth| depth.consumers), 0);
    assert!(!service.log().contains("guest:guest"), "the password is in the log");
}

fn trusting(directory: &Path, name: &str, ca: &Ca) -> String {
    format!("ca_file = '{}'\n", put(directory, name, &ca.pem()).display())
}

#[tokio::test]
async fn a_broker_with_a_private_ca_is_read_by_whoever_names_that_ca_and_by_nobody_else() {
    let (ours, strangers) = (ca(), ca());
    let Some(broker) = OwnBroker::start_tls(&ours, None).await else { return };
    let (directory, vhost) = (tempfile::tempdir().expect("a directory"), broker.broker().vhost().await);
    let url = broker.tls_url(&vhost, "127.0.0.1");
    let not_trusted = "the broker's certificate is not trusted; `ca_file` names the CA it must come from";

    refuses(&url, &trusting(directory.path(), "strangers.pem", &strangers), &vhost, &[not_trusted, "UnknownIssuer"])
        .await;
    refuses(&url, "", &vhost, &[not_trusted, "UnknownIssuer"]).await;
    let named_otherwise = broker.tls_url(&vhost, "localhost");
    let ca_file = trusting(directory.path(), "ca.pem", &ours);
    refuses(&named_otherwise, &ca_file, &vhost, &[not_trusted, "not valid for name"]).await;
    let silent = url.replace(&url[url.rfind(':').expect("a port")..], &format!(":{}/x", free_port()));
    refuses(&silent, &ca_file, &vhost, &["Connection refused"]).await;

    let (service, receiver) = service(&url, &ca_file).await;
    reads(&service, &receiver, &vhost).await;
}

#[tokio::test]
async fn a_broker_that_demands_a_certificate_gets_the_intakes() {
    let (ours, clients, strangers) = (ca(), ca(), ca());
    let Some(broker) = OwnBroker::start_tls(&ours, Some(&clients)).await else { return };
    let (directory, vhost) = (tempfile::tempdir().expect("a directory"), broker.broker().vhost().await);
    let url = broker.tls_url(&vhost, "127.0.0.1");
    let ca_file = trusting(directory.path(), "ca.pem", &ours);
    let identity = |name: &str, ca: &Ca| {
        let (certificate, key) = leaf(ca, "signoff");
        let file = put(directory.path(), name, &(certificate.pem() + &key.serialize_pem()));
        format!("client_certificate_file = '{}'\n", file.display())
    };

    refuses(&url, &ca_file, &vhost, &["not connected"]).await;
    let strange = ca_file.clone() + &identity("strange.pem", &strangers);
    refuses(&url, &strange, &vhost, &["not connected"]).await;

    let (service, receiver) = service(&url, &(ca_file + &identity("identity.pem", &clients))).await;
    reads(&service, &receiver, &vhost).await;
}
