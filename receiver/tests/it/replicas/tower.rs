//! What does an application on tower-sessions look like, with two replicas? Two services, and sessions that both
//! have, each behind a cache of its own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response, StatusCode};
use signoff_receiver::BackchannelLogout;
use signoff_receiver::tower_sessions::{IndexedSessionStore, SessionLogin as _};
use tokio::sync::Barrier;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_sessions::{CachingSessionStore, MemoryStore, Session, SessionManagerLayer, SessionStore as _, session};

use super::{Registries, Reply, Site, cookies};
use crate::app;

type App = BoxCloneSyncService<Request<String>, Response<String>, Infallible>;

pub(crate) struct TowerSite {
    replicas: [App; 2],
    store: MemoryStore,
    indexed: IndexedSessionStore<MemoryStore>,
    gate: Arc<Barrier>,
}

#[async_trait]
impl Site for TowerSite {
    async fn start(registries: &Registries) -> Self {
        let (store, gate) = (MemoryStore::default(), Arc::new(Barrier::new(2)));
        let replicas = registries.of.clone().map(|registry| {
            let cached = CachingSessionStore::new(MemoryStore::default(), store.clone());
            let layer = SessionManagerLayer::new(IndexedSessionStore::new(cached, registry)).with_secure(false);
            let gate = Arc::clone(&gate);
            let handler = service_fn(move |request| handle(request, Arc::clone(&gate)));
            BoxCloneSyncService::new(layer.layer(handler))
        });
        let indexed = IndexedSessionStore::new(store.clone(), Arc::clone(&registries.of[0]));
        Self { replicas, store, indexed, gate }
    }

    async fn get(&self, replica: usize, path: &str, cookie: Option<&str>) -> Reply {
        let mut request = Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let service = self.replicas[replica].clone();
        // A task of its own: the requests of a test run at the same time.
        #[expect(clippy::disallowed_methods, reason = "a test has no shutdown")]
        let running = tokio::spawn(service.oneshot(request.body(String::new()).unwrap()));
        let response = running.await.unwrap().unwrap();
        let cookie = response.headers().get("set-cookie").map(|value| cookies::kept(value.to_str().unwrap()));
        Reply { status: response.status().as_u16(), cookie, body: response.into_body() }
    }

    fn kill(&self, endpoint: BackchannelLogout) -> BackchannelLogout {
        let indexed = self.indexed.clone();
        endpoint.kill_with(move |session| {
            let indexed = indexed.clone();
            async move { indexed.kill(&session).await }
        })
    }

    fn gate(&self) -> &Barrier {
        &self.gate
    }

    async fn left(&self, cookies: &[String]) -> usize {
        let mut left = 0;
        for id in cookies.iter().filter_map(|cookie| cookies::value(cookie).parse().ok()) {
            left += usize::from(self.store.load(&id).await.unwrap().is_some());
        }
        left
    }

    fn local_id(&self, cookie: &str) -> Option<String> {
        Some(cookies::value(cookie).to_owned())
    }
}

async fn handle(request: Request<String>, gate: Arc<Barrier>) -> Result<Response<String>, Infallible> {
    let session = request.extensions().get::<Session>().unwrap().clone();
    let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    let (status, body) = answer(&session, &path, &gate)
        .await
        .unwrap_or_else(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
}

async fn answer(session: &Session, path: &[&str], gate: &Barrier) -> Result<(StatusCode, String), session::Error> {
    let mut body = String::new();
    match path {
        ["login", sub, sid] => {
            session.sign_in(&app::session("", sub, (*sid != "-").then_some(*sid)).login).await?;
        }
        ["me"] => match session.login().await? {
            Some(login) => body = login.sub,
            None => return Ok((StatusCode::UNAUTHORIZED, body)),
        },
        ["visit"] => {
            session.insert("visits", session.get::<u64>("visits").await?.unwrap_or_default() + 1).await?;
            body = format!("{:?}", session.get::<u64>("visits").await?);
        }
        ["logout"] => session.sign_out().await?,
        [what @ ("touch" | "renew"), ms] => {
            // The session is loaded now.
            session.login().await?;
            gate.wait().await;
            gate.wait().await;
            tokio::time::sleep(Duration::from_millis(ms.parse().unwrap())).await;
            if *what == "renew" {
                session.cycle_id().await?;
            }
            session.insert("touched", true).await?;
        }
        _ => return Ok((StatusCode::NOT_FOUND, body)),
    }
    Ok((StatusCode::OK, body))
}
