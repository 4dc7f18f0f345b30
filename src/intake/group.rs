//! How do concurrent callers share a transaction? A flush starts at once if none is running; what
//! arrives meanwhile is the next batch.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{AcceptError, Intake, Unit};
use crate::model::Receipt;
use crate::shutdown::Shutdown;

/// Most events in one transaction, unless one unit alone has more.
const BATCH: usize = 500;
/// Bodies waiting or in flight, in KiB, each rounded up: bounds memory, whatever their number.
const WAITING_KIB: u32 = 16 * 1024;

type Answer = Result<Vec<Receipt>, AcceptError>;

/// A unit and where its answer goes.
struct Submission {
    unit: Unit,
    caller: Caller,
}

/// Where an answer goes, and the room its body takes until then.
struct Caller {
    answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

/// The callers' end. Flushes run on the main runtime: a caller that goes away loses only its answer.
#[derive(Debug)]
pub struct Group {
    queue: mpsc::UnboundedSender<Submission>,
    room: Arc<Semaphore>,
}

impl Group {
    /// Starts the flusher. It ends when the service stops, after everything submitted before.
    #[must_use]
    pub fn start(intake: Arc<Intake>, name: &'static str, shutdown: &Shutdown) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        let tasks = shutdown.clone();
        shutdown.spawn(async move { flush_all(&intake, name, waiting, &tasks).await });
        Self { queue, room: Arc::new(Semaphore::new(WAITING_KIB as usize)) }
    }

    /// Records this unit, whose body had this length, together with whatever else is waiting.
    /// `Unavailable` at once when too much is waiting already.
    pub async fn submit(&self, unit: Unit, body: usize) -> Answer {
        let kib = u32::try_from(body.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, WAITING_KIB);
        let room = Arc::clone(&self.room).try_acquire_many_owned(kib).map_err(|_| AcceptError::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        let submission = Submission { unit, caller: Caller { answer, _room: room } };
        self.queue.send(submission).map_err(|_| AcceptError::Unavailable)?;
        // Without an answer nothing is known about the commit: the caller must try again.
        answered.await.unwrap_or(Err(AcceptError::Unavailable))
    }
}

async fn flush_all(
    intake: &Arc<Intake>,
    name: &'static str,
    mut waiting: mpsc::UnboundedReceiver<Submission>,
    tasks: &Shutdown,
) {
    let mut left = None;
    loop {
        let first = match left.take() {
            Some(submission) => submission,
            None => match next(&mut waiting, tasks).await {
                Some(submission) => submission,
                None => return,
            },
        };
        let mut batch = vec![first];
        left = fill(&mut batch, &mut waiting);
        let intake = Arc::clone(intake);
        // A task of its own, so that a defect in one flush does not end the flusher.
        if tasks.spawn(async move { flush(&intake, name, batch).await }).await.is_err() {
            tracing::error!(intake = name, "a flush panicked");
        }
    }
}

/// The next submission; after the stop, only what is already there.
async fn next(waiting: &mut mpsc::UnboundedReceiver<Submission>, tasks: &Shutdown) -> Option<Submission> {
    tokio::select! {
        biased;
        () = tasks.stop.cancelled() => {
            waiting.close();
            waiting.recv().await
        }
        submission = waiting.recv() => submission,
    }
}

/// Takes what is there, up to a batch; gives back the one that no longer fits.
fn fill(batch: &mut Vec<Submission>, waiting: &mut mpsc::UnboundedReceiver<Submission>) -> Option<Submission> {
    let mut events: usize = batch.iter().map(|submission| submission.unit.len()).sum();
    while let Ok(submission) = waiting.try_recv() {
        events += submission.unit.len();
        if events > BATCH {
            return Some(submission);
        }
        batch.push(submission);
    }
    None
}

async fn flush(intake: &Intake, name: &str, batch: Vec<Submission>) {
    let (units, callers): (Vec<_>, Vec<_>) = batch.into_iter().map(|s| (s.unit, s.caller)).unzip();
    for (answer, caller) in intake.accept_each(name, units).await.into_iter().zip(callers) {
        // A caller that went away needs no answer.
        let _ = caller.answer.send(answer);
    }
}
