//! Does the store stay small, and keep what is still needed? A month and a half, day by day, by the store's clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use signoff::model::{
    AbandonReason, Cause, Clock as _, Event, EventKind, Leased, LogoutId, Outcome, ReceiptStatus, SkipReason,
    SystemClock, Verdict,
};
use signoff::store::{Recorded, Retention, Settlement, Store, Want, Which};

use super::fixture::{AT_ONCE, Fixture, LEASE, all, named, session, settlement, subject};
use super::on_every_store;

on_every_store! { super::super::retention:
    in_a_month_and_a_half_no_table_grows_beyond_its_retention,
}

pub(super) const DAY: Duration = Duration::from_hours(24);
const DAYS: u32 = 44;
/// Provider sessions that begin on each day; half of them are logged out.
const BEGIN: usize = 400;
const EACH: u32 = 1000;

pub(super) const TABLES: [&str; 8] =
    ["provider_sessions", "sessions", "closings", "logouts", "expansions", "deliveries", "delivered", "attempts"];

pub(super) type Sizes = BTreeMap<&'static str, i64>;

pub(super) async fn sizes(f: &Fixture) -> Sizes {
    let mut sizes = Sizes::new();
    for table in TABLES {
        sizes.insert(table, f.count(table).await);
    }
    sizes
}

/// One day of the store's clock.
pub(super) struct Today<'a> {
    pub(super) f: &'a Fixture,
    pub(super) store: Arc<dyn Store>,
    pub(super) day: u32,
}

impl<'a> Today<'a> {
    pub(super) async fn new(f: &'a Fixture, day: u32) -> Self {
        Self { f, store: f.replica(DAY * day, None).await, day }
    }

    /// Seconds since the epoch of the fixture, so many before now.
    pub(super) fn at(&self, ago: i64) -> i64 {
        let epoch = time::macros::datetime!(2026-01-01 00:00 UTC);
        (SystemClock.now() - epoch).whole_seconds() + i64::from(self.day) * 86_400 - ago
    }

    /// It lives for as long as sessions do unless they say otherwise.
    pub(super) fn opened(&self, session: &str, client: &str, ago: i64) -> Event {
        let mut event = self.f.opened(&format!("o-{session}-{client}"), session, client, session, self.at(ago));
        if let EventKind::Opened(opening) = &mut event.kind {
            opening.expires_at = None;
        }
        event
    }

    pub(super) fn logout(&self, scope: signoff::model::Scope, id: &str) -> Event {
        self.f.logout(id, scope, self.at(10))
    }

    pub(super) async fn record(&self, events: &[Event]) -> Recorded {
        self.store.record(events, &self.f.rules, &self.f.rooms, LEASE).await.unwrap()
    }

    pub(super) async fn lease(&self, client: &str) -> Vec<Leased> {
        let want = Want { client: self.f.client(client).await, room: 10_000, which: Which::Due };
        self.store.lease(&[want], LEASE).await.unwrap()
    }

    /// Of ten, one is given up, one is delivered by the second attempt, the others at once.
    pub(super) async fn settle(&self, client: &str) {
        let verdict = |(n, row): (usize, &Leased)| match n % 10 {
            0 => settlement(row, Outcome::Refused, Verdict::Abandon(AbandonReason::Refused)),
            1 => settlement(row, Outcome::Unavailable, Verdict::RetryIn(Duration::ZERO)),
            _ => settlement(row, Outcome::Accepted, Verdict::Delivered),
        };
        let done: Vec<_> = self.lease(client).await.iter().enumerate().map(verdict).collect();
        self.store.settle(&done).await.unwrap();
        let accepted = |row: &Leased| settlement(row, Outcome::Accepted, Verdict::Delivered);
        let again: Vec<Settlement> = self.lease(client).await.iter().map(accepted).collect();
        self.store.settle(&again).await.unwrap();
    }

    /// What a day brings.
    async fn goes_by(&self) {
        let name = |n: usize| format!("d{}-{n}", self.day);
        let mut openings = Vec::new();
        for n in 0..BEGIN {
            let (tenth, other) = (n % 10 == 0, n % 10 == 2);
            let clients = [("shop", true), ("mail", true), ("gone", tenth), ("lax", other)];
            openings.extend(clients.iter().filter(|(_, opens)| *opens).map(|(c, _)| self.opened(&name(n), c, 20)));
        }
        openings.push(self.opened(&name(9999), "bulk", 20));
        let closed = (0..BEGIN / 4).map(|n| self.f.closed("c", &name(n * 4 + 1), "mail", self.at(15)));
        let mut later: Vec<_> = closed.collect();
        later.extend((0..BEGIN / 2).map(|n| self.logout(session(&name(n)), &format!("l-{}", name(n)))));
        later.push(self.logout(subject(&name(BEGIN - 1)), &format!("subject-{}", self.day)));
        later.push(self.logout(all(Some("bulk")), &format!("bulk-{}", self.day)));
        for some in openings.chunks(500).chain(later.chunks(500)) {
            self.record(some).await;
        }
        while self.store.expand(&self.f.rules, AT_ONCE).await.unwrap().is_some() {}
        for client in ["shop", "mail", "bulk"] {
            self.settle(client).await;
        }
        while self.store.prune(&Retention::default(), EACH).await.unwrap() > 0 {}
    }
}

pub(super) async fn in_a_month_and_a_half_no_table_grows_beyond_its_retention(f: Fixture) {
    f.rules.skip(f.client("gone").await, Cause::UserLogout, SkipReason::UnknownClient);
    f.rules.skip(f.client("lax").await, Cause::UserLogout, SkipReason::CauseNotWanted);
    let first = Today::new(&f, 0).await;
    let owed = [first.opened("owed", "dead", 20), first.logout(session("owed"), "owed")];
    let owed = named(&first.record(&owed).await.receipts[1]);
    let mut seen = Vec::new();
    for day in 0..=DAYS {
        let today = Today::new(&f, day).await;
        today.goes_by().await;
        seen.push(sizes(&f).await);
        if day == 6 {
            ended_sessions_are_remembered(&today).await;
        }
    }
    // Seven days after it has settled; thirty days; a row put off is looked at again a day later.
    let grows = |table: &str, from: usize| seen[from..].iter().any(|sizes| sizes[table] > seen[from][table]);
    let bounds = [("delivered", 8), ("closings", 8)].into_iter().chain(TABLES.map(|table| (table, 33)));
    let broken: Vec<_> = bounds.filter(|(table, from)| grows(table, *from)).collect();
    assert!(broken.is_empty(), "{broken:?}: {:#?}", (&seen[8], &seen[33], seen.last()));
    let last = seen.last().unwrap();
    let a_day = i64::try_from(BEGIN).unwrap();
    assert!(last["delivered"] < 9 * a_day && last["provider_sessions"] < 10 * a_day, "{last:?}");
    what_is_needed_is_there(&Today::new(&f, DAYS).await, owed).await;
}

/// After six days; `d0-1` was logged out on the first.
async fn ended_sessions_are_remembered(today: &Today<'_>) {
    let late = today.opened("d0-1", "late", 86_400);
    today.record(&[late]).await;
    let leased = today.lease("late").await;
    assert_eq!(leased.len(), 1, "an opening under an ended provider session");
    let told = [settlement(&leased[0], Outcome::Accepted, Verdict::Delivered)];
    today.store.settle(&told).await.unwrap();
}

async fn what_is_needed_is_there(today: &Today<'_>, owed: LogoutId) {
    let last = today.day;
    // What is owed for forty days, with its logout and its ended provider session.
    assert!(today.store.logout(owed).await.unwrap().is_some());
    assert_eq!(today.lease("dead").await.len(), 1);
    today.record(&[today.opened("owed", "late", 86_400)]).await;
    assert_eq!(today.lease("late").await.len(), 1, "it is remembered for as long as something is owed");
    // The event of a logout, 29 and 31 days ago.
    let status = async |days: u32| {
        let id = format!("l-d{}-5", last - days);
        today.record(&[today.logout(session("another"), &id)]).await.receipts.remove(0).status
    };
    assert_eq!((status(29).await, status(32).await), (ReceiptStatus::Duplicate, ReceiptStatus::Recorded));
    // An opening of 29 days ago that comes only now meets the fence of that day.
    let user = format!("d{}-{}", last - 29, BEGIN - 1);
    let mut late = today.opened("unseen", "late", 29 * 86_400 + 3600);
    if let EventKind::Opened(opening) = &mut late.kind {
        (opening.subject, opening.expires_at) = (user, None);
    }
    today.record(&[late]).await;
    assert_eq!(today.lease("late").await.len(), 1, "a fence is kept for as long as a late opening may meet it");
    // Who was not logged out is signed in for thirty days.
    let signed_in = async |days: u32| {
        let name = format!("d{}-{}", last - days, BEGIN - 2);
        today.record(&[today.logout(session(&name), &format!("now-{name}"))]).await.receipts.remove(0).owed
    };
    assert_eq!((signed_in(29).await, signed_in(31).await), (2, 0));
}
