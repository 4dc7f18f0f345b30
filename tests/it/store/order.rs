//! Does the order of events matter? Shuffled, repeated, re-batched: always the same end.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use signoff::model::{Cause, DeliveryState, Event, EventKind, Scope, SkipReason};
use signoff::store::views::{DeliveryFilter, Page, SessionFilter};

use super::fixture::{AT_ONCE, Fixture, all, session, subject};
use super::on_every_store;

on_every_store! { super::super::order:
    order_batching_and_repetition_do_not_matter,
}

const CLIENTS: [&str; 4] = ["shop", "mail", "wiki", "chat"];
/// Leaves sessions of this client alone when the provider session merely expired.
const CHOOSY: &str = "wiki";

/// (client, provider session).
type Name = (String, String);

fn said(f: &Fixture, rng: &mut StdRng) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..rng.random_range(4..14) {
        let (ps, user) = (format!("s{}", rng.random_range(0..5)), ["ann", "bob"].choose(rng).unwrap());
        // One life per session: what a session's second life does is another promise.
        let client = CLIENTS[number % CLIENTS.len()];
        if !events.iter().any(|event| is_opening_of(event, &ps, client)) {
            events.push(f.opened(&format!("o{number}"), &ps, client, user, rng.random_range(0..100)));
        }
    }
    for number in 0..rng.random_range(1..5) {
        let scope = match rng.random_range(0..6) {
            0 => all(None),
            1 => all(CLIENTS.choose(rng).copied()),
            2 => subject(["ann", "bob"].choose(rng).unwrap()),
            _ => session(&format!("s{}", rng.random_range(0..5))),
        };
        let cause = *[Cause::UserLogout, Cause::SessionExpired].choose(rng).unwrap();
        events.push(f.logout_for(&format!("l{number}"), scope, rng.random_range(0..100), cause));
    }
    events
}

fn is_opening_of(event: &Event, ps: &str, client: &str) -> bool {
    matches!(&event.kind, EventKind::Opened(o) if o.session_id == ps && o.client_id == client)
}

/// The end, from what was said alone: (owed, left).
fn expected(events: &[Event]) -> (BTreeSet<Name>, BTreeSet<Name>) {
    let (mut owed, mut left) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let EventKind::Opened(opening) = &event.kind else { continue };
        let ends = events.iter().any(|logout| {
            let EventKind::Logout(request) = &logout.kind else { return false };
            let covers = match &request.scope {
                Scope::Session { session_id } => *session_id == opening.session_id,
                Scope::Subject { subject, .. } => *subject == opening.subject && event.time <= logout.time,
                Scope::Bulk { client_id } => {
                    client_id.as_ref().is_none_or(|client| *client == opening.client_id) && event.time <= logout.time
                }
            };
            covers && !(opening.client_id == CHOOSY && request.cause == Cause::SessionExpired)
        });
        let name = (opening.client_id.clone(), opening.session_id.clone());
        if ends {
            owed.insert(name)
        } else {
            left.insert(name)
        };
    }
    (owed, left)
}

/// Shuffled, some of it twice or more, cut into batches.
fn batches(events: &[Event], rng: &mut StdRng) -> Vec<Vec<Event>> {
    let mut all = events.to_vec();
    for _ in 0..rng.random_range(0..=events.len()) {
        all.push(events.choose(rng).unwrap().clone());
    }
    all.shuffle(rng);
    let mut batches = Vec::new();
    while !all.is_empty() {
        let size = rng.random_range(1..=all.len().min(6));
        batches.push(all.split_off(all.len() - size));
    }
    batches
}

async fn found(f: &Fixture) -> (Vec<Name>, BTreeSet<Name>) {
    let page = Page { after: None, limit: 10_000 };
    let filter =
        DeliveryFilter { issuer: Some(f.issuer), state: Some(DeliveryState::Pending), ..DeliveryFilter::default() };
    let owed = f.store.deliveries(&filter, &page).await.unwrap().rows;
    let mut owed: Vec<_> = owed.into_iter().map(|row| (row.client_id, row.session_id.unwrap())).collect();
    owed.sort();
    let filter = SessionFilter { issuer: Some(f.issuer), ..SessionFilter::default() };
    let left = f.store.sessions(&filter, &page).await.unwrap().rows;
    (owed, left.into_iter().map(|row| (row.client_id, row.session.session_id)).collect())
}

pub(super) async fn order_batching_and_repetition_do_not_matter(mut f: Fixture) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..150 {
        f.issuer = f.store.issuer_key(&format!("https://idp-{round}.example.com")).await.unwrap();
        let choosy = f.client(CHOOSY).await;
        f.rules.skip(choosy, Cause::SessionExpired, SkipReason::CauseNotWanted);
        let events = said(&f, &mut rng);
        let batches = batches(&events, &mut rng);
        for batch in &batches {
            f.record(batch).await;
            if rng.random_bool(0.3) {
                f.store.expand(&f.rules, AT_ONCE).await.unwrap();
            }
        }
        f.expand().await;
        let (owed, left) = expected(&events);
        let (found_owed, found_left) = found(&f).await;
        assert_eq!(found_owed, owed.into_iter().collect::<Vec<_>>(), "seed {seed} round {round}: {batches:#?}");
        assert_eq!(found_left, left, "seed {seed} round {round}: {batches:#?}");
    }
}
