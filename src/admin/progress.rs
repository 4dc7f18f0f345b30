//! How far is a logout now? Waits for its end, or follows it as server-sent events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpResponse, get};
use futures_util::stream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Admin;
use super::auth::{Caller, Reads};
use super::dto::CountsDto;
use super::logouts::seen;
use super::problem::{Problem, ProblemBody};
use crate::model::LogoutId;
use crate::store::Store;
use crate::store::views::Counts;

/// First pause between two looks; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest pause of somebody who waits for an answer.
const PAUSE_WAIT: Duration = Duration::from_millis(250);
/// Longest pause of a stream: a logout may be owed for hours.
const PAUSE_FOLLOW: Duration = Duration::from_secs(1);
/// A stream is never silent for longer, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How far some logouts are.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) counts: BTreeMap<LogoutId, Counts>,
    open: Vec<LogoutId>,
}

impl Progress {
    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Looks at those still open. A store that does not answer leaves them open: what was
    /// recorded stays recorded.
    async fn look(&mut self, store: &dyn Store) {
        if let Ok(found) = store.logout_counts(&self.open).await {
            self.open = found.iter().filter(|(_, counts)| !counts.is_settled()).map(|(id, _)| *id).collect();
            self.counts.extend(found);
        }
    }
}

/// Returns when everything these logouts owed is settled, the time is up, or the service stops.
pub(crate) async fn settled_within(admin: &Admin, logouts: &[LogoutId], wait: Duration) -> Progress {
    let mut progress = Progress { open: logouts.to_vec(), ..Progress::default() };
    let deadline = Instant::now() + wait;
    let mut pause = PAUSE_FIRST;
    loop {
        progress.look(admin.store.as_ref()).await;
        let left = deadline.saturating_duration_since(Instant::now());
        if progress.is_settled() || left.is_zero() {
            return progress;
        }
        tokio::select! {
            () = admin.stop.cancelled() => return progress,
            () = sleep(pause.min(left)) => {}
        }
        pause = (pause * 2).min(PAUSE_WAIT);
    }
}

/// The logout's counts as they change: `progress` events with the counts, then `done`.
#[utoipa::path(
    tag = "logouts",
    operation_id = "follow_logout",
    responses(
        (status = 200, body = CountsDto, content_type = "text/event-stream",
            description = "Events `progress` and, last, `done`; data is the counts"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/logouts/{id}/progress")]
pub(crate) async fn follow(caller: Caller<Reads>, admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let id = LogoutId(*id);
    seen(&caller, &admin, id).await?;
    let follower = Follower::new(&admin, id);
    let chunks = stream::unfold(follower, |mut follower| async {
        let chunk = follower.next().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(chunk)), follower))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // Some proxies hold streams back unless told.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(chunks))
}

/// One open stream.
struct Follower {
    store: Arc<dyn Store>,
    stop: CancellationToken,
    id: LogoutId,
    told: Option<Counts>,
    told_at: Instant,
    pause: Duration,
    done: bool,
}

impl Follower {
    fn new(admin: &Admin, id: LogoutId) -> Self {
        Self {
            store: Arc::clone(&admin.store),
            stop: admin.stop.clone(),
            id,
            told: None,
            told_at: Instant::now(),
            pause: Duration::ZERO,
            done: false,
        }
    }

    /// What is sent next; `None`: the stream ends.
    async fn next(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => None,
            chunk = self.something() => Some(chunk),
        }
    }

    /// The next change, or a heartbeat.
    async fn something(&mut self) -> String {
        loop {
            sleep(self.pause).await;
            self.pause = (self.pause * 2).clamp(PAUSE_FIRST, PAUSE_FOLLOW);
            match self.store.logout_counts(&[self.id]).await.as_deref() {
                Ok([(_, counts)]) if self.told != Some(*counts) => return self.tell(*counts),
                // Pruned while we looked: nothing of it is owed any more.
                Ok([]) => return self.end(self.told.unwrap_or_default()),
                Ok(_) | Err(_) => {}
            }
            if self.told_at.elapsed() >= HEARTBEAT {
                self.told_at = Instant::now();
                return ": still owed\n\n".to_owned();
            }
        }
    }

    fn tell(&mut self, counts: Counts) -> String {
        self.told = Some(counts);
        self.told_at = Instant::now();
        self.pause = PAUSE_FIRST;
        let progress = event("progress", counts);
        if counts.is_settled() { progress + &self.end(counts) } else { progress }
    }

    fn end(&mut self, counts: Counts) -> String {
        self.done = true;
        event("done", counts)
    }
}

fn event(name: &str, counts: Counts) -> String {
    let data = serde_json::to_string(&CountsDto::from(counts)).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}
