//! What happens? Two users sign in everywhere, one signs out, and everybody looks who is left.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;
use uuid::Uuid;

use super::application::Application;
use super::config::ISSUER;
use super::follow::{Follower, Logout};
use super::report;
use super::verdict::{ALIVE, Fate};
use super::world::{PATIENCE, World};
use crate::cli::api::{Api, Paged};
use crate::deliver::PlainClient;
use crate::model::{Clock as _, SystemClock};

/// Who signs out.
pub(super) const LEAVER: &str = "alice";
const USERS: [&str; 2] = [LEAVER, "bob"];
/// How long an application may take to answer for its page.
const ANSWER: Duration = Duration::from_secs(5);

/// How it ended.
pub(super) struct Told {
    pub(super) logout: Logout,
    pub(super) logins: Vec<Login>,
    pub(super) fates: Vec<Fate>,
}

/// One user's session at one application.
pub(super) struct Login {
    pub(super) user: &'static str,
    pub(super) application: usize,
    local_id: String,
    pub(super) page: Url,
}

impl Told {
    pub(super) fn is_right(&self) -> bool {
        self.fates.iter().all(Fate::is_right)
    }
}

/// Tells it, line by line; `None` is never told.
pub(super) async fn tell(world: &World, within: Duration) -> anyhow::Result<Option<Told>> {
    report::cast(world);
    let pages = PlainClient::new(ANSWER)?;
    let provider_sessions = USERS.map(|user| (user, Uuid::new_v4().to_string()));
    let logins = sign_in(world, &provider_sessions).await?;
    let before = look(&pages, &logins).await?;
    let alive = before.iter().filter(|status| **status == ALIVE).count();
    report::signed_in(&USERS, alive, logins.len());

    let (since, began) = (SystemClock.now(), SystemClock.instant());
    let id = Uuid::new_v4().to_string();
    let data = json!({ "session_id": provider_sessions[0].1, "cause": "user_logout" });
    world.door.send(&world.api, &[event(world, &id, "signoff.logout", &data)]).await?;
    report::signed_out(LEAVER, SystemClock.instant().saturating_duration_since(began));
    let found = timeout(PATIENCE, Follower::find(&world.api, &id, since)).await;
    let logout = found.context("the logout is not recorded")??.follow(within).await?;

    let after = look(&pages, &logins).await?;
    let fates = logins.iter().zip(before).zip(after);
    let fates = fates.map(|((login, before), after)| fate(world, login, (before, after), began)).collect();
    let told = Told { logout, logins, fates };
    report::ending(&told, within);
    Ok(Some(told))
}

/// Every user at every application; returns when the service knows of all of it.
async fn sign_in(world: &World, provider_sessions: &[(&'static str, String)]) -> anyhow::Result<Vec<Login>> {
    let (mut logins, mut events) = (Vec::new(), Vec::new());
    for (user, session_id) in provider_sessions {
        for (index, application) in world.applications.iter().enumerate() {
            let local_id = application.site.log_in(user, Some(session_id)).await?;
            let local_id = local_id.with_context(|| format!("{user} cannot sign in: signed out already"))?;
            let data = json!({ "session_id": session_id, "subject": user, "client_id": application.name() });
            events.push(event(world, &Uuid::new_v4().to_string(), "signoff.session.opened", &data));
            let page = application.page(&local_id)?;
            logins.push(Login { user, application: index, local_id, page });
        }
    }
    let known = timeout(PATIENCE, async {
        world.door.send(&world.api, &events).await?;
        for (_, session_id) in provider_sessions {
            registered(&world.api, session_id, world.applications.len()).await?;
        }
        anyhow::Ok(())
    });
    known.await.context("the sessions are not registered in time")??;
    Ok(logins)
}

/// An event as the identity provider sends it.
fn event(world: &World, id: &str, kind: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": world.issuer, "type": kind, "data": data })
}

/// Waits until the registry holds so many sessions under this provider session.
async fn registered(api: &Api, session_id: &str, count: usize) -> anyhow::Result<()> {
    let url = api.url(&["v1", "sessions"], &[("issuer", ISSUER), ("session_id", session_id)]);
    loop {
        let held: Paged<Value> = api.get(&url).await?;
        if held.items.len() >= count {
            return Ok(());
        }
        sleep(Duration::from_millis(25)).await;
    }
}

/// What each session's page answers.
async fn look(pages: &PlainClient, logins: &[Login]) -> anyhow::Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for login in logins {
        statuses.push(pages.get(login.page.as_str()).await.context("an application does not answer")?.status);
    }
    Ok(statuses)
}

fn fate(world: &World, login: &Login, (before, after): (u16, u16), began: Instant) -> Fate {
    let application: &Application = &world.applications[login.application];
    let session = application.site.sessions.get(&login.local_id);
    let ended_at = session.as_ref().and_then(|session| session.ended_at);
    Fate {
        user: login.user,
        application: application.name().to_owned(),
        to_end: login.user == LEAVER,
        before,
        after,
        ended_after: ended_at.map(|at| at.saturating_duration_since(began)),
        ended_by: session.and_then(|session| session.ended_by),
    }
}
