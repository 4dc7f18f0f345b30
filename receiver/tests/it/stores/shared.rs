//! Do the stores that replicas share stand what real ones meet? The same for each.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use signoff_receiver::registry::suite::{CLIENT, ISSUER, MAX_AGE, RegistryFixture};
use signoff_receiver::registry::{Ending, PAGE_SIZE, take};
use signoff_receiver::{Login, Logout, LogoutTarget, Registration, Standing};

/// A test of each of these, for one fixture.
macro_rules! shared_suite {
    ($fixture:ty) => {
        crate::stores::shared::shared_suite! { @ $fixture:
            e23_ten_thousand_sessions_of_one_user_end_page_by_page
            names_of_any_length_and_any_characters_are_kept
            many_writers_of_the_same_sessions_do_not_stop_each_other
        }
    };
    (@ $fixture:ty: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            if let Some(fixture) = <$fixture as signoff_receiver::registry::suite::RegistryFixture>::fresh().await {
                crate::stores::shared::$name(&fixture).await;
            }
        })*
    };
}
pub(crate) use shared_suite;

fn login(fixture: &impl RegistryFixture, sub: &str, sid: Option<&str>) -> Login {
    let (sub, sid) = (sub.to_owned(), sid.map(str::to_owned));
    Login { issuer: ISSUER.into(), client_id: CLIENT.into(), sub, sid, at: fixture.now() }
}

fn logout(fixture: &impl RegistryFixture, target: LogoutTarget) -> Logout {
    Logout { issuer: ISSUER.into(), client_id: CLIENT.into(), target, at: fixture.now() }
}

async fn starts(fixture: &impl RegistryFixture, local_id: &str, login: Login) {
    let standing = fixture.registry().register(&Registration::new(local_id, login)).await;
    assert_eq!(standing.unwrap(), Standing::Alive, "{local_id}");
}

pub(crate) async fn e23_ten_thousand_sessions_of_one_user_end_page_by_page(fixture: &impl RegistryFixture) {
    const MANY: usize = 10_000;
    let registering = (0..MANY).map(|n| async move {
        starts(fixture, &format!("l{n}"), login(fixture, "alice", Some(&format!("s{n}")))).await;
    });
    stream::iter(registering).buffer_unordered(16).collect::<Vec<()>>().await;
    let out = logout(fixture, LogoutTarget::Subject { sub: "alice".into() });
    let mut ending = Ending::begin(fixture.registry(), out).await.unwrap();
    let mut seen = HashSet::new();
    while let Some(sessions) = ending.page().await.unwrap() {
        assert!(sessions.len() <= PAGE_SIZE);
        // Every second page stays, as when killing fails: the pages go on behind it.
        if seen.len() % (2 * PAGE_SIZE) < PAGE_SIZE {
            assert_eq!(fixture.registry().remove(&sessions).await.unwrap().len(), sessions.len());
        }
        for session in sessions {
            assert!(seen.insert(session.local_id), "once in each round");
        }
    }
    assert_eq!(seen.len(), MANY);
}

pub(crate) async fn names_of_any_length_and_any_characters_are_kept(fixture: &impl RegistryFixture) {
    let long = "ä".repeat(10_000);
    let (other, nul) = (format!("{long}!"), "a\0b".to_owned());
    for name in [&long, &other, &nul] {
        starts(fixture, name, login(fixture, name, Some(name))).await;
        assert_eq!(fixture.registry().rekey(name, &format!("{name}+")).await.unwrap(), Standing::Alive);
    }
    for name in [long, other, nul] {
        let out = logout(fixture, LogoutTarget::SessionOfSubject { sid: name.clone(), sub: name.clone() });
        let ended = take(fixture.registry(), out).await.unwrap();
        assert_eq!(ended, [Registration::new(format!("{name}+"), login(fixture, &name, Some(&name)))]);
    }
}

/// Logins, logouts, new ids and local logouts of the same few sessions, all at once, from two replicas.
pub(crate) async fn many_writers_of_the_same_sessions_do_not_stop_each_other(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    let work = (0..600_i64).map(|n| {
        let registry = if n % 2 == 0 { fixture.registry() } else { &*replica };
        let (one, other) = (format!("l{}", n % 7), format!("l{}", (n + 3) % 7));
        // Each is later than those before, so that logins are alive for a while.
        let alice = Login { at: fixture.now() + n, ..login(fixture, "alice", None) };
        let out = |target| Logout { at: fixture.now() + n, ..logout(fixture, target) };
        let [user, both] = [
            out(LogoutTarget::Subject { sub: "alice".into() }),
            out(LogoutTarget::SessionOfSubject { sid: "s1".into(), sub: "alice".into() }),
        ];
        async move {
            match n % 12 {
                0..6 => drop(registry.register(&Registration::new(one, alice)).await.unwrap()),
                6..9 => drop(registry.rekey(&one, &other).await.unwrap()),
                9 => registry.unregister(&one).await.unwrap(),
                10 => drop(take(registry, user).await.unwrap()),
                _ => drop(take(registry, both).await.unwrap()),
            }
        }
    });
    stream::iter(work).buffer_unordered(24).collect::<Vec<()>>().await;
    let out = logout(fixture, LogoutTarget::Subject { sub: "alice".into() });
    take(fixture.registry(), Logout { at: fixture.now() + 1000, ..out }).await.unwrap();
    for n in 0..7 {
        assert!(fixture.registry().logins(&format!("l{n}")).await.unwrap().is_empty());
    }
}

pub(crate) async fn what_is_over_goes_without_being_asked(fixture: &impl RegistryFixture) {
    for n in 0..20 {
        starts(fixture, &format!("l{n}"), login(fixture, "alice", None)).await;
        let target = LogoutTarget::Session { sid: format!("s{n}") };
        fixture.registry().bury(&logout(fixture, target)).await.unwrap();
    }
    assert!(fixture.held().await >= 40);
    fixture.advance(MAX_AGE + Duration::from_secs(2)).await;
    starts(fixture, "later", login(fixture, "bob", None)).await;
    assert!(fixture.held().await < 10, "{}", fixture.held().await);
}
