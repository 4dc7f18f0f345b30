//! Does a logout of everybody reach everybody, through a crash, and let a person's own pass by?

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::submission;
use crate::support::events::{logout, opened, openings, sessions};
use crate::support::eventually;
use crate::support::ledger::Token;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::setup::{ISSUER, SQLITE, Setup};

const CLIENTS: [&str; 3] = ["shop", "forum", "wiki"];
const SESSIONS: usize = 1_500;
/// 5 s for the walk, if nothing else happened.
const PACE: &str = "bulk_per_second = 300\n";
const SOON: Duration = Duration::from_mins(2);

fn everybody() -> Value {
    json!({"specversion": "1.0", "id": "everybody", "source": ISSUER, "type": "signoff.logout",
           "data": {"all": true, "cause": "risk"}})
}

/// How often each client was told of each session.
fn told(receivers: &[Receiver]) -> BTreeMap<(String, String), usize> {
    let mut told = BTreeMap::new();
    for post in receivers.iter().flat_map(Receiver::posts) {
        let token = Token::read(&post.token);
        *told.entry((token.aud, token.sid.expect("a sid"))).or_default() += 1;
    }
    told
}

async fn opened_at_all(service: &Service) {
    let sessions = sessions(SESSIONS);
    let events: Vec<_> = openings(&sessions, &CLIENTS).collect();
    for batch in events.chunks(500) {
        service.submit(batch).await;
    }
}

async fn counts(service: &Service, logout: &str) -> Value {
    service.get(logout).await["counts"].clone()
}

/// Records it; where to look.
async fn begun(service: &Service) -> String {
    let answer = submission(&service.url("/v1/events"), &[everybody()]).send().await.expect("an answer");
    let answer: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
    let receipt = &answer["receipts"][0];
    assert_eq!((&receipt["owed"], &receipt["expanding"]), (&json!(0), &json!(true)), "{answer}");
    receipt["logout"].as_str().expect("a logout").to_owned()
}

#[tokio::test]
async fn everybody_is_told_through_a_crash_and_a_persons_own_logout_passes_by() {
    let Some(database) = TestDatabase::new().await else { return };
    let receivers = Receiver::three(answer(200)).await;
    let setup = Setup::new(database.url()).clients(&CLIENTS, &receivers).delivery(PACE);
    let (first, mut second) = (Service::spawn(&setup.config()).await, Service::spawn(&setup.config()).await);
    opened_at_all(&first).await;
    let at = begun(&second).await;

    // A login after the logout of all, and its own logout in the middle of the walk.
    let arriving = async || (told(&receivers).len() > 100).then_some(());
    eventually("the walk has begun", SOON, arriving).await;
    second.kill9();
    first.submit(&[opened("own", "ann", "shop"), logout("own")]).await;
    let own = ("shop".to_owned(), "own".to_owned());
    eventually("ann's own logout", SOON, async || told(&receivers).contains_key(&own).then_some(())).await;
    assert!(told(&receivers).len() < CLIENTS.len() * SESSIONS, "it did not wait for everybody");
    let counts_then = counts(&first, &at).await;
    assert_ne!(counts_then["delivered"], SESSIONS * CLIENTS.len(), "{counts_then}");

    second.start_again().await;
    let settled = async || {
        let counts = counts(&first, &at).await;
        (counts["expanding"] != true && counts["pending"] == 0).then_some(counts)
    };
    let end = eventually("everybody is told", SOON, settled).await;
    assert_eq!(end["delivered"], SESSIONS * CLIENTS.len(), "{end}");
    let told = told(&receivers);
    assert_eq!(told.len(), CLIENTS.len() * SESSIONS + 1);
    let twice = told.values().filter(|times| **times > 1).count();
    assert!(
        told.values().all(|times| *times <= 2) && twice <= CLIENTS.len() * 16,
        "{twice} twice: at most those in flight"
    );
}

#[tokio::test]
async fn on_sqlite_it_goes_on_where_it_was_killed() {
    let receivers = Receiver::three(answer(200)).await;
    let setup = Setup::new(SQLITE).clients(&CLIENTS, &receivers).delivery(PACE);
    let mut service = Service::spawn(&setup.config()).await;
    opened_at_all(&service).await;
    let at = begun(&service).await;
    let first_step = async || (counts(&service, &at).await["pending"] != 0).then_some(());
    eventually("the first step", SOON, first_step).await;
    service.kill9();
    service.start_again().await;
    let told_all = async || (told(&receivers).len() == CLIENTS.len() * SESSIONS).then_some(());
    eventually("everybody is told", SOON, told_all).await;
}
