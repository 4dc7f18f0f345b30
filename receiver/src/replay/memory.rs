//! How does one process remember the tokens it has carried out? A map under a lock, of bounded size.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Begun, LEASE, ReplayGuard, TokenId};
use crate::{Clock, StoreError, SystemClock};

/// Tokens in the memory of this process. Clones share what they hold.
///
/// For one process: what it forgets at a restart, and what other replicas have seen, is carried out
/// again, which ends nothing more.
#[derive(Debug, Clone)]
pub struct MemoryReplayGuard {
    capacity: usize,
    clock: Arc<dyn Clock>,
    tokens: Arc<Mutex<Tokens>>,
}

/// `queue` holds each token of `held` under its last second.
#[derive(Debug, Default)]
struct Tokens {
    held: HashMap<TokenId, Held>,
    queue: BTreeSet<(i64, TokenId)>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    done: bool,
    last_second: i64,
}

impl MemoryReplayGuard {
    /// Remembers up to 100 000 tokens, about 30 MB; more in the time they are good for is an outage.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(100_000)
    }

    /// Remembers up to this many tokens.
    #[must_use]
    pub fn with_capacity(tokens: usize) -> Self {
        Self { capacity: tokens, clock: Arc::new(SystemClock), tokens: Arc::default() }
    }

    /// Where the time comes from; the machine unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How many tokens are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().held.len()
    }

    /// Whether no token is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        // No call below can panic half-way through a change.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryReplayGuard {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl ReplayGuard for MemoryReplayGuard {
    async fn begin(&self, token: &TokenId) -> Result<Begun, StoreError> {
        let now = self.clock.unix_seconds();
        let mut tokens = self.lock();
        tokens.drop_before(now);
        match tokens.held.get(token) {
            Some(Held { done: true, .. }) => return Ok(Begun::Done),
            Some(Held { done: false, .. }) => return Ok(Begun::InFlight),
            None => {}
        }
        if tokens.held.len() >= self.capacity {
            return Err(StoreError::new("no room to remember another token"));
        }
        let lease = i64::try_from(LEASE.as_secs()).unwrap_or(i64::MAX);
        tokens.put(token, Held { done: false, last_second: now.saturating_add(lease) });
        Ok(Begun::Fresh)
    }

    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError> {
        self.lock().put(token, Held { done: true, last_second: until });
        Ok(())
    }

    async fn release(&self, token: &TokenId) -> Result<(), StoreError> {
        let mut tokens = self.lock();
        if tokens.held.get(token).is_some_and(|held| !held.done) {
            tokens.take(token);
        }
        Ok(())
    }
}

impl Tokens {
    fn put(&mut self, token: &TokenId, held: Held) {
        self.take(token);
        self.queue.insert((held.last_second, token.clone()));
        self.held.insert(token.clone(), held);
    }

    fn take(&mut self, token: &TokenId) {
        if let Some((token, held)) = self.held.remove_entry(token) {
            self.queue.remove(&(held.last_second, token));
        }
    }

    fn drop_before(&mut self, now: i64) {
        while self.queue.first().is_some_and(|(last_second, _)| *last_second < now) {
            if let Some((_, token)) = self.queue.pop_first() {
                self.held.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ManualClock;

    fn token(n: u32) -> TokenId {
        TokenId { issuer: "https://idp.example.com".into(), jti: n.to_string() }
    }

    #[tokio::test]
    async fn r07_a_full_guard_fails_and_forgets_nothing() {
        let clock = ManualClock::now();
        let guard = MemoryReplayGuard::with_capacity(2).clock(clock.clone());
        for n in [1, 2] {
            assert_eq!(guard.begin(&token(n)).await.unwrap(), Begun::Fresh);
            guard.commit(&token(n), clock.unix_seconds() + 100).await.unwrap();
        }
        assert!(guard.begin(&token(3)).await.is_err());
        assert_eq!(guard.begin(&token(1)).await.unwrap(), Begun::Done);
        clock.advance(Duration::from_secs(101));
        assert_eq!(guard.begin(&token(3)).await.unwrap(), Begun::Fresh);
        assert_eq!(guard.len(), 1);
    }
}
