//! Recording, leasing, settling, arming, pruning: what every store does.

use std::time::Duration;

use signoff::model::{
    AbandonReason, Cause, Clock as _, DeliveryState, Outcome, ReceiptStatus, SkipReason, SystemClock, Verdict,
};
use signoff::store::views::{Counts, DeliveryFilter, ExpiredSession, LogoutFilter, Page};
use signoff::store::{Retention, Want, Which};

use super::fixture::{Fixture, LEASE, named, session, settlement, subject};
use super::on_every_store;

const DAY: Duration = Duration::from_hours(24);

on_every_store! { super::super::behaviours:
    a_logout_owes_one_delivery_per_session_and_empties_the_registry,
    a_repeated_logout_owes_nothing_more,
    an_opening_after_its_logout_is_still_logged_out,
    a_repeated_opening_after_its_logout_owes_nothing_more,
    a_subject_logout_spares_a_later_login,
    a_subject_logout_at_one_client_spares_the_others,
    a_closing_removes_only_what_was_opened_before,
    a_closing_may_arrive_before_its_opening,
    a_second_logout_arms_what_was_abandoned,
    a_session_left_alone_is_found_by_a_later_cause,
    what_waits_for_a_uri_becomes_due_with_it,
    ids_used_again_start_a_new_life,
    named_sessions_need_no_registry,
    a_logout_without_targets_is_recorded,
    an_id_that_cannot_be_stored_fails_alone,
    lanes_with_room_get_their_deliveries_leased,
    a_leased_delivery_is_not_leased_again_until_its_lease_ends,
    a_probe_takes_what_is_not_due,
    a_recovered_lane_takes_what_was_tried_before,
    a_released_lease_is_due_at_once,
    a_success_counts_after_its_lease,
    a_retry_without_its_lease_is_lost,
    attempts_are_shown_in_order,
    redelivery_arms_only_what_was_abandoned,
    clients_are_registered_with_versions,
    pages_show_every_row_once,
    pruning_forgets_only_what_is_old,
    counts_say_how_far_logouts_are,
    a_provider_session_expires_with_the_last_of_its_sessions,
    an_expired_session_is_logged_out_before_it_is_forgotten,
}

async fn three_clients(f: &Fixture) {
    let events: Vec<_> =
        ["shop", "mail", "wiki"].iter().map(|c| f.opened(&format!("o-{c}"), "s1", c, "ann", 10)).collect();
    f.record(&events).await;
}

pub(super) async fn a_logout_owes_one_delivery_per_session_and_empties_the_registry(f: Fixture) {
    three_clients(&f).await;
    f.record(&[f.opened("other", "s2", "shop", "bob", 10)]).await;
    let receipt = f.record_one(f.logout("l1", session("s1"), 20)).await;
    assert_eq!((receipt.status, receipt.owed, receipt.skipped), (ReceiptStatus::Recorded, 3, 0));
    let mut told: Vec<_> = f.deliveries().await.into_iter().map(|row| (row.client_id, row.sid, row.sub)).collect();
    told.sort();
    let expected = ["mail", "shop", "wiki"].map(|c| (c.to_owned(), Some("s1".to_owned()), Some("ann".to_owned())));
    assert_eq!(told, expected);
    let left: Vec<_> = f.sessions().await.into_iter().map(|row| row.session.session_id).collect();
    assert_eq!(left, ["s2"]);
}

pub(super) async fn a_repeated_logout_owes_nothing_more(f: Fixture) {
    three_clients(&f).await;
    let logout = f.logout("l1", session("s1"), 20);
    let recorded = f.record(&[logout.clone(), logout.clone()]).await;
    let statuses: Vec<_> = recorded.receipts.iter().map(|receipt| receipt.status).collect();
    assert_eq!(statuses, [ReceiptStatus::Recorded, ReceiptStatus::Duplicate]);
    let again = f.record_one(logout).await;
    assert_eq!((again.status, again.owed), (ReceiptStatus::Duplicate, 0));
    assert_eq!(named(&again), named(&recorded.receipts[0]));
    assert_eq!(f.deliveries().await.len(), 3);
}

pub(super) async fn an_opening_after_its_logout_is_still_logged_out(f: Fixture) {
    for (number, scope) in [session("s1"), subject("ann")].into_iter().enumerate() {
        f.record(&[f.logout(&format!("l{number}"), scope, 20)]).await;
    }
    let late = f.record_one(f.opened("late", "s1", "shop", "ann", 10)).await;
    assert_eq!(late.status, ReceiptStatus::Recorded);
    f.record(&[f.opened("late-2", "s9", "mail", "ann", 20)]).await;
    assert_eq!(f.deliveries().await.len(), 2);
    assert!(f.sessions().await.is_empty());
}

pub(super) async fn a_repeated_opening_after_its_logout_owes_nothing_more(f: Fixture) {
    three_clients(&f).await;
    f.record(&[f.logout("l1", session("s1"), 20), f.logout("l2", subject("ann"), 20)]).await;
    three_clients(&f).await;
    f.record(&[f.logout("l3", subject("ann"), 30), f.opened("o-shop", "s1", "shop", "ann", 10)]).await;
    let shop = f.client("shop").await;
    let want = Want { client: shop, room: 10, which: Which::Due };
    let leased = f.store.lease(&[want], LEASE).await.unwrap();
    f.store.settle(&[settlement(&leased[0], Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    f.record(&[f.opened("o-shop", "s1", "shop", "ann", 10)]).await;
    assert_eq!(f.deliveries().await.len(), 3);
    assert!(f.sessions().await.is_empty());
}

pub(super) async fn a_subject_logout_spares_a_later_login(f: Fixture) {
    f.record(&[f.opened("o1", "s1", "shop", "ann", 10), f.opened("o2", "s2", "shop", "ann", 30)]).await;
    let receipt = f.record_one(f.logout("l1", subject("ann"), 20)).await;
    assert_eq!(receipt.owed, 1);
    f.record(&[f.opened("o3", "s3", "shop", "ann", 21)]).await;
    let left: Vec<_> = f.sessions().await.into_iter().map(|row| row.session.session_id).collect();
    assert_eq!(left, ["s3", "s2"]);
}

pub(super) async fn a_subject_logout_at_one_client_spares_the_others(f: Fixture) {
    three_clients(&f).await;
    let scope = signoff::model::Scope::Subject { subject: "ann".into(), client_id: Some("mail".into()) };
    assert_eq!(f.record_one(f.logout("l1", scope, 20)).await.owed, 1);
    f.record(&[f.opened("late-mail", "s7", "mail", "ann", 15), f.opened("late-shop", "s7", "shop", "ann", 15)]).await;
    assert_eq!(f.deliveries().await.len(), 2);
    assert_eq!(f.sessions().await.len(), 3);
}

pub(super) async fn a_closing_removes_only_what_was_opened_before(f: Fixture) {
    three_clients(&f).await;
    f.record(&[f.closed("c1", "s1", "shop", 15), f.closed("c2", "s1", "mail", 10)]).await;
    let mut left: Vec<_> = f.sessions().await.into_iter().map(|row| row.client_id).collect();
    left.sort();
    assert_eq!(left, ["mail", "wiki"]);
    assert_eq!(f.record_one(f.logout("l1", session("s1"), 20)).await.owed, 2);
}

pub(super) async fn a_closing_may_arrive_before_its_opening(f: Fixture) {
    f.record(&[f.closed("c1", "s1", "shop", 15)]).await;
    f.record(&[f.opened("o1", "s1", "shop", "ann", 10)]).await;
    assert!(f.sessions().await.is_empty());
    f.record(&[f.opened("o2", "s1", "shop", "ann", 16)]).await;
    assert_eq!(f.sessions().await.len(), 1);
}

pub(super) async fn a_second_logout_arms_what_was_abandoned(f: Fixture) {
    three_clients(&f).await;
    let first = f.record_one(f.logout("l1", session("s1"), 20)).await;
    let want = Want { client: f.client("shop").await, room: 1, which: Which::Due };
    let leased = f.store.lease(&[want], LEASE).await.unwrap();
    let given_up = settlement(&leased[0], Outcome::Refused, Verdict::Abandon(AbandonReason::Refused));
    f.store.settle(&[given_up]).await.unwrap();
    assert_eq!(f.in_state(DeliveryState::Abandoned).await, 1);

    let second = f.record_one(f.logout("l2", session("s1"), 30)).await;
    assert_eq!((second.status, second.owed), (ReceiptStatus::Recorded, 1));
    assert_eq!(named(&second), named(&first));
    assert_eq!(f.in_state(DeliveryState::Pending).await, 3);
    let again = f.store.lease(&[want], LEASE).await.unwrap();
    assert_eq!((again[0].delivery.tries, again[0].delivery.attempts), (0, 1));
    let repeated = f.record_one(f.logout("l2", session("s1"), 30)).await;
    assert_eq!(named(&repeated), named(&first));
}

pub(super) async fn a_session_left_alone_is_found_by_a_later_cause(f: Fixture) {
    three_clients(&f).await;
    let shop = f.client("shop").await;
    f.rules.skip(shop, Cause::SessionExpired, SkipReason::CauseNotWanted);
    let first = f.record_one(f.logout_for("l1", session("s1"), 20, Cause::SessionExpired)).await;
    assert_eq!((first.owed, first.skipped), (2, 1));
    assert_eq!(f.sessions().await.len(), 1, "the session stays");
    f.record(&[f.opened("o-shop", "s1", "shop", "ann", 10)]).await;
    assert_eq!((f.deliveries().await.len(), f.sessions().await.len()), (3, 1), "an opening again changes nothing");
    f.record(&[f.logout_for("l2", session("s1"), 21, Cause::SessionExpired)]).await;
    assert_eq!((f.deliveries().await.len(), f.sessions().await.len()), (3, 1));

    let last = f.record_one(f.logout_for("l3", session("s1"), 30, Cause::UserLogout)).await;
    assert_eq!((last.owed, named(&last)), (1, named(&first)));
    assert_eq!(f.in_state(DeliveryState::Pending).await, 3);
    assert_eq!(f.in_state(DeliveryState::Skipped).await, 0);
    assert!(f.sessions().await.is_empty());
}

pub(super) async fn what_waits_for_a_uri_becomes_due_with_it(f: Fixture) {
    three_clients(&f).await;
    let (shop, mail) = (f.client("shop").await, f.client("mail").await);
    f.rules.skip(shop, Cause::UserLogout, SkipReason::UnknownClient);
    f.rules.skip(mail, Cause::UserLogout, SkipReason::NoSid);
    let receipt = f.record_one(f.logout("l1", session("s1"), 20)).await;
    assert_eq!((receipt.owed, receipt.skipped), (1, 2));
    assert!(f.sessions().await.is_empty());
    assert_eq!(f.store.clients_have_uri(&[shop, mail]).await.unwrap(), 1);
    assert_eq!(f.in_state(DeliveryState::Pending).await, 2);
    assert_eq!(f.store.skip_clients(&[shop], SkipReason::UnknownClient).await.unwrap(), 1);
    assert_eq!(f.in_state(DeliveryState::Pending).await, 1);
}

pub(super) async fn ids_used_again_start_a_new_life(mut f: Fixture) {
    f.rules.reuses = true;
    f.record(&[f.opened("o1", "s1", "shop", "ann", 10), f.logout("l1", session("s1"), 20)]).await;
    f.record(&[f.opened("o2", "s1", "shop", "ann", 30)]).await;
    assert_eq!((f.deliveries().await.len(), f.sessions().await.len()), (1, 1));
    f.record(&[f.opened("o3", "s1", "mail", "ann", 19)]).await;
    assert_eq!(f.deliveries().await.len(), 2, "of the old life");
    assert_eq!(f.record_one(f.logout("l2", session("s1"), 40)).await.owed, 1);
    assert_eq!((f.deliveries().await.len(), f.sessions().await.len()), (3, 0));
}

pub(super) async fn named_sessions_need_no_registry(f: Fixture) {
    let mut event = f.logout("l1", session("s1"), 20);
    if let signoff::model::EventKind::Logout(request) = &mut event.kind {
        request.sessions = ["shop", "mail"]
            .map(|client| signoff::model::NamedSession {
                client_id: client.into(),
                sid: Some(format!("{client}-sid")),
                sub: Some("pairwise".into()),
            })
            .to_vec();
    }
    assert_eq!(f.record_one(event.clone()).await.owed, 2);
    assert_eq!(f.record_one(event).await.status, ReceiptStatus::Duplicate);
    let mut sids: Vec<_> = f.deliveries().await.into_iter().filter_map(|row| row.sid).collect();
    sids.sort();
    assert_eq!(sids, ["mail-sid", "shop-sid"]);
    assert!(f.sessions().await.is_empty());
}

pub(super) async fn a_logout_without_targets_is_recorded(f: Fixture) {
    let receipt = f.record_one(f.logout("l1", session("nobody"), 20)).await;
    assert_eq!((receipt.status, receipt.owed), (ReceiptStatus::Recorded, 0));
    let detail = f.store.logout(named(&receipt)).await.unwrap().unwrap();
    assert_eq!(detail.view.counts.pending, 0);
}

/// The formats refuse such ids; this is what stands behind them.
pub(super) async fn an_id_that_cannot_be_stored_fails_alone(f: Fixture) {
    use rand::RngExt;
    // Random, so that compression does not save it.
    let long: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(20_000).map(char::from).collect();
    let bad = f.opened("bad", &long, "shop", "ann", 10);
    let good = f.opened("good", "s1", "shop", "ann", 10);
    let result = f.try_record(&[good.clone(), bad]).await;
    if let Err(error) = result {
        assert!(matches!(error, signoff::store::StoreError::Poison(_)), "{error:?}");
        assert!(f.sessions().await.is_empty(), "nothing of the batch is kept");
    }
    f.record(&[good]).await;
    assert!(f.sessions().await.iter().any(|row| row.session.session_id == "s1"));
}

pub(super) async fn lanes_with_room_get_their_deliveries_leased(f: Fixture) {
    three_clients(&f).await;
    let shop = f.client("shop").await;
    f.rooms.open.lock().unwrap().insert(shop);
    let recorded = f.record(&[f.logout("l1", session("s1"), 20)]).await;
    assert_eq!(recorded.leased.len(), 1);
    assert_eq!(recorded.leased[0].delivery.client, shop);
    assert_eq!(recorded.overflow.len(), 2);
    let lanes = f.store.due_lanes().await.unwrap();
    let due: Vec<_> = lanes.iter().filter(|lane| lane.due_for.is_some()).map(|lane| lane.client).collect();
    assert!(due.len() == 2 && !due.contains(&shop), "{lanes:?}");
    let settled =
        f.store.settle(&[settlement(&recorded.leased[0], Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    assert_eq!(settled.delivered, [recorded.leased[0].delivery.id]);
}

async fn one_leased(f: &Fixture) -> (Want, signoff::model::Leased) {
    f.record(&[f.opened("o1", "s1", "shop", "ann", 10), f.logout("l1", session("s1"), 20)]).await;
    let want = Want { client: f.client("shop").await, room: 5, which: Which::Due };
    let leased = f.store.lease(&[want], LEASE).await.unwrap();
    assert_eq!(leased.len(), 1);
    (want, leased.into_iter().next().unwrap())
}

pub(super) async fn a_leased_delivery_is_not_leased_again_until_its_lease_ends(f: Fixture) {
    let (want, _) = one_leased(&f).await;
    for which in [Which::Due, Which::Any, Which::DueOrTriedBefore(Duration::ZERO)] {
        assert!(f.store.lease(&[Want { which, ..want }], LEASE).await.unwrap().is_empty(), "{which:?}");
    }
    let early = f.replica(Duration::from_secs(28), None).await;
    assert!(early.lease(&[want], LEASE).await.unwrap().is_empty());
    let later = f.replica(Duration::from_secs(31), None).await;
    assert_eq!(later.lease(&[want], LEASE).await.unwrap().len(), 1);
}

pub(super) async fn a_probe_takes_what_is_not_due(f: Fixture) {
    let (want, row) = one_leased(&f).await;
    f.store.settle(&[settlement(&row, Outcome::Unavailable, Verdict::RetryIn(Duration::from_mins(5)))]).await.unwrap();
    assert!(f.store.lease(&[want], LEASE).await.unwrap().is_empty());
    let probe = f.store.lease(&[Want { room: 1, which: Which::Any, ..want }], LEASE).await.unwrap();
    let delivery = &probe[0].delivery;
    assert_eq!((delivery.tries, delivery.attempts), (1, 1));
    let streak = delivery.streak.expect("one failure");
    assert_eq!((streak.outcome, streak.count), (Outcome::Unavailable, 1));
}

pub(super) async fn a_recovered_lane_takes_what_was_tried_before(f: Fixture) {
    let (want, row) = one_leased(&f).await;
    f.store.settle(&[settlement(&row, Outcome::Unavailable, Verdict::RetryIn(Duration::from_mins(5)))]).await.unwrap();
    let long_ago = Want { which: Which::DueOrTriedBefore(Duration::from_mins(1)), ..want };
    assert!(f.store.lease(&[long_ago], LEASE).await.unwrap().is_empty());
    let now = Want { which: Which::DueOrTriedBefore(Duration::ZERO), ..want };
    assert_eq!(f.store.lease(&[now], LEASE).await.unwrap().len(), 1);
}

pub(super) async fn a_released_lease_is_due_at_once(f: Fixture) {
    let (want, row) = one_leased(&f).await;
    let other = signoff::model::LeaseId(row.lease.0 - 1);
    assert_eq!(f.store.release(&[(row.delivery.id, other)]).await.unwrap(), 0);
    assert_eq!(f.store.release(&[(row.delivery.id, row.lease)]).await.unwrap(), 1);
    let again = f.store.lease(&[want], LEASE).await.unwrap();
    assert_eq!((again.len(), again[0].delivery.attempts), (1, 0));
}

pub(super) async fn a_success_counts_after_its_lease(f: Fixture) {
    let (want, row) = one_leased(&f).await;
    let later = f.replica(Duration::from_secs(31), None).await;
    assert_eq!(later.lease(&[want], LEASE).await.unwrap().len(), 1);
    let settled = f.store.settle(&[settlement(&row, Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    assert_eq!(settled.delivered, [row.delivery.id]);
    let twice = f.store.settle(&[settlement(&row, Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    assert_eq!((twice.delivered.len(), twice.lost.len()), (0, 1));
}

pub(super) async fn a_retry_without_its_lease_is_lost(f: Fixture) {
    let (want, row) = one_leased(&f).await;
    let later = f.replica(Duration::from_secs(31), None).await;
    let taken = later.lease(&[want], LEASE).await.unwrap();
    for verdict in [Verdict::RetryIn(Duration::ZERO), Verdict::Abandon(AbandonReason::Exhausted)] {
        let settled = f.store.settle(&[settlement(&row, Outcome::Unavailable, verdict)]).await.unwrap();
        assert_eq!((settled.applied.len(), settled.lost.len()), (0, 1));
    }
    let settled = f.store.settle(&[settlement(&taken[0], Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    assert_eq!(settled.delivered.len(), 1);
}

pub(super) async fn attempts_are_shown_in_order(f: Fixture) {
    let (want, mut row) = one_leased(&f).await;
    for _ in 0..2 {
        let retry = settlement(&row, Outcome::Unavailable, Verdict::RetryIn(Duration::ZERO));
        assert_eq!(f.store.settle(&[retry]).await.unwrap().applied.len(), 1);
        row = f.store.lease(&[want], LEASE).await.unwrap().remove(0);
    }
    f.store.settle(&[settlement(&row, Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    let detail = f.store.delivery(row.delivery.id).await.unwrap().unwrap();
    assert_eq!((detail.view.state, detail.view.attempts), (DeliveryState::Delivered, 3));
    let shown: Vec<_> = detail.attempts.iter().map(|a| (a.number, a.outcome, a.status)).collect();
    let expected =
        [(1, Outcome::Unavailable, Some(503)), (2, Outcome::Unavailable, Some(503)), (3, Outcome::Accepted, Some(200))];
    assert_eq!(shown, expected);
    let jtis: std::collections::HashSet<_> = detail.attempts.iter().filter_map(|a| a.jti).collect();
    assert_eq!(jtis.len(), 3);
}

pub(super) async fn redelivery_arms_only_what_was_abandoned(f: Fixture) {
    three_clients(&f).await;
    f.record(&[f.logout("l1", session("s1"), 20)]).await;
    let shop = f.client("shop").await;
    let leased = f.store.lease(&[Want { client: shop, room: 1, which: Which::Due }], LEASE).await.unwrap();
    let id = leased[0].delivery.id;
    assert!(!f.store.redeliver(id).await.unwrap(), "still pending");
    let given_up = Verdict::Abandon(AbandonReason::Refused);
    f.store.settle(&[settlement(&leased[0], Outcome::Refused, given_up)]).await.unwrap();
    let detail = f.store.delivery(id).await.unwrap().unwrap();
    assert_eq!(detail.view.abandoned, Some(AbandonReason::Refused));
    let other = DeliveryFilter { abandoned: Some(AbandonReason::Exhausted), ..DeliveryFilter::default() };
    assert_eq!(f.store.redeliver_where(&other).await.unwrap(), 0);
    let visible = DeliveryFilter { visible: Some(vec![]), ..DeliveryFilter::default() };
    assert_eq!(f.store.redeliver_where(&visible).await.unwrap(), 0);
    let mine = DeliveryFilter { client: Some(shop), issuer: Some(f.issuer), ..DeliveryFilter::default() };
    assert_eq!(f.store.redeliver_where(&mine).await.unwrap(), 1);
    assert_eq!(f.in_state(DeliveryState::Pending).await, 3);
}

pub(super) async fn clients_are_registered_with_versions(f: Fixture) {
    let uri = |uri: &str| serde_json::json!({ "backchannel_logout_uri": uri });
    let put =
        async |meta: serde_json::Value, version| f.store.put_client(f.issuer, "shop", &meta, version).await.unwrap();
    assert!(put(uri("a"), Some(4)).await.is_none(), "not there");
    let first = put(uri("a"), Some(0)).await.expect("created");
    assert!(put(uri("b"), Some(0)).await.is_none(), "there already");
    let second = put(uri("b"), Some(first.version)).await.expect("replaced");
    assert!(second.version > first.version && second.key == first.key);
    assert_eq!(f.store.clients().await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(f.store.delete_client(f.issuer, "shop", Some(first.version)).await.unwrap(), None);
    assert_eq!(f.store.delete_client(f.issuer, "shop", Some(second.version)).await.unwrap(), Some(true));
    assert_eq!(f.store.delete_client(f.issuer, "shop", None).await.unwrap(), Some(false));
    assert!(f.store.clients().await.unwrap().is_empty());
    let third = put(uri("c"), None).await.expect("registered again");
    assert_eq!((third.key, f.client("shop").await), (first.key, first.key));
}

pub(super) async fn pages_show_every_row_once(f: Fixture) {
    for number in 0..7 {
        let sid = format!("s{number}");
        f.record(&[f.opened(&sid, &sid, "shop", "ann", 10), f.opened(&format!("x{sid}"), &sid, "mail", "bob", 10)])
            .await;
    }
    let mut seen = Vec::new();
    let mut page = Page { after: None, limit: 3 };
    loop {
        let answer = f.store.sessions(&signoff::store::views::SessionFilter::default(), &page).await.unwrap();
        seen.extend(answer.rows.into_iter().map(|row| (row.session.session_id, row.client_id)));
        page.after = answer.next;
        let Some(cursor) = &page.after else { break };
        assert!(cursor.parse::<i64>().is_ok(), "a cursor tells nothing of the session: {cursor}");
    }
    assert_eq!(seen.len(), 14);
    assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), 14);

    for number in 0..7 {
        f.record(&[f.logout(&format!("l{number}"), session(&format!("s{number}")), 20)]).await;
    }
    let (mut logouts, mut deliveries) = (Vec::new(), Vec::new());
    let mut page = Page { after: None, limit: 3 };
    loop {
        let answer = f.store.logouts(&LogoutFilter::default(), &page).await.unwrap();
        logouts.extend(answer.rows.into_iter().map(|row| (row.logout.event_id, row.counts.pending)));
        page.after = answer.next;
        if page.after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..7).rev().map(|n| (format!("l{n}"), 2)).collect();
    assert_eq!(logouts, expected);
    loop {
        let answer = f.store.deliveries(&DeliveryFilter::default(), &page).await.unwrap();
        deliveries.extend(answer.rows.into_iter().map(|row| row.id));
        page.after = answer.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(deliveries.len(), 14);
    assert!(deliveries.is_sorted_by(|a, b| a > b));
}

pub(super) async fn pruning_forgets_only_what_is_old(f: Fixture) {
    let (want, row) = one_leased(&f).await;
    f.store.settle(&[settlement(&row, Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    f.record(&[f.opened("o2", "s2", "shop", "bob", 10), f.logout("l2", session("s2"), 20)]).await;
    let keep = Retention::default();
    assert_eq!(f.store.prune(&keep, 100).await.unwrap(), 0);
    let later = f.replica(8 * DAY, None).await;
    assert!(later.prune(&keep, 100).await.unwrap() >= 1, "the delivered row");
    assert_eq!(f.deliveries().await.len(), 1);
    let much_later = f.replica(40 * DAY, None).await;
    much_later.prune(&keep, 100).await.unwrap();
    assert_eq!(f.deliveries().await.len(), 1, "what is owed is never forgotten");
    let logouts = f.store.logouts(&LogoutFilter::default(), &Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(logouts.rows.len(), 1);
    assert_eq!(much_later.lease(&[want], LEASE).await.unwrap().len(), 1);
}

pub(super) async fn counts_say_how_far_logouts_are(f: Fixture) {
    three_clients(&f).await;
    f.rules.skip(f.client("wiki").await, Cause::UserLogout, SkipReason::NoLogoutUri);
    let busy = named(&f.record_one(f.logout("l1", session("s1"), 20)).await);
    let empty = named(&f.record_one(f.logout("l2", session("nobody"), 20)).await);
    let want = Want { client: f.client("shop").await, room: 1, which: Which::Due };
    let leased = f.store.lease(&[want], LEASE).await.unwrap();
    f.store.settle(&[settlement(&leased[0], Outcome::Accepted, Verdict::Delivered)]).await.unwrap();
    let unknown = signoff::model::LogoutId(empty.0 + 1000);
    let mut counts = f.store.logout_counts(&[unknown, empty, busy]).await.unwrap();
    counts.sort_by_key(|(id, _)| *id);
    let expected = Counts { pending: 1, delivered: 1, abandoned: 0, skipped: 1, expanding: false };
    assert_eq!(counts, [(busy, expected), (empty, Counts::default())]);
    let detail = f.store.logout(busy).await.unwrap().unwrap();
    assert_eq!(detail.view.counts, expected, "the same as in the whole");
    assert!(f.store.logout_counts(&[]).await.unwrap().is_empty());
}

/// An opening whose session expires so many seconds from now.
fn expiring(f: &Fixture, session_id: &str, client: &str, seconds: i64) -> signoff::model::Event {
    let mut event = f.opened(&format!("o-{session_id}-{client}"), session_id, client, "ann", 10);
    if let signoff::model::EventKind::Opened(opening) = &mut event.kind {
        opening.expires_at = Some(SystemClock.now() + time::Duration::seconds(seconds));
    }
    event
}

async fn expired(f: &Fixture, limit: u32) -> Vec<String> {
    let found = f.store.expired_sessions(f.issuer, limit).await.unwrap();
    found.into_iter().map(|session| session.session_id).collect()
}

pub(super) async fn a_provider_session_expires_with_the_last_of_its_sessions(f: Fixture) {
    f.record(&[
        expiring(&f, "both", "shop", -20),
        expiring(&f, "both", "mail", -10),
        expiring(&f, "older", "shop", -30),
        expiring(&f, "alive", "shop", -40),
        expiring(&f, "alive", "mail", 1000),
    ])
    .await;
    assert_eq!(expired(&f, 10).await, ["older", "both"]);
    assert_eq!(expired(&f, 1).await, ["older"]);
    let other = f.store.issuer_key("https://other.example.com").await.unwrap();
    assert!(f.store.expired_sessions(other, 10).await.unwrap().is_empty());
    let again = f.replica(Duration::from_secs(1001), None).await;
    let found = again.expired_sessions(f.issuer, 10).await.unwrap();
    assert_eq!(found.last().map(|session| session.session_id.as_str()), Some("alive"));

    // The time is that of the last end: it names the event, the same on every replica.
    let both = |found: &[ExpiredSession]| found.iter().find(|session| session.session_id == "both").cloned();
    let here = f.store.expired_sessions(f.issuer, 10).await.unwrap();
    assert_eq!(both(&here), both(&found));
    let behind = SystemClock.now() - both(&here).expect("it is there").ended_at;
    assert!(behind >= time::Duration::seconds(10) && behind < time::Duration::seconds(20), "{behind}");
}

pub(super) async fn an_expired_session_is_logged_out_before_it_is_forgotten(f: Fixture) {
    f.rules.skip(f.client("mail").await, Cause::SessionExpired, SkipReason::CauseNotWanted);
    f.record(&[expiring(&f, "s1", "shop", -20), expiring(&f, "s1", "mail", -20)]).await;
    let waiting = Retention { until_logged_out: vec![f.issuer], ..Retention::default() };
    f.store.prune(&waiting, 100).await.unwrap();
    assert_eq!(f.sessions().await.len(), 2);

    let logout = f.logout_for("l1", session("s1"), 20, Cause::SessionExpired);
    let receipt = f.record_one(logout).await;
    assert_eq!((receipt.owed, receipt.skipped), (1, 1));
    assert!(expired(&f, 10).await.is_empty(), "what was left alone is not asked about again");
    f.store.prune(&waiting, 100).await.unwrap();
    assert!(f.sessions().await.is_empty(), "and has expired like any other");

    f.record(&[expiring(&f, "s2", "shop", -20)]).await;
    f.store.prune(&Retention::default(), 100).await.unwrap();
    assert!(f.sessions().await.is_empty(), "where expiry is no logout, it is forgotten");
}
