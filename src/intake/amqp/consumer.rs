//! What becomes of a batch of messages? Read, recorded or rejected, and only then acknowledged.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::acks::{self, Ack};
use super::link::Link;
use super::reject::Rejects;
use super::{Amqp, Door, REJECT, STORE, pause};
use crate::format::{self, Parsed};
use crate::intake::{AcceptError, Chain, Intake};
use crate::model::Event;

/// Why consuming ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The service stops, or the link was found broken.
    Asked,
    /// The stream ended.
    Closed,
    /// An acknowledgement came too late for its channel: its messages will come again.
    Stale,
}

/// What became of one message so far.
enum Fate {
    /// Not recorded yet.
    Waiting(Event),
    /// Recorded, or of no concern, or kept in the rejected queue.
    Settled,
    /// To be kept in the rejected queue, and why.
    Rejected(String),
}

/// A message the rejected queue did not take yet: neither lost nor acknowledged.
struct Held {
    message: Delivery,
    reason: String,
}

/// One session's consuming. Nothing in it outlives its channel, so that a tag is only ever used on
/// the channel it came from.
pub(super) struct Consuming<'a> {
    settings: &'a Amqp,
    intake: &'a Intake,
    rejects: &'a Rejects,
    end: &'a CancellationToken,
    stream: Consumer,
    held: Vec<Held>,
    tries: u32,
    retry_at: Instant,
}

impl<'a> Consuming<'a> {
    /// Consumes on this link until `end`.
    pub(super) fn new(door: &'a Door, link: &Link, end: &'a CancellationToken) -> Self {
        let Door { settings, intake, rejects, .. } = door;
        let (stream, held) = (link.consumer.clone(), Vec::new());
        Self { settings, intake, rejects, end, stream, held, tries: 0, retry_at: later(Duration::ZERO) }
    }

    /// Batch after batch, strictly one at a time.
    pub(super) async fn run(mut self) -> End {
        loop {
            let done = tokio::select! {
                biased;
                () = self.end.cancelled() => return End::Asked,
                () = sleep_until(self.retry_at), if !self.held.is_empty() => self.retry_held().await,
                next = self.stream.next() => match next {
                    Some(Ok(first)) => {
                        let batch = self.gather(first);
                        self.settle(batch).await
                    }
                    Some(Err(_)) | None => return End::Closed,
                },
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Everything that is there, up to a batch; never waits for more.
    fn gather(&mut self, first: Delivery) -> Vec<Delivery> {
        let mut batch = vec![first];
        while batch.len() < self.settings.batch {
            match self.stream.next().now_or_never() {
                Some(Some(Ok(message))) => batch.push(message),
                // The end shows again at the next poll, after this batch.
                Some(_) | None => break,
            }
        }
        batch
    }

    async fn settle(&mut self, batch: Vec<Delivery>) -> Result<(), End> {
        let mut fates = self.read(&batch).await?;
        self.record(&mut fates).await;
        self.reject(&batch, &mut fates).await;
        let settled: Vec<bool> = fates.iter().map(|fate| matches!(fate, Fate::Settled)).collect();
        for Ack { index, multiple } in acks::plan(&settled, !self.held.is_empty()) {
            ack(&batch[index], multiple).await?;
        }
        for (message, fate) in batch.into_iter().zip(fates) {
            match fate {
                Fate::Settled => {}
                Fate::Rejected(reason) => self.hold(Held { message, reason }),
                Fate::Waiting(_) => return Err(End::Asked),
            }
        }
        Ok(())
    }

    /// Reads every body, once the store's clock is known.
    async fn read(&self, batch: &[Delivery]) -> Result<Vec<Fate>, End> {
        let settings = self.settings;
        let issuers = Some(settings.issuers.as_slice()).filter(|names| !names.is_empty());
        for tries in 1.. {
            let read = self.intake.read(issuers, settings.allow_bulk, |ctx| {
                batch.iter().map(|message| format::parse(settings.format, &message.data, ctx)).collect::<Vec<_>>()
            });
            if let Ok(read) = read.await {
                return Ok(read.into_iter().map(|parsed| self.fate(parsed)).collect());
            }
            self.wait(tries).await?;
        }
        Err(End::Asked)
    }

    fn fate(&self, parsed: Result<Parsed, format::Malformed>) -> Fate {
        let name = self.settings.name.as_str();
        match parsed {
            Ok(Parsed::Event(event)) => Fate::Waiting(event),
            Ok(Parsed::Ignored(issuer)) => {
                self.intake.count_ignored(name, issuer);
                Fate::Settled
            }
            Err(refused) => {
                self.intake.count_malformed(name, &refused);
                Fate::Rejected(refused.line())
            }
        }
    }

    /// Records what waits, for as long as it takes: with the store away nothing is given back to
    /// the broker, which would count it as a failed delivery and send it again at once.
    async fn record(&self, fates: &mut [Fate]) {
        for tries in 1.. {
            let mut waiting: Vec<&mut Fate> = fates.iter_mut().filter(|f| matches!(f, Fate::Waiting(_))).collect();
            let units = waiting.iter().filter_map(|fate| match &**fate {
                Fate::Waiting(event) => Some(vec![event.clone()]),
                _ => None,
            });
            let answers = self.intake.accept_each(&self.settings.name, units.collect()).await;
            for (fate, answer) in waiting.iter_mut().zip(&answers) {
                match answer {
                    Ok(_) => **fate = Fate::Settled,
                    Err(AcceptError::Refused) => **fate = Fate::Rejected(format!("refused: {}", AcceptError::Refused)),
                    Err(AcceptError::Unavailable) => {}
                }
            }
            let away = answers.contains(&Err(AcceptError::Unavailable));
            if !away || self.wait(tries).await.is_err() {
                return;
            }
        }
    }

    /// Tries once to keep what was rejected.
    async fn reject(&self, batch: &[Delivery], fates: &mut [Fate]) {
        let rejected = fates.iter().enumerate().filter_map(|(index, fate)| match fate {
            Fate::Rejected(reason) => Some((index, reason.as_str())),
            _ => None,
        });
        let (indices, messages): (Vec<usize>, Vec<_>) = rejected.map(|(i, reason)| (i, (&batch[i], reason))).unzip();
        for (index, kept) in indices.into_iter().zip(self.keep(&messages).await) {
            if kept {
                fates[index] = Fate::Settled;
            }
        }
    }

    /// Which of these messages the rejected queue took.
    async fn keep(&self, messages: &[(&Delivery, &str)]) -> Vec<bool> {
        let (intake, queue) = (self.settings.name.as_str(), self.settings.rejected_queue.as_str());
        let tried = join_all(messages.iter().map(|(message, reason)| self.rejects.keep(message, reason))).await;
        for ((_, reason), _) in messages.iter().zip(&tried).filter(|(_, kept)| kept.is_ok()) {
            tracing::warn!(intake, queue, reason, "rejected");
        }
        if let Some(error) = tried.iter().find_map(|kept| kept.as_ref().err()) {
            let open = tried.iter().filter(|kept| kept.is_err()).count();
            tracing::error!(intake, queue, open, error = Chain(error).to_string(), "rejected messages not kept yet");
        }
        tried.iter().map(Result::is_ok).collect()
    }

    fn hold(&mut self, held: Held) {
        if self.held.is_empty() {
            self.tries = 1;
            self.retry_at = later(pause(1, REJECT));
        }
        self.held.push(held);
    }

    async fn retry_held(&mut self) -> Result<(), End> {
        let held = std::mem::take(&mut self.held);
        let messages: Vec<_> = held.iter().map(|held| (&held.message, held.reason.as_str())).collect();
        let kept = self.keep(&messages).await;
        for (held, kept) in held.into_iter().zip(kept) {
            if kept {
                ack(&held.message, false).await?;
            } else {
                self.held.push(held);
            }
        }
        self.tries += 1;
        self.retry_at = later(pause(self.tries, REJECT));
        Ok(())
    }

    /// Waits before the next try at the store, unless it is the end.
    async fn wait(&self, tries: u32) -> Result<(), End> {
        self.end.run_until_cancelled(sleep(pause(tries, STORE))).await.ok_or(End::Asked)
    }
}

async fn ack(message: &Delivery, multiple: bool) -> Result<(), End> {
    match message.ack(BasicAckOptions { multiple }).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(End::Stale),
    }
}

fn later(wait: Duration) -> Instant {
    Instant::now() + wait
}
