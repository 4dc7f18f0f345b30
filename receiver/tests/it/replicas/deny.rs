//! Do sessions end that cannot be taken away, and what happens without a registry?

use std::convert::Infallible;

use ::actix_session::storage::{CookieSessionStore, SessionStore as _};
use ::actix_session::{Session, SessionMiddleware};
use ::tower_sessions::session::{Id, Record};
use ::tower_sessions::{MemoryStore, SessionStore as _};
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration as Ttl;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, HttpResponse, test, web};
use http::{Request, Response};
use signoff_receiver::registry::take;
use signoff_receiver::tower_sessions::DenyEndedLayer;
use signoff_receiver::{Login, Logout, LogoutTarget, MemoryRegistry, SessionRegistry, actix_session, tower_sessions};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::Broken;
use crate::app::session;
use crate::mint::{CLIENT, ISS, now};

async fn end(registry: &MemoryRegistry, sid: &str) {
    let target = LogoutTarget::Session { sid: sid.into() };
    let out = Logout { issuer: ISS.into(), client_id: CLIENT.into(), target, at: now() };
    assert!(take(registry, out).await.unwrap().is_empty(), "cookie-only sessions are registered nowhere");
}

fn login(sid: &str) -> Login {
    session("", "alice", Some(sid)).login
}

/// Its sessions live in the cookie alone.
fn cookie_only(
    registry: impl SessionRegistry + 'static,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = actix_web::Error, InitError = ()>,
> {
    use actix_session::SessionLogin as _;
    let sessions = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]));
    let sign_in = |sid: web::Path<String>, browser: Session| async move {
        browser.sign_in(&login(&sid)).unwrap();
        HttpResponse::Ok().finish()
    };
    let me = |browser: Session| async move {
        match browser.login().unwrap() {
            Some(login) => HttpResponse::Ok().body(login.sub),
            None => HttpResponse::Unauthorized().finish(),
        }
    };
    App::new()
        .wrap(actix_session::DenyEnded::new(registry))
        .wrap(sessions.cookie_secure(false).build())
        .route("/login/{sid}", web::get().to(sign_in))
        .route("/me", web::get().to(me))
}

#[actix_web::test]
async fn e21_a_session_in_a_cookie_ends_and_the_cookie_goes() {
    let registry = MemoryRegistry::new();
    let app = test::init_service(cookie_only(registry.clone())).await;
    let mut browsers = Vec::new();
    for sid in ["s1", "s2"] {
        let reply = test::call_service(&app, test::TestRequest::get().uri(&format!("/login/{sid}")).to_request()).await;
        browsers.push(reply.response().cookies().next().unwrap().into_owned());
    }
    end(&registry, "s1").await;
    // The browser may keep the cookie whatever it is told.
    for _ in 0..2 {
        let request = test::TestRequest::get().uri("/me").cookie(browsers[0].clone()).to_request();
        let reply = test::call_service(&app, request).await;
        assert_eq!(reply.status(), 401);
        let cookie = reply.response().cookies().next().unwrap();
        assert_eq!((cookie.value(), cookie.max_age()), ("", Some(Ttl::ZERO)));
    }
    let request = test::TestRequest::get().uri("/me").cookie(browsers[1].clone()).to_request();
    assert_eq!(test::call_service(&app, request).await.status(), 200);
}

#[actix_web::test]
async fn e20_without_a_registry_a_session_in_a_cookie_is_not_let_in() {
    let app = test::init_service(cookie_only(MemoryRegistry::new())).await;
    let reply = test::call_service(&app, test::TestRequest::get().uri("/login/s1").to_request()).await;
    let cookie = reply.response().cookies().next().unwrap().into_owned();
    let broken = test::init_service(cookie_only(Broken)).await;
    let request = test::TestRequest::get().uri("/me").cookie(cookie).to_request();
    let refused = test::try_call_service(&broken, request).await.err().unwrap();
    assert_eq!(refused.as_response_error().status_code(), 503);
    let stranger = test::TestRequest::get().uri("/me").to_request();
    assert_eq!(test::call_service(&broken, stranger).await.status(), 401);
}

#[actix_web::test]
async fn e20_without_a_registry_no_session_of_actix_session_is_loaded() {
    let store = super::actix::Sessions::default();
    let ttl = Ttl::hours(1);
    let entry = serde_json::to_string(&login("s1")).unwrap();
    let signed_in = [(actix_session::LOGIN_KEY.to_owned(), entry)].into();
    let (alice, nobody) = (store.save(signed_in, &ttl).await.unwrap(), store.save([].into(), &ttl).await.unwrap());
    let indexed = actix_session::IndexedSessionStore::new(store.clone(), Broken);
    assert!(indexed.load(&alice).await.is_err());
    assert!(indexed.load(&nobody).await.unwrap().is_some());
    let working = actix_session::IndexedSessionStore::new(store, MemoryRegistry::new());
    assert!(working.load(&alice).await.unwrap().is_some(), "and nothing is lost");
}

#[tokio::test]
async fn e20_without_a_registry_no_session_of_tower_sessions_is_loaded() {
    let store = MemoryStore::default();
    let expiry_date = time::OffsetDateTime::from_unix_timestamp(now() + 3600).unwrap();
    let entry = serde_json::to_value(login("s1")).unwrap();
    let signed_in = [(tower_sessions::LOGIN_KEY.to_owned(), entry)].into();
    let [mut alice, mut nobody] = [signed_in, [].into()].map(|data| Record { id: Id::default(), data, expiry_date });
    store.create(&mut alice).await.unwrap();
    store.create(&mut nobody).await.unwrap();
    let indexed = tower_sessions::IndexedSessionStore::new(store.clone(), Broken);
    assert!(indexed.load(&alice.id).await.is_err());
    assert!(indexed.load(&nobody.id).await.unwrap().is_some());
    let working = tower_sessions::IndexedSessionStore::new(store, MemoryRegistry::new());
    assert!(working.load(&alice.id).await.unwrap().is_some(), "and nothing is lost");
}

/// An application that keeps the login in a header: whatever a request carries will do.
async fn ask(registry: impl SessionRegistry + 'static, login: Option<&Login>) -> Response<String> {
    let layer =
        DenyEndedLayer::new(registry, |parts| serde_json::from_slice(parts.headers.get("login")?.as_bytes()).ok());
    let service =
        layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("me".to_owned())) }));
    let mut request = Request::get("/me");
    if let Some(login) = login {
        request = request.header("login", serde_json::to_string(login).unwrap());
    }
    service.oneshot(request.body(()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn e21_a_request_whose_login_has_ended_is_denied() {
    let registry = MemoryRegistry::new();
    end(&registry, "s1").await;
    let denied = ask(registry.clone(), Some(&login("s1"))).await;
    assert_eq!((denied.status().as_u16(), denied.headers()["cache-control"].to_str().unwrap()), (401, "no-store"));
    assert!(denied.body().is_empty());
    assert_eq!(ask(registry.clone(), Some(&login("s2"))).await.body(), "me");
    assert_eq!(ask(registry, None).await.body(), "me");
}

#[tokio::test]
async fn e20_without_a_registry_a_request_with_a_login_is_not_let_in() {
    assert_eq!(ask(Broken, Some(&login("s1"))).await.status(), 503);
    assert_eq!(ask(Broken, None).await.status(), 200);
}
