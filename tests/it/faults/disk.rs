//! Does a full disk promise what it does not keep, or leave anything behind? Alone, on the SQLite store.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::sleep;

use super::SOON;
use super::stage::Disk;
use crate::support::api::submission;
use crate::support::events::{logout, opened, sessions};
use crate::support::process::Service;
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::setup::Setup;
use crate::support::{eventually, http_client};

#[tokio::test]
async fn a_full_disk_refuses_events_for_as_long_as_it_is_full_and_no_longer() {
    let disk = Disk::new();
    if !disk.is_small() {
        return;
    }
    let receiver = Receiver::start(answer(200).after(Duration::from_millis(300))).await;
    let store = format!("sqlite://{}/signoff.db", disk.path().display());
    let setup = Setup::new(&store).client("shop", &receiver.url());
    let mut service = Service::spawn(&setup.config()).await;
    let sessions = sessions(300);
    let openings: Vec<_> = sessions.iter().map(|session| opened(session, session, "shop")).collect();
    service.submit(&openings).await;
    // Attempts are in flight while the disk fills: their outcomes find it full.
    service.submit(&[logout(&sessions[0])]).await;
    disk.fill();
    let url = service.url("/v1/events");
    let mut accepted = 1;
    eventually("an event is refused", SOON, async || {
        let status = submission(&url, &[logout(&sessions[accepted])]).send().await.expect("an answer").status();
        assert!(status == 202 || status == 503, "{status}");
        accepted += usize::from(status == 202);
        (status == 503).then_some(())
    })
    .await;
    sleep(Duration::from_millis(500)).await;
    disk.empty();
    let last = async || {
        let answer = submission(&url, &[logout(&sessions[accepted])]).send().await.expect("an answer");
        (answer.status() == 202).then_some(())
    };
    eventually("events are accepted again", Duration::from_secs(10), last).await;
    receiver.wait_for(accepted + 1, SOON).await;
    let settled = async || service.deliveries("pending").await.is_empty().then_some(());
    eventually("every outcome is written", SOON, settled).await;
    service.term();
    assert!(service.wait(SOON).await.success(), "{}", service.log());
}

#[tokio::test]
async fn a_client_put_on_a_full_disk_is_registered_or_refused() {
    let disk = Disk::new();
    if !disk.is_small() {
        return;
    }
    let store = format!("sqlite://{}/signoff.db", disk.path().display());
    let mut service = Service::spawn(&Setup::new(&store).config()).await;
    let names = |count: usize| (0..count).map(|number| format!("client-{number}"));
    let at = |service: &Service, name: &str| service.url(&format!("/v1/issuers/main/clients/{name}"));
    disk.fill();
    let (mut registered, mut refused) = (Vec::new(), 0);
    for name in names(20) {
        let body = json!({ "backchannel_logout_uri": "https://shop.example.com/logout" }).to_string();
        let put = http_client().put(at(&service, &name)).header("content-type", "application/json").body(body);
        match put.send().await.expect("an answer").status() {
            StatusCode::CREATED => registered.push(name),
            StatusCode::SERVICE_UNAVAILABLE => refused += 1,
            status => panic!("{status}"),
        }
    }
    disk.empty();
    assert!(refused > 0, "the disk is full");
    service.kill9();
    service.start_again().await;
    for name in registered {
        let status = http_client().get(at(&service, &name)).send().await.expect("an answer").status();
        assert_eq!(status, StatusCode::OK, "{name} was answered with 201");
    }
}
