//! What does a person see at an application? Whether they are signed in.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Deserialize;

use super::application::Site;
use super::sessions::Session;

/// The session in the address, so that a demo's links open it. An application keeps it in its
/// cookie alone.
pub(super) const PARAMETER: &str = "session";

const STYLE: &str = "body{font:18px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:40rem;padding:0 1rem;\
                     color:#222;background:#fff}.good{color:#060}.bad{color:#900}code{font-size:.9em}\
                     @media(prefers-color-scheme:dark){body{color:#ddd;background:#111}.good{color:#7c7}\
                     .bad{color:#f88}}";

#[derive(Deserialize)]
struct Asked {
    session: Option<String>,
}

/// The protected page: 200 with a live session, else 401.
#[get("/")]
pub(super) async fn show(site: Data<Site>, request: HttpRequest, asked: Query<Asked>) -> HttpResponse {
    // Cookies know no ports: each application needs a name of its own.
    let cookie = format!("demo_{}", site.identity.name);
    let from_cookie = || request.cookie(&cookie).map(|cookie| cookie.value().to_owned());
    let id = asked.into_inner().session.or_else(from_cookie).unwrap_or_default();
    let session = site.sessions.get(&id);
    let live = session.as_ref().is_some_and(|session| session.ended_at.is_none());
    let mut answer = if live { HttpResponse::Ok() } else { HttpResponse::Unauthorized() };
    if live {
        let cookie = Cookie::build(cookie.as_str(), id).path("/").http_only(true).same_site(SameSite::Lax).finish();
        answer.cookie(cookie);
    }
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(html(&site.identity.name, session.as_ref()))
}

#[derive(Deserialize)]
struct Login {
    sub: String,
    sid: Option<String>,
}

/// Starts a session as the return from the provider would, and shows the page.
#[get("/dev-login")]
pub(super) async fn dev_login(site: Data<Site>, login: Query<Login>) -> HttpResponse {
    match site.log_in(&login.sub, login.sid.as_deref()).await {
        Ok(Some(session)) => {
            HttpResponse::SeeOther().insert_header((LOCATION, format!("/?{PARAMETER}={session}"))).finish()
        }
        Ok(None) => HttpResponse::Conflict().body("the provider session is over"),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

/// It asks again every two seconds, so that an open tab shows the logout.
fn html(name: &str, session: Option<&Session>) -> String {
    let text = match session {
        Some(Session { user, ended_at: None, .. }) => {
            format!("<h1 class=\"good\">{user} is signed in</h1>\n<p>This page is for signed-in users.</p>")
        }
        Some(Session { user, ended_by, .. }) => {
            let by = ended_by.as_deref().unwrap_or("-");
            format!(
                "<h1 class=\"bad\">{user} is signed out</h1>\n<p>The identity provider ended this session, through \
                 the logout token <code>{by}</code>.</p>"
            )
        }
        None => "<h1 class=\"bad\">Nobody is signed in</h1>\n<p>Open one of the addresses that the demo \
                 printed.</p>"
            .to_owned(),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{name}</title><style>{STYLE}</style></head>\n\
         <body><p>{name}</p>\n{text}\n</body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock as _, SystemClock};

    #[test]
    fn a_person_reads_who_is_signed_in() {
        let session = |ended: bool| Session {
            user: "alice".into(),
            ended_at: ended.then(|| SystemClock.instant()),
            ended_by: ended.then(|| "the-jti".into()),
        };
        for (session, expected) in [
            (Some(session(false)), "alice is signed in"),
            (Some(session(true)), "<code>the-jti</code>"),
            (None, "Nobody is signed in"),
        ] {
            assert!(html("shop", session.as_ref()).contains(expected), "{expected}");
        }
    }
}
