//! A site in axum whose users sign in at an OpenID provider, and are signed out by it.
//!
//! ```text
//! cargo run -p signoff-receiver --all-features --example axum -- --issuer http://127.0.0.1:3000 --client-id shop
//! ```

mod site;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use clap::Parser as _;
use serde::Deserialize;
use signoff_receiver::tower_sessions::{IndexedSessionStore, SessionLogin as _};
use signoff_receiver::{EventStream, SessionEvents, Watched};
use tokio::net::TcpListener;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};
use tower_sessions::{Session, SessionManagerLayer};

use crate::site::login::{Callback, Pending, SignedIn, Tokens};
use crate::site::logout::{departure_cookie, has_returned};
use crate::site::options::Options;
use crate::site::sessions::Sessions;
use crate::site::{Failure, PENDING, Site, TOKENS, pages};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let site = Arc::new(Site::new(Options::parse(), refresh_token).await?);
    let sessions =
        SessionManagerLayer::new(IndexedSessionStore::new(site.sessions.clone(), Arc::clone(&site.registry)))
            .with_name("shop")
            .with_same_site(SameSite::Lax)
            .with_secure(site.options.is_https());
    let mut router = Router::new()
        .route("/session-events", get(session_events))
        .route("/", get(home))
        .route("/me", get(me))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/logout", post(logout))
        .route("/signed-out", get(signed_out));
    if site.options.dev_login {
        router = router.route("/dev-login", get(dev_login));
    }
    let router = router
        .layer(sessions)
        .merge(site.logout.router("/backchannel-logout"))
        .merge(SessionEvents::script_router("/signed-out.js"))
        .with_state(Arc::clone(&site));
    let listener = TcpListener::bind(&site.options.listen).await?;
    announce(&format!("http://{}", listener.local_addr()?));
    Ok(axum::serve(listener, router).await?)
}

/// What the user sees when the sessions are out of reach.
struct OutOfReach(Failure);

impl<E: Into<Failure>> From<E> for OutOfReach {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OutOfReach {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, Html(pages::failed(&self.0.to_string()))).into_response()
    }
}

async fn home(session: Session) -> Result<Html<String>, OutOfReach> {
    let login = session.login().await?;
    Ok(Html(pages::home(login.as_ref().map(|login| login.sub.as_str()))))
}

async fn me(session: Session) -> Result<Response, OutOfReach> {
    Ok(match session.login().await? {
        Some(login) => Html(pages::me(&login.sub)).into_response(),
        None => (StatusCode::UNAUTHORIZED, Html(pages::unauthorized())).into_response(),
    })
}

/// What an open tab listens to.
async fn session_events(State(site): State<Arc<Site>>, session: Session) -> Result<EventStream, OutOfReach> {
    Ok(site.events.stream(session.login().await?.map(Watched::from)))
}

async fn login(State(site): State<Arc<Site>>, session: Session) -> Result<Response, OutOfReach> {
    match site.provider.begin().await {
        Ok((url, pending)) => {
            session.insert(PENDING, pending).await?;
            Ok(Redirect::to(&url).into_response())
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn callback(
    State(site): State<Arc<Site>>,
    session: Session,
    Query(answer): Query<Callback>,
) -> Result<Response, OutOfReach> {
    let pending: Option<Pending> = session.remove(PENDING).await?;
    let Some(pending) = pending else { return Ok(failed(&"no login was begun here".into())) };
    match site.provider.finish(pending, answer).await {
        Ok(SignedIn { id_token, tokens }) => {
            session.sign_in(&id_token.login).await?;
            session.insert(TOKENS, tokens).await?;
            Ok(Redirect::to("/me").into_response())
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn logout(State(site): State<Arc<Site>>, session: Session) -> Result<Response, OutOfReach> {
    let tokens: Option<Tokens> = session.get(TOKENS).await?;
    session.sign_out().await?;
    Ok(match site.provider.departure(tokens).await {
        Ok(departure) => {
            let cookie = [(header::SET_COOKIE, departure_cookie(&site.options, &departure))];
            (cookie, Redirect::to(&departure.url)).into_response()
        }
        // Signed out here; the provider cannot be told.
        Err(_) => Redirect::to("/").into_response(),
    })
}

#[derive(Deserialize)]
struct Return {
    state: Option<String>,
}

async fn signed_out(headers: HeaderMap, Query(back): Query<Return>) -> Html<String> {
    let cookies = headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
    Html(pages::returned(has_returned(cookies, back.state.as_deref())))
}

#[derive(Deserialize)]
struct DevLogin {
    sid: Option<String>,
    sub: String,
}

async fn dev_login(
    State(site): State<Arc<Site>>,
    session: Session,
    Query(user): Query<DevLogin>,
) -> Result<Redirect, OutOfReach> {
    session.sign_in(&site.dev_login(user.sub, user.sid)).await?;
    Ok(Redirect::to("/me"))
}

fn failed(failure: &Failure) -> Response {
    (StatusCode::BAD_REQUEST, Html(pages::failed(&failure.to_string()))).into_response()
}

#[expect(clippy::print_stdout, reason = "for whoever started it, person or program")]
fn announce(url: &str) {
    println!("listening on {url}");
}

/// tower-sessions keeps a record.
fn refresh_token(session: &str) -> Option<String> {
    let record: Record = serde_json::from_str(session).ok()?;
    serde_json::from_value::<Tokens>(record.data.get(TOKENS)?.clone()).ok()?.refresh_token
}

/// The application's own sessions, for tower-sessions.
#[async_trait::async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        // 128 random bits: no two are alike.
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let session = serde_json::to_string(record).map_err(|error| session_store::Error::Encode(error.to_string()))?;
        self.put(&record.id.to_string(), session).await.map_err(|failure| backend(&failure))
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let session = self.get(&id.to_string()).await.map_err(|failure| backend(&failure))?;
        let parse =
            |text: String| serde_json::from_str(&text).map_err(|error| session_store::Error::Decode(error.to_string()));
        session.map(parse).transpose()
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        Sessions::delete(self, &id.to_string()).await.map_err(|failure| backend(&failure))
    }
}

fn backend(failure: &Failure) -> session_store::Error {
    session_store::Error::Backend(failure.to_string())
}
