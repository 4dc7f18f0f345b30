//! Do exactly the sessions end that a logout names?
#![expect(clippy::missing_panics_doc, reason = "each behaviour panics if the store does not have it")]

use futures_util::{StreamExt as _, stream};

use super::{CLIENT, ISSUER, RegistryFixture, ended, knows, login, logout, page, signed_in, starts, told};
use crate::registry::{Ending, Login, Logout, PAGE_SIZE};

/// An unknown name ends nobody.
pub async fn e01_an_unknown_name_ends_nobody(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    for (sid, sub) in [(Some("s9"), None), (None, Some("bob")), (Some("alice"), Some("s1")), (None, Some("s1"))] {
        assert!(ended(fixture.registry(), logout(fixture, sid, sub)).await.is_empty(), "{sid:?} {sub:?}");
    }
    assert!(knows(fixture.registry(), "l1").await);
}

/// `sid` wins over `sub`.
pub async fn e02_sid_and_sub_end_only_the_sessions_of_the_sid(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1")), ("l2", "alice", Some("s2")), ("l3", "bob", Some("s3"))]).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await, ["l1"]);
    assert!(knows(fixture.registry(), "l2").await && knows(fixture.registry(), "l3").await);
}

/// A user named alone loses all sessions, with `sid` and without.
pub async fn e03_sub_alone_ends_all_sessions_of_the_user(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1")), ("l2", "alice", None), ("l3", "bob", Some("s3"))]).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, None, Some("alice"))).await, ["l1", "l2"]);
    assert!(knows(fixture.registry(), "l3").await);
}

/// Several local sessions hang on one provider session.
pub async fn e05_two_local_sessions_of_one_sid_both_end(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1")), ("l2", "alice", Some("s1"))]).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await, ["l1", "l2"]);
    assert!(!knows(fixture.registry(), "l1").await && !knows(fixture.registry(), "l2").await);
}

/// Names belong to an issuer.
pub async fn e06_the_same_names_at_another_issuer_survive(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    let other = Login { issuer: "https://other.example.com".into(), ..login(fixture, "alice", Some("s1")) };
    starts(fixture.registry(), "l2", &other).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await, ["l1"]);
    assert!(ended(fixture.registry(), logout(fixture, None, Some("alice"))).await.is_empty());
    assert!(knows(fixture.registry(), "l2").await);
}

/// Where the ID token had no `sid`, the user decides, also if the logout has one.
pub async fn e09_a_session_without_sid_is_found_by_sub(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", None), ("l2", "alice", Some("s2"))]).await;
    assert!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await.is_empty());
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await, ["l1"]);
    assert!(knows(fixture.registry(), "l2").await);
}

/// Names belong to a client.
pub async fn e26_the_same_user_at_another_client_survives(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    let other = Login { client_id: "forum".into(), ..login(fixture, "alice", Some("s1")) };
    starts(fixture.registry(), "l2", &other).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, None, Some("alice"))).await, ["l1"]);
    assert!(knows(fixture.registry(), "l2").await);
}

/// A local session may have logged in at two issuers; either can end it.
pub async fn a_local_session_of_two_logins_ends_as_a_whole(fixture: &impl RegistryFixture) {
    let other = Login { issuer: "https://other.example.com".into(), ..login(fixture, "a", Some("x")) };
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    starts(fixture.registry(), "l1", &other).await;
    assert_eq!(told(fixture.registry().logins("l1").await).len(), 2);
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await, ["l1"]);
    assert!(!knows(fixture.registry(), "l1").await);
    let there = Logout { issuer: "https://other.example.com".into(), ..logout(fixture, Some("x"), None) };
    assert!(ended(fixture.registry(), there).await.is_empty());
}

/// Whatever a name is made of, it is another name than the others.
pub async fn names_with_odd_characters_are_kept_apart(fixture: &impl RegistryFixture) {
    let odd = ["a", "a\"", "a\",\"", "a:b", "a%", "a_", "a*", "a\\", "a b", "ä", "日本", "A", "a\u{301}", "'", "{a}"];
    for sub in odd {
        for sid in [None, Some(sub)] {
            starts(fixture.registry(), &format!("{sub}|{sid:?}"), &login(fixture, sub, sid)).await;
        }
    }
    for sub in odd {
        let own = [format!("{sub}|{:?}", Some(sub))];
        assert_eq!(ended(fixture.registry(), logout(fixture, Some(sub), None)).await, own);
        assert_eq!(ended(fixture.registry(), logout(fixture, None, Some(sub))).await, [format!("{sub}|None")]);
    }
}

/// Many sessions are never returned at once, and none is left out.
pub async fn e23_many_sessions_of_one_user_come_in_pages(fixture: &impl RegistryFixture) {
    let many = 3 * PAGE_SIZE + 7;
    let registering = (0..many).map(|n| async move {
        let login = login(fixture, "alice", (n % 2 == 0).then_some(format!("s{n}")).as_deref());
        starts(fixture.registry(), &format!("l{n}"), &login).await;
    });
    stream::iter(registering).buffer_unordered(16).collect::<Vec<()>>().await;
    let first = page(fixture.registry(), &logout(fixture, None, Some("alice")), None).await;
    assert!((1..=PAGE_SIZE).contains(&first.sessions.len()) && first.next.is_some(), "{}", first.sessions.len());
    assert_eq!(ended(fixture.registry(), logout(fixture, None, Some("alice"))).await.len(), many);
    assert!(page(fixture.registry(), &logout(fixture, None, Some("alice")), None).await.sessions.is_empty());
}

/// Sessions that stay do not stop the pages, come once in each round, and in the next round again.
pub async fn e19_those_that_could_not_be_killed_are_found_again(fixture: &impl RegistryFixture) {
    let many = PAGE_SIZE + 44;
    for n in 0..many {
        starts(fixture.registry(), &format!("l{n}"), &login(fixture, "alice", Some("s1"))).await;
    }
    for expected in [many, many.div_ceil(2)] {
        let mut ending = told(Ending::begin(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await);
        let mut seen = Vec::new();
        while let Some(sessions) = told(ending.page().await) {
            let (even, odd) =
                sessions.into_iter().partition::<Vec<_>, _>(|one| one.local_id.ends_with(['0', '2', '4', '6', '8']));
            assert_eq!(told(fixture.registry().remove(&odd).await).len(), odd.len());
            seen.extend(even.into_iter().chain(odd).map(|one| one.local_id));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), expected);
    }
}

/// Nobody means those who logged in long after the logout was asked for.
pub async fn a_session_newer_than_clocks_differ_is_spared_by_a_logout_of_the_user(fixture: &impl RegistryFixture) {
    let now = fixture.now();
    for (local_id, at) in [("l1", now), ("l2", now + 60), ("l3", now + 61)] {
        let login = Login { at, ..login(fixture, "alice", None) };
        starts(fixture.registry(), local_id, &login).await;
    }
    assert_eq!(ended(fixture.registry(), logout(fixture, None, Some("alice"))).await, ["l1", "l2"]);
    let later = Logout { at: now + 61, ..logout(fixture, None, Some("alice")) };
    assert_eq!((later.issuer.as_str(), later.client_id.as_str()), (ISSUER, CLIENT));
    assert_eq!(ended(fixture.registry(), later).await, ["l3"]);
}
