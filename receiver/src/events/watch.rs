//! When has the session of one stream ended?

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Watched;
use crate::error::chain;
use crate::{BackchannelLogout, Killed, SessionRegistry, Standing};

const SIGNED_OUT: &str = "event: signed-out\ndata: {}\n\n";
const HEARTBEAT: &str = ":\n\n";
/// The first words, so that the headers go out; in milliseconds, how soon a tab connects again.
const HELLO: &str = "retry: 1000\n\n";

/// How often a stream looks, and speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frequency {
    pub(super) look: Duration,
    pub(super) heartbeat: Duration,
}

/// One stream.
pub(super) struct Watch {
    session: Watched,
    registry: Arc<dyn SessionRegistry>,
    /// `None` once nobody can send any more.
    killed: Option<broadcast::Receiver<Arc<Killed>>>,
    closing: watch::Receiver<bool>,
    look: Interval,
    heartbeat: Interval,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Begun,
    Open,
    Over,
}

/// What woke it.
enum Woken {
    Killed(Result<Arc<Killed>, RecvError>),
    Look,
    Heartbeat,
    Closing,
}

impl Watch {
    /// Listens from now on; looks later.
    pub(super) fn new(
        endpoint: &BackchannelLogout,
        session: Watched,
        frequency: Frequency,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let (killed, registry) = (Some(endpoint.subscribe()), Arc::clone(endpoint.registry()));
        let (look, heartbeat) = (every(frequency.look), every(frequency.heartbeat));
        Self { session, registry, killed, closing, look, heartbeat, state: State::Begun }
    }

    pub(super) fn frames(self) -> impl Stream<Item = String> + Send + 'static {
        stream::unfold(self, Self::next)
    }

    async fn next(mut self) -> Option<(String, Self)> {
        match self.state {
            State::Begun => {
                self.state = State::Open;
                Some((HELLO.to_owned(), self))
            }
            State::Open => {
                let frame = self.wait().await?;
                Some((frame.to_owned(), self))
            }
            State::Over => None,
        }
    }

    async fn wait(&mut self) -> Option<&'static str> {
        loop {
            let ended = match self.woken().await {
                Woken::Closing => return None,
                Woken::Heartbeat => return Some(HEARTBEAT),
                Woken::Killed(Ok(killed)) => killed.concerns(&self.session.login),
                Woken::Killed(Err(RecvError::Lagged(_))) | Woken::Look => self.has_ended().await,
                Woken::Killed(Err(RecvError::Closed)) => {
                    self.killed = None;
                    false
                }
            };
            if ended {
                self.state = State::Over;
                return Some(SIGNED_OUT);
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let killed = async {
            match &mut self.killed {
                Some(killed) => killed.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Woken::Closing,
            killed = killed => Woken::Killed(killed),
            _ = self.look.tick() => Woken::Look,
            _ = self.heartbeat.tick() => Woken::Heartbeat,
        }
    }

    /// A store that fails ends no session: the next look may succeed.
    async fn has_ended(&self) -> bool {
        match self.registry.standing(self.session.local_id.as_deref(), &self.session.login).await {
            Ok(standing) => standing == Standing::Ended,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "an open tab could not be told whether its session stands");
                false
            }
        }
    }
}

/// The stream of a session that is not there.
pub(super) fn signed_out() -> impl Stream<Item = String> + Send + 'static {
    stream::iter([HELLO.to_owned(), SIGNED_OUT.to_owned()])
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
