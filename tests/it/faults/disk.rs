//! Does a disk that was full leave anything behind? Alone, on the SQLite store.

use std::time::Duration;

use tokio::time::sleep;

use super::SOON;
use super::stage::Disk;
use crate::support::api::submission;
use crate::support::events::{logout, opened, sessions};
use crate::support::eventually;
use crate::support::process::Service;
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::setup::Setup;

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
