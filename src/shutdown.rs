//! How does everything stop? One token that asks, one tracker that waits.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Asks tasks to stop and waits until they have. Tasks run on the main runtime, also when
/// spawned from an HTTP worker.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Cancelled when intake and new attempts must stop.
    pub stop: CancellationToken,
    tracker: TaskTracker,
    runtime: Handle,
}

impl Shutdown {
    /// For the runtime this is called on.
    #[must_use]
    pub fn new() -> Self {
        Self { stop: CancellationToken::new(), tracker: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Runs a task that `finish` waits for.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tracker.spawn_on(task, &self.runtime)
    }

    /// Asks everything to stop and waits for it.
    pub async fn finish(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}
