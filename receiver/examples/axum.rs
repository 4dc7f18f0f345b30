//! A site in axum whose users sign in at an OpenID provider, and are signed out by it.
//!
//! ```text
//! cargo run -p signoff-receiver --all-features --example axum -- --issuer http://127.0.0.1:3000 --client-id shop
//! ```

mod site;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use clap::Parser as _;
use serde::Deserialize;
use signoff_receiver::{Login, Standing};
use tokio::net::TcpListener;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};
use tower_sessions::{Session, SessionManagerLayer};

use crate::site::login::{Callback, Pending, SignedIn};
use crate::site::options::Options;
use crate::site::sessions::Sessions;
use crate::site::{Failure, Site, pages};

const LOGIN: &str = "login";
const PENDING: &str = "pending";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let site = Arc::new(Site::new(Options::parse()).await?);
    let sessions = SessionManagerLayer::new(site.sessions.clone())
        .with_name("shop")
        .with_same_site(SameSite::Lax)
        .with_secure(site.options.url("").starts_with("https:"));
    let mut router = Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/logout", post(logout));
    if site.options.dev_login {
        router = router.route("/dev-login", get(dev_login));
    }
    let router = router.layer(sessions).merge(site.logout.router("/backchannel-logout")).with_state(Arc::clone(&site));
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

async fn home(State(site): State<Arc<Site>>, session: Session) -> Result<Html<String>, OutOfReach> {
    let login = signed_in(&site, &session).await?;
    Ok(Html(pages::home(login.as_ref().map(|login| login.sub.as_str()))))
}

async fn me(State(site): State<Arc<Site>>, session: Session) -> Result<Response, OutOfReach> {
    Ok(match signed_in(&site, &session).await? {
        Some(login) => Html(pages::me(&login.sub)).into_response(),
        None => (StatusCode::UNAUTHORIZED, Html(pages::unauthorized())).into_response(),
    })
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
        Ok(SignedIn { id_token, .. }) => {
            start(&session, id_token.login).await?;
            Ok(Redirect::to("/me").into_response())
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn logout(session: Session) -> Result<Redirect, OutOfReach> {
    session.flush().await?;
    Ok(Redirect::to("/"))
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
    start(&session, site.dev_login(user.sub, user.sid)).await?;
    Ok(Redirect::to("/me"))
}

/// From here on the browser has a new id, which nobody could have planted.
async fn start(session: &Session, login: Login) -> Result<(), OutOfReach> {
    session.cycle_id().await?;
    session.insert(LOGIN, login).await?;
    Ok(())
}

async fn signed_in(site: &Site, session: &Session) -> Result<Option<Login>, OutOfReach> {
    let Some(login) = session.get::<Login>(LOGIN).await? else { return Ok(None) };
    Ok((site.registry.standing(None, &login).await? == Standing::Alive).then_some(login))
}

fn failed(failure: &Failure) -> Response {
    (StatusCode::BAD_REQUEST, Html(pages::failed(&failure.to_string()))).into_response()
}

#[expect(clippy::print_stdout, reason = "for whoever started it, person or program")]
fn announce(url: &str) {
    println!("listening on {url}");
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
        self.put(&record.id.to_string(), session).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let session = self.get(&id.to_string()).await.map_err(backend)?;
        let parse =
            |text: String| serde_json::from_str(&text).map_err(|error| session_store::Error::Decode(error.to_string()));
        session.map(parse).transpose()
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        Sessions::delete(self, &id.to_string()).await.map_err(backend)
    }
}

fn backend(failure: Failure) -> session_store::Error {
    session_store::Error::Backend(failure.to_string())
}
