//! What does an application on actix-session look like, with two replicas? Two servers, and sessions that both have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::time::Duration as Ttl;
use actix_web::cookie::{Cookie, CookieJar, Key};
use actix_web::{App, HttpResponse, HttpServer, web};
use async_trait::async_trait;
use signoff_receiver::actix_session::{IndexedSessionStore, SessionLogin as _};
use signoff_receiver::{BackchannelLogout, SessionRegistry};
use tokio::sync::Barrier;

use super::{Registries, Reply, Site, cookies};
use crate::app::{client, session};
use crate::idp::spawn;

type State = HashMap<String, String>;

/// Sessions of the application, which both replicas have. As careless as a store may be: an update of
/// a session that is gone brings it back.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, State>>>);

impl SessionStore for Sessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        Ok(self.0.lock().unwrap().get(key.as_ref()).cloned())
    }

    async fn save(&self, state: State, _: &Ttl) -> Result<SessionKey, SaveError> {
        let key = generate_session_key();
        self.0.lock().unwrap().insert(key.as_ref().to_owned(), state);
        Ok(key)
    }

    async fn update(&self, key: SessionKey, state: State, _: &Ttl) -> Result<SessionKey, UpdateError> {
        self.0.lock().unwrap().insert(key.as_ref().to_owned(), state);
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Ttl) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.0.lock().unwrap().remove(key.as_ref());
        Ok(())
    }
}

pub(crate) struct ActixSite {
    addresses: [String; 2],
    store: Sessions,
    indexed: IndexedSessionStore<Sessions>,
    gate: Arc<Barrier>,
    client: reqwest::Client,
}

#[async_trait]
impl Site for ActixSite {
    async fn start(registries: &Registries) -> Self {
        let (store, gate) = (Sessions::default(), Arc::new(Barrier::new(2)));
        let addresses = registries.of.clone().map(|registry| serve(store.clone(), registry, Arc::clone(&gate)));
        let indexed = IndexedSessionStore::new(store.clone(), Arc::clone(&registries.of[0]));
        Self { addresses, store, indexed, gate, client: client() }
    }

    async fn get(&self, replica: usize, path: &str, cookie: Option<&str>) -> Reply {
        let mut request = self.client.get(format!("http://{}{path}", self.addresses[replica]));
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.unwrap();
        let cookie = response.headers().get("set-cookie").map(|value| cookies::kept(value.to_str().unwrap()));
        Reply { status: response.status().as_u16(), cookie, body: response.text().await.unwrap() }
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
        let held = self.store.0.lock().unwrap();
        cookies.iter().filter(|cookie| self.local_id(cookie).is_some_and(|id| held.contains_key(&id))).count()
    }

    fn local_id(&self, cookie: &str) -> Option<String> {
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::parse_encoded(cookie.to_owned()).unwrap());
        Some(jar.private(&key()).get("id")?.value().to_owned())
    }
}

/// The key of the cookies, at both replicas.
fn key() -> Key {
    Key::from(&[7; 64])
}

fn serve(store: Sessions, registry: Arc<dyn SessionRegistry>, gate: Arc<Barrier>) -> String {
    let indexed = IndexedSessionStore::new(store, registry);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&gate)))
            .wrap(SessionMiddleware::builder(indexed.clone(), key()).cookie_secure(false).build())
            .route("/login/{sub}/{sid}", web::get().to(login))
            .route("/me", web::get().to(me))
            .route("/visit", web::get().to(visit))
            .route("/logout", web::get().to(logout))
            .route("/touch/{ms}", web::get().to(touch))
            .route("/renew/{ms}", web::get().to(renew))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0].to_string();
    let running = server.run();
    spawn(async move { running.await.unwrap() });
    address
}

async fn login(path: web::Path<(String, String)>, browser: Session) -> actix_web::Result<HttpResponse> {
    let (sub, sid) = path.into_inner();
    browser.sign_in(&session("", &sub, (sid != "-").then_some(&*sid)).login)?;
    Ok(HttpResponse::Ok().finish())
}

async fn me(browser: Session) -> actix_web::Result<HttpResponse> {
    Ok(match browser.login()? {
        Some(login) => HttpResponse::Ok().body(login.sub),
        None => HttpResponse::Unauthorized().finish(),
    })
}

async fn visit(browser: Session) -> actix_web::Result<HttpResponse> {
    browser.insert("visits", browser.get::<u64>("visits")?.unwrap_or_default() + 1)?;
    Ok(HttpResponse::Ok().body(format!("{:?}", browser.get::<u64>("visits")?)))
}

async fn logout(browser: Session) -> HttpResponse {
    browser.sign_out();
    HttpResponse::Ok().finish()
}

async fn touch(ms: web::Path<u64>, browser: Session, gate: web::Data<Barrier>) -> actix_web::Result<HttpResponse> {
    gate.wait().await;
    gate.wait().await;
    tokio::time::sleep(Duration::from_millis(*ms)).await;
    browser.insert("touched", true)?;
    Ok(HttpResponse::Ok().finish())
}

async fn renew(ms: web::Path<u64>, browser: Session, gate: web::Data<Barrier>) -> actix_web::Result<HttpResponse> {
    browser.renew();
    touch(ms, browser, gate).await
}
