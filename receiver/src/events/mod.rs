//! How does an open browser tab learn that its session has ended? By server-sent events, on a stream of
//! its own.
//!
//! A tab hears of what this process ends at once, and of what another replica ends at the next look at
//! the registry.

mod script;
mod watch;

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "axum")]
mod axum;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Stream};
pub use script::{TAB_SCRIPT, TAB_SCRIPT_HASH};
use tokio::sync::watch::Sender;
use watch::{Frequency, Watch};

use crate::{BackchannelLogout, Login, Registration};

/// Makes the event streams of an endpoint. Clones are the same.
///
/// Each open stream asks [`standing`](crate::SessionRegistry::standing) once a second. Over HTTP/1.1
/// browsers open six connections to a site and no more: serve it over HTTP/2 if users keep many tabs.
#[derive(Clone)]
pub struct SessionEvents {
    endpoint: BackchannelLogout,
    frequency: Frequency,
    closing: Arc<Sender<bool>>,
}

/// Whose end a stream waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The application's id of the session; absent where it has none, as with cookie-only sessions.
    pub local_id: Option<String>,
    /// The login it came from.
    pub login: Login,
}

impl From<Registration> for Watched {
    fn from(session: Registration) -> Self {
        Self { local_id: Some(session.local_id), login: session.login }
    }
}

impl From<Login> for Watched {
    fn from(login: Login) -> Self {
        Self { local_id: None, login }
    }
}

/// The body of a `text/event-stream`: an event `signed-out` when the session has ended, and nothing else
/// but a comment every 15 seconds that keeps the connection open. It ends with the event.
///
/// It is a `Responder` of actix-web and an `IntoResponse` of axum.
#[must_use]
pub struct EventStream(BoxStream<'static, String>);

impl BackchannelLogout {
    /// Event streams for the sessions that this endpoint ends.
    #[must_use]
    pub fn events(&self) -> SessionEvents {
        let frequency = Frequency { look: Duration::from_secs(1), heartbeat: Duration::from_secs(15) };
        SessionEvents { endpoint: self.clone(), frequency, closing: Arc::new(Sender::new(false)) }
    }
}

impl SessionEvents {
    /// How often an open stream looks at the registry, for what other replicas end; every second unless
    /// set.
    #[must_use]
    pub fn look_every(mut self, interval: Duration) -> Self {
        self.frequency.look = interval.max(Duration::from_millis(1));
        self
    }

    /// How often a comment is sent that keeps the connection open; every 15 seconds unless set.
    #[must_use]
    pub fn heartbeat_every(mut self, interval: Duration) -> Self {
        self.frequency.heartbeat = interval.max(Duration::from_millis(1));
        self
    }

    /// A stream for the session of this request. `None`, because there is no session or no longer one:
    /// it says so at once. So a tab that has lost its connection for a while learns what it has missed.
    pub fn stream(&self, session: Option<Watched>) -> EventStream {
        let frames = match session {
            Some(session) => {
                let closing = self.closing.subscribe();
                Watch::new(&self.endpoint, session, self.frequency, closing).frames().boxed()
            }
            None => watch::signed_out().boxed(),
        };
        EventStream(frames)
    }

    /// Ends all streams, now and from now on: for the shutdown of a server that waits for its connections.
    /// The tabs connect again, to another replica.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}

impl Stream for EventStream {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

impl fmt::Debug for SessionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEvents").field("frequency", &self.frequency).finish_non_exhaustive()
    }
}

/// What a stream's answer says of itself; nginx would hold it back without the last.
#[cfg(any(feature = "actix", feature = "axum"))]
const HEADERS: [(&str, &str); 3] =
    [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")];
