//! Is a logout that one replica received carried out at all?

use signoff_receiver::testkit::TestIssuer;

use super::site::ExampleSite;
use super::user::User;
use crate::app::{Adapter, on_both_adapters};
use crate::servers::{Schema, required};

/// Two replicas on one store, and the issuer they trust.
async fn start(adapter: Adapter, store: &str) -> Option<(TestIssuer, [ExampleSite; 2])> {
    let issuer = TestIssuer::start().await;
    let arguments = ["--issuer", issuer.issuer(), "--store", store, "--dev-login"];
    let replicas = [ExampleSite::start(adapter, &arguments)?, ExampleSite::start(adapter, &arguments)?];
    Some((issuer, replicas))
}

async fn a_logout_at_one_ends_the_session_at_the_other(adapter: Adapter, store: &str) {
    let Some((issuer, [one, other])) = start(adapter, store).await else { return };
    // Other runs may use the same Redis.
    let [sid, later] = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
    let (alice, bob) = (User::new(), User::new());
    let page = alice.open(&format!("{}/dev-login?sub=alice&sid={sid}", one.url)).await;
    assert_eq!(page.status, 200, "{}", page.html);
    assert_eq!(bob.open(&format!("{}/dev-login?sub=bob&sid=b{sid}", one.url)).await.status, 200);
    let reply = other.post(&issuer.logout_token("alice", Some(&sid)).sign()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(alice.open(&format!("{}/me", one.url)).await.status, 401);
    assert_eq!(bob.open(&format!("{}/me", one.url)).await.status, 200);
    let again = alice.open(&format!("{}/dev-login?sub=alice&sid={sid}", one.url)).await;
    assert_eq!(again.status, 401, "the provider session is over for good");
    let again = alice.open(&format!("{}/dev-login?sub=alice&sid={later}", one.url)).await;
    assert_eq!(again.status, 200, "{}", again.html);
}

async fn e18_a_logout_at_one_replica_ends_the_session_at_the_other_on_postgres(adapter: Adapter) {
    let Some(schema) = Schema::fresh().await else { return };
    a_logout_at_one_ends_the_session_at_the_other(adapter, &schema.url()).await;
}

async fn e18_a_logout_at_one_replica_ends_the_session_at_the_other_on_redis(adapter: Adapter) {
    let Some(url) = required("SIGNOFF_TEST_REDIS_URL") else { return };
    a_logout_at_one_ends_the_session_at_the_other(adapter, &url).await;
}

on_both_adapters! {
    e18_a_logout_at_one_replica_ends_the_session_at_the_other_on_postgres
    e18_a_logout_at_one_replica_ends_the_session_at_the_other_on_redis
}
