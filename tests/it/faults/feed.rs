//! Who says what happens? Feeders that repeat every event, as it was, until it is acknowledged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use serde_json::Value;
use tokio::time::sleep;

use super::clients::{CLIENTS, name};
use crate::support::api::submission;
use crate::support::events::{logout, opened};
use crate::support::ledger::Ledger;
use crate::support::publisher::Publisher;

/// How long a feeder waits for an answer before it asks another replica: what is paused or waits
/// for its store answers late, and the event then comes twice.
const ANSWER: Duration = Duration::from_secs(3);
/// Clients whose sessions open together with the logout.
const LATE: usize = 3;

/// Says the logouts of some sessions, one after the other.
pub(super) struct Feeder {
    pub(super) ledger: Arc<Mutex<Ledger>>,
    /// Where events are posted to.
    pub(super) replicas: Vec<String>,
    pub(super) dice: StdRng,
    /// Pauses between two sessions are up to twice this.
    pub(super) pause: Duration,
}

/// The openings of this session that come long before its logout.
pub(super) fn early(session: &str) -> impl Iterator<Item = Value> {
    (0..CLIENTS - LATE).map(move |number| opening(session, number))
}

/// The others.
pub(super) fn late(session: &str) -> impl Iterator<Item = Value> {
    (CLIENTS - LATE..CLIENTS).map(move |number| opening(session, number))
}

fn opening(session: &str, number: usize) -> Value {
    opened(session, &format!("user-of-{session}"), &name(number))
}

/// The logout and the openings that come with it, in any order.
fn together(session: &str, dice: &mut StdRng) -> Vec<Value> {
    let mut events: Vec<_> = late(session).chain([logout(session)]).collect();
    events.shuffle(dice);
    events
}

impl Feeder {
    /// Over AMQP, one message an event.
    pub(super) async fn by_amqp(mut self, mut publisher: Publisher, sessions: Vec<String>) {
        for session in sessions {
            for event in together(&session, &mut self.dice) {
                publisher.publish(&event.to_string()).await;
            }
            self.promised(&session).await;
        }
    }

    /// Over HTTP, at either replica, in one batch or event by event.
    pub(super) async fn by_http(mut self, sessions: Vec<String>) {
        for session in sessions {
            let events = together(&session, &mut self.dice);
            let at_once = if self.dice.random_bool(0.5) { events.len() } else { 1 };
            for part in events.chunks(at_once) {
                self.insist(part).await;
            }
            self.promised(&session).await;
        }
    }

    /// Until one of the replicas has answered 202.
    pub(super) async fn insist(&mut self, events: &[Value]) {
        loop {
            let replica = self.replicas.choose(&mut self.dice).expect("a replica");
            let answer = submission(replica, events).timeout(ANSWER).send().await;
            match answer.map(|answer| answer.status().as_u16()) {
                Ok(202) => return,
                Ok(status) if status < 500 => panic!("a replica answered {status}"),
                Ok(_) | Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn promised(&mut self, session: &str) {
        let owed = (0..CLIENTS).map(|number| (name(number), session.to_owned()));
        self.ledger.lock().expect("no panic while locked").promise(session, owed);
        sleep(self.pause.mul_f64(self.dice.random_range(0.0..2.0))).await;
    }
}
