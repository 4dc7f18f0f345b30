//! Where may a test hold a transaction still? Named points between the statements of `record`.

use async_trait::async_trait;

/// A point inside `record`'s transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The issuers are locked; nothing is read yet.
    Locked,
    /// The provider sessions are locked; the sessions are not yet read.
    ProviderSessionsLocked,
    /// Everything is written; nothing is committed.
    Written,
}

/// Called at every point; a test waits here on its barrier.
#[async_trait]
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// The transaction goes on when this returns.
    async fn at(&self, point: Point);
}
