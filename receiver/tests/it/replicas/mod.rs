//! Do sessions obey in an application of two replicas, whichever session library and registry it has?

mod actix;
mod cookies;
mod deny;
mod races;
mod sessions;
mod tower;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use signoff_receiver::registry::{Cursor, Page};
use signoff_receiver::{
    BackchannelLogout, Login, Logout, MemoryRegistry, PostgresRegistry, RedisRegistry, Registration, SessionAge,
    SessionRegistry, Standing, StoreError,
};
use tokio::sync::Barrier;

use crate::app::{TestClock, verifier};
use crate::idp::Idp;
use crate::mint::{Mint, rsa};
use crate::servers::{Keyspace, Schema};

/// A registry as two replicas have it.
pub(crate) struct Registries {
    pub(crate) of: [Arc<dyn SessionRegistry>; 2],
    _schema: Option<Schema>,
}

impl Registries {
    #[expect(clippy::unused_async, reason = "as its siblings")]
    pub(crate) async fn memory() -> Option<Self> {
        let registry = MemoryRegistry::new();
        Some(Self { of: [Arc::new(registry.clone()), Arc::new(registry)], _schema: None })
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let schema = Schema::fresh().await?;
        PostgresRegistry::migrate(&schema.pool()).await.unwrap();
        let registry = || Arc::new(PostgresRegistry::new(schema.pool()));
        Some(Self { of: [registry(), registry()], _schema: Some(schema) })
    }

    pub(crate) async fn redis() -> Option<Self> {
        let keyspace = Keyspace::fresh()?;
        // Keys that are left behind do not stay for two weeks.
        let age = || SessionAge::at_most(Duration::from_hours(1));
        let [one, other] = [keyspace.connection().await, keyspace.connection().await];
        let registry = |connection| Arc::new(RedisRegistry::with_age(connection, age()).prefix(&keyspace.prefix));
        Some(Self { of: [registry(one), registry(other)], _schema: None })
    }
}

/// What a browser gets.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// `name=value`, if one was set.
    pub(crate) cookie: Option<String>,
}

/// An application of two replicas: `/login/<sub>/<sid>` signs in, `/me` tells who is (200 or 401),
/// `/visit` makes a session of nobody, `/logout` signs out; `/touch/<ms>` and `/renew/<ms>` load the
/// session, meet the test at the gate, once more, wait, and change the session, `/renew` its id too.
#[async_trait]
pub(crate) trait Site: Sized + Send + Sync {
    async fn start(registries: &Registries) -> Self;

    /// Asks a replica.
    async fn get(&self, replica: usize, path: &str, cookie: Option<&str>) -> Reply;

    /// Deletes a session where the application keeps it, as a kill hook does.
    fn kill(&self, endpoint: BackchannelLogout) -> BackchannelLogout;

    fn gate(&self) -> &Barrier;

    /// How many of the sessions with these cookies the application's own store still holds.
    async fn left(&self, cookies: &[String]) -> usize;

    /// The local id of the session with this cookie.
    fn local_id(&self, cookie: &str) -> Option<String>;
}

/// A site, its registries, and the endpoint of each replica.
pub(crate) struct World<S> {
    pub(crate) site: S,
    pub(crate) registries: Registries,
    endpoints: [BackchannelLogout; 2],
    _idp: Idp,
}

impl<S: Site> World<S> {
    pub(crate) async fn start(registries: Registries) -> Self {
        let site = S::start(&registries).await;
        let idp = Idp::start(vec![rsa().jwk("k1")]).await;
        let endpoints = registries.of.clone().map(|registry| {
            site.kill(BackchannelLogout::new(verifier(&idp, &TestClock::default()).build().unwrap(), registry))
        });
        Self { site, registries, endpoints, _idp: idp }
    }

    /// The cookie of a new session.
    pub(crate) async fn sign_in(&self, replica: usize, sub: &str, sid: &str) -> String {
        let reply = self.site.get(replica, &format!("/login/{sub}/{sid}"), None).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.cookie.unwrap()
    }

    /// Lets a request go on that waits at the gate, after something has been done.
    pub(crate) async fn let_pass(&self, meanwhile: impl Future<Output = ()>) {
        self.site.gate().wait().await;
        meanwhile.await;
        self.site.gate().wait().await;
    }

    /// Who is signed in, by both replicas alike.
    pub(crate) async fn who(&self, cookie: &str) -> Option<String> {
        let [one, other] = [self.ask(0, cookie).await, self.ask(1, cookie).await];
        assert_eq!(one, other);
        one
    }

    async fn ask(&self, replica: usize, cookie: &str) -> Option<String> {
        let reply = self.site.get(replica, "/me", Some(cookie)).await;
        assert!(matches!(reply.status, 200 | 401), "{reply:?}");
        (reply.status == 200).then_some(reply.body)
    }

    /// The provider tells a replica that this session has ended. How many it ended.
    pub(crate) async fn logout(&self, replica: usize, sub: &str, sid: &str) -> usize {
        let jti = uuid::Uuid::new_v4().to_string();
        let token = Mint::good().claim("sub", sub).claim("sid", sid).claim("jti", jti).sign(rsa());
        self.endpoints[replica].logout(&token).await.unwrap().sessions
    }
}

/// A registry that is out of reach.
pub(crate) struct Broken;

fn broken<T>() -> Result<T, StoreError> {
    Err(StoreError::new("out of reach"))
}

#[async_trait]
impl SessionRegistry for Broken {
    async fn register(&self, _: &Registration) -> Result<Standing, StoreError> {
        broken()
    }

    async fn rekey(&self, _: &str, _: &str) -> Result<Standing, StoreError> {
        broken()
    }

    async fn unregister(&self, _: &str) -> Result<(), StoreError> {
        broken()
    }

    async fn standing(&self, _: Option<&str>, _: &Login) -> Result<Standing, StoreError> {
        broken()
    }

    async fn logins(&self, _: &str) -> Result<Vec<Login>, StoreError> {
        broken()
    }

    async fn bury(&self, _: &Logout) -> Result<(), StoreError> {
        broken()
    }

    async fn find(&self, _: &Logout, _: Option<&Cursor>) -> Result<Page, StoreError> {
        broken()
    }

    async fn remove(&self, _: &[Registration]) -> Result<Vec<Registration>, StoreError> {
        broken()
    }

    async fn prune(&self) -> Result<(), StoreError> {
        broken()
    }
}
