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
use actix_web::http::header;
use actix_web::web::{self, Data, Html, Query};
use actix_web::{App, HttpResponse, HttpServer, Responder};
use clap::Parser as _;
use serde::Deserialize;
use signoff_receiver::{Login, Standing};

use crate::site::login::{Callback, Pending, SignedIn};
use crate::site::options::Options;
use crate::site::sessions::Sessions;
use crate::site::{Failure, Site, pages};

const LOGIN: &str = "login";
const PENDING: &str = "pending";

#[actix_web::main]
async fn main() -> Result<(), Failure> {
    let site = Data::from(Arc::new(Site::new(Options::parse()).await?));
    let listen = site.options.listen.clone();
    let secret = Key::generate();
    let server = HttpServer::new(move || {
        let app = App::new()
            .wrap(
                SessionMiddleware::builder(site.sessions.clone(), secret.clone())
                    .cookie_name("shop".into())
                    .cookie_same_site(SameSite::Lax)
                    .cookie_secure(site.options.url("").starts_with("https:"))
                    .build(),
            )
            .app_data(site.clone())
            .service(site.logout.resource("/backchannel-logout"))
            .route("/", web::get().to(home))
            .route("/me", web::get().to(me))
            .route("/login", web::get().to(login))
            .route("/callback", web::get().to(callback))
            .route("/logout", web::post().to(logout));
        if site.options.dev_login { app.route("/dev-login", web::get().to(dev_login)) } else { app }
    });
    let server = server.bind(&listen)?;
    announce(&format!("http://{}", server.addrs()[0]));
    Ok(server.run().await?)
}

async fn home(site: Data<Site>, session: Session) -> Result<impl Responder, actix_web::Error> {
    let login = signed_in(&site, &session).await?;
    Ok(Html::new(pages::home(login.as_ref().map(|login| login.sub.as_str()))))
}

async fn me(site: Data<Site>, session: Session) -> Result<HttpResponse, actix_web::Error> {
    Ok(match signed_in(&site, &session).await? {
        Some(login) => HttpResponse::Ok().content_type(header::ContentType::html()).body(pages::me(&login.sub)),
        None => HttpResponse::Unauthorized().content_type(header::ContentType::html()).body(pages::unauthorized()),
    })
}

async fn login(site: Data<Site>, session: Session) -> Result<HttpResponse, actix_web::Error> {
    match site.provider.begin().await {
        Ok((url, pending)) => {
            session.insert(PENDING, pending)?;
            Ok(redirect(&url))
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn callback(
    site: Data<Site>,
    session: Session,
    Query(answer): Query<Callback>,
) -> Result<HttpResponse, actix_web::Error> {
    let pending: Option<Pending> = session.remove_as(PENDING).and_then(Result::ok);
    let Some(pending) = pending else { return Ok(failed(&"no login was begun here".into())) };
    match site.provider.finish(pending, answer).await {
        Ok(SignedIn { id_token, .. }) => {
            start(&session, id_token.login)?;
            Ok(redirect("/me"))
        }
        Err(failure) => Ok(failed(&failure)),
    }
}

async fn logout(session: Session) -> HttpResponse {
    session.purge();
    redirect("/")
}

#[derive(Deserialize)]
struct DevLogin {
    sid: Option<String>,
    sub: String,
}

async fn dev_login(
    site: Data<Site>,
    session: Session,
    Query(user): Query<DevLogin>,
) -> Result<HttpResponse, actix_web::Error> {
    start(&session, site.dev_login(user.sub, user.sid))?;
    Ok(redirect("/me"))
}

/// From here on the browser has a new id, which nobody could have planted.
fn start(session: &Session, login: Login) -> Result<(), actix_web::Error> {
    session.renew();
    session.insert(LOGIN, login)?;
    Ok(())
}

async fn signed_in(site: &Site, session: &Session) -> Result<Option<Login>, actix_web::Error> {
    let Some(login) = session.get::<Login>(LOGIN)? else { return Ok(None) };
    let standing = site.registry.standing(None, &login).await;
    Ok((standing.map_err(actix_web::error::ErrorServiceUnavailable)? == Standing::Alive).then_some(login))
}

fn redirect(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

fn failed(failure: &Failure) -> HttpResponse {
    HttpResponse::BadRequest().content_type(header::ContentType::html()).body(pages::failed(&failure.to_string()))
}

#[expect(clippy::print_stdout, reason = "for whoever started it, person or program")]
fn announce(url: &str) {
    println!("listening on {url}");
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
