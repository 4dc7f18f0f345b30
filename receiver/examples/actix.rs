//! A site in actix-web whose users sign in at an OpenID provider, and are signed out by it.
//!
//! ```text
//! cargo run -p signoff-receiver --all-features --example actix -- --issuer http://127.0.0.1:3000 --client-id shop
//! ```

mod site;

use std::collections::HashMap;
use std::sync::Arc;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Key, SameSite};
use actix_web::http::header::{self, ContentType};
use actix_web::web::{self, Data, Html, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder};
use clap::Parser as _;
use serde::Deserialize;
use signoff_receiver::actix_session::{IndexedSessionStore, SessionLogin as _};
use signoff_receiver::{SessionEvents, Watched};

use crate::site::login::{Callback, Pending, SignedIn, Tokens};
use crate::site::logout::{departure_cookie, has_returned};
use crate::site::options::Options;
use crate::site::sessions::Sessions;
use crate::site::{Failure, PENDING, Site, TOKENS, pages};

type Answer = Result<HttpResponse, actix_web::Error>;

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    let site = Data::from(Arc::new(Site::new(Options::parse(), refresh_token).await?));
    let listen = site.options.listen.clone();
    let secret = Key::generate();
    let store = IndexedSessionStore::new(site.sessions.clone(), Arc::clone(&site.registry));
    let server = HttpServer::new(move || {
        let sessions = SessionMiddleware::builder(store.clone(), secret.clone())
            .cookie_name("shop".into())
            .cookie_same_site(SameSite::Lax)
            .cookie_secure(site.options.is_https());
        let app = App::new()
            .wrap(sessions.build())
            .app_data(site.clone())
            .service(site.logout.resource("/backchannel-logout"))
            .service(SessionEvents::script_resource("/signed-out.js"))
            .route("/session-events", web::get().to(session_events))
            .route("/", web::get().to(home))
            .route("/me", web::get().to(me))
            .route("/login", web::get().to(login))
            .route("/callback", web::get().to(callback))
            .route("/logout", web::post().to(logout))
            .route("/signed-out", web::get().to(signed_out));
        if site.options.dev_login { app.route("/dev-login", web::get().to(dev_login)) } else { app }
    });
    // Not longer for open tabs: they connect again.
    let server = server.shutdown_timeout(1).bind(&listen)?;
    announce(&format!("http://{}", server.addrs()[0]));
    Ok(server.run().await?)
}

async fn home(session: Session) -> Result<impl Responder, actix_web::Error> {
    let login = session.login()?;
    Ok(Html::new(pages::home(login.as_ref().map(|login| login.sub.as_str()))))
}

async fn me(session: Session) -> Answer {
    Ok(match session.login()? {
        Some(login) => HttpResponse::Ok().content_type(ContentType::html()).body(pages::me(&login.sub)),
        None => HttpResponse::Unauthorized().content_type(ContentType::html()).body(pages::unauthorized()),
    })
}

/// What an open tab listens to.
async fn session_events(site: Data<Site>, session: Session) -> Result<impl Responder, actix_web::Error> {
    Ok(site.events.stream(session.login()?.map(Watched::from)))
}

async fn login(site: Data<Site>, session: Session) -> Answer {
    match site.provider.begin().await {
        Ok((url, pending)) => {
            session.insert(PENDING, pending)?;
            Ok(redirect(&url))
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn callback(site: Data<Site>, session: Session, Query(answer): Query<Callback>) -> Answer {
    let pending: Option<Pending> = session.remove_as(PENDING).and_then(Result::ok);
    let Some(pending) = pending else { return Ok(failed(&"no login was begun here".into())) };
    match site.provider.finish(pending, answer).await {
        Ok(SignedIn { id_token, tokens }) => {
            session.sign_in(&id_token.login)?;
            session.insert(TOKENS, tokens)?;
            Ok(redirect("/me"))
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn logout(site: Data<Site>, session: Session) -> Answer {
    let tokens: Option<Tokens> = session.get(TOKENS)?;
    session.sign_out();
    match site.provider.departure(tokens).await {
        Ok(departure) => {
            let mut answer = redirect(&departure.url);
            let cookie = header::HeaderValue::from_str(&departure_cookie(&site.options, &departure));
            answer
                .headers_mut()
                .append(header::SET_COOKIE, cookie.map_err(actix_web::error::ErrorInternalServerError)?);
            Ok(answer)
        }
        // Signed out here; the provider cannot be told.
        Err(_) => Ok(redirect("/")),
    }
}

#[derive(Deserialize)]
struct Return {
    state: Option<String>,
}

async fn signed_out(request: HttpRequest, Query(back): Query<Return>) -> impl Responder {
    let cookies = request.headers().get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
    Html::new(pages::returned(has_returned(cookies, back.state.as_deref())))
}

#[derive(Deserialize)]
struct DevLogin {
    sid: Option<String>,
    sub: String,
}

async fn dev_login(site: Data<Site>, session: Session, Query(user): Query<DevLogin>) -> Answer {
    session.sign_in(&site.dev_login(user.sub, user.sid))?;
    Ok(redirect("/me"))
}

fn redirect(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

fn failed(failure: &Failure) -> HttpResponse {
    HttpResponse::BadRequest().content_type(ContentType::html()).body(pages::failed(&failure.to_string()))
}

#[expect(clippy::print_stdout, reason = "for whoever started it, person or program")]
fn announce(url: &str) {
    println!("listening on {url}");
}

/// actix-session keeps a map of JSON texts.
fn refresh_token(session: &str) -> Option<String> {
    let state: HashMap<String, String> = serde_json::from_str(session).ok()?;
    serde_json::from_str::<Tokens>(state.get(TOKENS)?).ok()?.refresh_token
}

/// The application's own sessions, for actix-session.
impl SessionStore for Sessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let session =
            self.get(key.as_ref()).await.map_err(|error| LoadError::Other(anyhow::Error::from_boxed(error)))?;
        let parse =
            |text: String| serde_json::from_str(&text).map_err(|error| LoadError::Deserialization(error.into()));
        session.map(parse).transpose()
    }

    async fn save(&self, state: HashMap<String, String>, _: &Duration) -> Result<SessionKey, SaveError> {
        let key = actix_session::storage::generate_session_key();
        let session = serde_json::to_string(&state).map_err(|error| SaveError::Serialization(error.into()))?;
        self.put(key.as_ref(), session).await.map_err(|error| SaveError::Other(anyhow::Error::from_boxed(error)))?;
        Ok(key)
    }

    async fn update(
        &self,
        key: SessionKey,
        state: HashMap<String, String>,
        _: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        let session = serde_json::to_string(&state).map_err(|error| UpdateError::Serialization(error.into()))?;
        self.put(key.as_ref(), session).await.map_err(|error| UpdateError::Other(anyhow::Error::from_boxed(error)))?;
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        Sessions::delete(self, key.as_ref()).await.map_err(anyhow::Error::from_boxed)
    }
}
