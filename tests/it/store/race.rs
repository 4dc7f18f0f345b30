//! Can an opening slip past a logout that runs at the same time? Forced in both orders, and free.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use signoff::model::{Event, Scope};
use signoff::store::probe::{Point, Probe};
use tokio::sync::Semaphore;

use super::fixture::{AT_ONCE, Fixture, LEASE, all, session, subject};
use super::on_every_store;

on_every_store! { super::super::race:
    a_session_logout_after_the_opening_began,
    a_session_logout_before_the_opening_began,
    a_subject_logout_after_the_opening_began,
    a_subject_logout_before_the_opening_began,
    a_logout_of_all_after_the_opening_began,
    a_logout_of_all_before_the_opening_began,
    session_logouts_and_openings_run_free,
    walks_and_session_logouts_run_free,
    subject_logouts_and_openings_run_free,
}

/// Holds a transaction at one point until it is let go.
#[derive(Debug)]
pub(super) struct Hold {
    point: Point,
    pub(super) reached: Semaphore,
    pub(super) go: Semaphore,
}

impl Hold {
    pub(super) fn at(point: Point) -> Arc<Self> {
        Arc::new(Self { point, reached: Semaphore::new(0), go: Semaphore::new(0) })
    }
}

#[async_trait]
impl Probe for Hold {
    async fn at(&self, point: Point) {
        if point == self.point {
            self.reached.add_permits(1);
            self.go.acquire().await.unwrap().forget();
        }
    }
}

const POINTS: [Point; 3] = [Point::Locked, Point::ProviderSessionsLocked, Point::Written];

/// `first` is held at a point while `second` starts; both must find each other.
async fn forced(f: &Fixture, number: usize, point: Point, (first, second): (Event, Event)) {
    let hold = Hold::at(point);
    let slow = f.replica(Duration::ZERO, Some(hold.clone())).await;
    let (rules, store) = (f.rules.clone(), f.store.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        slow.record(&[first], &rules, &super::fixture::Lanes::default(), LEASE).await.unwrap();
    });
    hold.reached.acquire().await.unwrap().forget();
    let rules = f.rules.clone();
    tasks.spawn(async move {
        store.record(&[second], &rules, &super::fixture::Lanes::default(), LEASE).await.unwrap();
    });
    // Long enough for the second to run into the first one's locks, or past them.
    tokio::time::sleep(Duration::from_millis(120)).await;
    hold.go.add_permits(1);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    f.expand().await;
    assert_eq!(f.deliveries().await.len(), number + 1, "a session slipped through at {point:?}");
    assert!(f.sessions().await.is_empty(), "a session was left at {point:?}");
}

async fn force(f: Fixture, scope: fn(&str) -> Scope, opening_first: bool) {
    for (number, point) in POINTS.into_iter().enumerate() {
        let name = format!("n{number}");
        // The provider session exists already, so that both only update its row.
        f.record(&[f.opened(&format!("p{name}"), &name, "shop", "nobody", 1)]).await;
        f.record(&[f.closed(&format!("c{name}"), &name, "shop", 2)]).await;
        let opening = f.opened(&name, &name, "mail", &name, 10);
        let logout = f.logout(&format!("l{name}"), scope(&name), 20);
        let pair = if opening_first { (opening, logout) } else { (logout, opening) };
        forced(&f, number, point, pair).await;
    }
}

pub(super) async fn a_session_logout_after_the_opening_began(f: Fixture) {
    force(f, session, true).await;
}

pub(super) async fn a_session_logout_before_the_opening_began(f: Fixture) {
    force(f, session, false).await;
}

pub(super) async fn a_subject_logout_after_the_opening_began(f: Fixture) {
    force(f, subject, true).await;
}

pub(super) async fn a_subject_logout_before_the_opening_began(f: Fixture) {
    force(f, subject, false).await;
}

pub(super) async fn a_logout_of_all_after_the_opening_began(f: Fixture) {
    force(f, |_| all(Some("mail")), true).await;
}

pub(super) async fn a_logout_of_all_before_the_opening_began(f: Fixture) {
    force(f, |_| all(Some("mail")), false).await;
}

/// One replica walks all sessions while the other logs them out one by one: each is told once.
pub(super) async fn walks_and_session_logouts_run_free(f: Fixture) {
    const SESSIONS: usize = 12;
    let other = f.replica(Duration::ZERO, None).await;
    let lanes = super::fixture::Lanes::default();
    for round in 0..ROUNDS / 10 {
        let names: Vec<_> = (0..SESSIONS).map(|number| format!("r{round}-{number}")).collect();
        let openings: Vec<_> = names.iter().map(|name| f.opened(name, name, "shop", name, 10)).collect();
        f.record(&openings).await;
        f.record(&[f.logout(&format!("all-{round}"), all(Some("shop")), 20)]).await;
        let walk = async {
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..3000))).await;
            while other.expand(&f.rules, AT_ONCE).await.unwrap().is_some() {}
        };
        let one_by_one = async {
            for name in &names {
                let logout = [f.logout(&format!("l-{name}"), session(name), 20)];
                f.store.record(&logout, &f.rules, &lanes, LEASE).await.unwrap();
            }
        };
        tokio::join!(walk, one_by_one);
        assert_eq!(f.deliveries().await.len(), (round + 1) * SESSIONS);
    }
    assert!(f.sessions().await.is_empty(), "sessions were left");
}

const ROUNDS: usize = 500;

/// Two replicas, no barrier: one opens at three clients, one logs out.
async fn free(f: Fixture, scope: fn(&str) -> Scope) {
    let other = f.replica(Duration::ZERO, None).await;
    for round in 0..ROUNDS {
        let name = format!("r{round}");
        let openings = ["shop", "mail", "wiki"].map(|c| f.opened(&format!("{name}-{c}"), &name, c, &name, 10));
        let logout = f.logout(&name, scope(&name), 20);
        let lanes = super::fixture::Lanes::default();
        let open = async {
            for opening in &openings {
                f.store.record(std::slice::from_ref(opening), &f.rules, &lanes, LEASE).await.unwrap();
            }
        };
        let logouts = [logout];
        let end = async {
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..1500))).await;
            other.record(&logouts, &f.rules, &lanes, LEASE).await.unwrap();
        };
        tokio::join!(open, end);
    }
    assert!(f.sessions().await.is_empty(), "sessions were left");
    assert_eq!(f.deliveries().await.len(), 3 * ROUNDS);
}

pub(super) async fn session_logouts_and_openings_run_free(f: Fixture) {
    free(f, session).await;
}

pub(super) async fn subject_logouts_and_openings_run_free(f: Fixture) {
    free(f, subject).await;
}

/// Two replicas write the same provider sessions at the same moment, each named in an order of its own.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_sessions_never_wait_for_each_other() {
    const SESSIONS: usize = 300;
    let Some(f) = super::fixture::postgres().await else { return };
    let hold = Hold::at(Point::Locked);
    for round in 0..10 {
        let mut tasks = tokio::task::JoinSet::new();
        for client in ["shop", "mail"] {
            let opened = |n: usize| f.opened(&format!("{client}-{round}-{n}"), &format!("s{n}"), client, "ann", round);
            let mut batch: Vec<Event> = (0..SESSIONS).map(opened).collect();
            batch.rotate_left(if client == "shop" { 0 } else { SESSIONS / 2 });
            let (store, rules) = (f.replica(Duration::ZERO, Some(hold.clone())).await, f.rules.clone());
            tasks.spawn(async move {
                store.record(&batch, &rules, &super::fixture::Lanes::default(), LEASE).await.map(drop)
            });
        }
        hold.reached.acquire_many(2).await.unwrap().forget();
        hold.go.add_permits(2);
        while let Some(done) = tasks.join_next().await {
            done.unwrap().expect("no deadlock");
        }
    }
    assert_eq!(f.sessions().await.len(), 2 * SESSIONS);
}
