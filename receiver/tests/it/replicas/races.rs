//! Does a request in flight bring back what a logout has ended at the other replica?

use std::time::Duration;

use futures_util::future::join;

use super::{Registries, Site, World};

/// How often.
const ROUNDS: u64 = 120;

/// Request and logout start together, the one or the other up to 3 ms ahead.
async fn nothing_comes_back<S: Site>(registries: Option<Registries>, what: &str) {
    let Some(registries) = registries else { return };
    let world = World::<S>::start(registries).await;
    for round in 0..ROUNDS {
        let (sub, sid) = (format!("alice{round}"), format!("s{round}"));
        let cookie = world.sign_in(0, &sub, &sid).await;
        assert_eq!(world.who(&cookie).await.as_deref(), Some(&*sub));
        let ahead = round % 7;
        let path = format!("/{what}/{}", ahead.saturating_sub(3));
        let logout = async {
            world.let_pass(async {}).await;
            tokio::time::sleep(Duration::from_millis(3_u64.saturating_sub(ahead))).await;
            world.logout(1, &sub, &sid).await
        };
        let (reply, _) = join(world.site.get(0, &path, Some(&cookie)), logout).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let cookies: Vec<String> = reply.cookie.into_iter().chain([cookie]).collect();
        assert_eq!(cookies.len(), 2, "the request saved its session");
        assert_eq!(world.site.left(&cookies).await, 0, "round {round}: deleted, not only refused");
        for cookie in &cookies {
            assert_eq!(world.who(cookie).await, None, "round {round}");
        }
    }
}

macro_rules! races {
    ($($library:ident $site:ty: $($registry:ident)*;)*) => {
        $(mod $library {
            $(mod $registry {
                use crate::replicas::{Registries, races::nothing_comes_back};

                #[tokio::test(flavor = "multi_thread")]
                async fn e17_a_request_in_flight_does_not_bring_the_session_back() {
                    nothing_comes_back::<$site>(Registries::$registry().await, "touch").await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn e17_a_request_in_flight_does_not_bring_the_session_back_under_a_new_id() {
                    nothing_comes_back::<$site>(Registries::$registry().await, "renew").await;
                }
            })*
        })*
    };
}

races! {
    actix_session crate::replicas::actix::ActixSite: memory postgres redis;
    tower_sessions crate::replicas::tower::TowerSite: memory postgres redis;
}
