//! Which local sessions hang on a provider session, or on a user?
//!
//! To add a store: implement [`SessionRegistry`] in a file beside `memory.rs`.

mod memory;

use std::sync::Arc;

use async_trait::async_trait;
pub use memory::MemoryRegistry;

use crate::{LogoutTarget, StoreError};

/// One local session and the login it came from. Written at every login, from the ID token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Registration {
    /// The application's own id of the session.
    pub local_id: String,
    /// `iss` of the ID token.
    pub issuer: String,
    /// Our client id: with pairwise subjects the same user is another `sub` at another client.
    pub client_id: String,
    /// `sub` of the ID token.
    pub sub: String,
    /// `sid` of the ID token, where the provider sends one.
    pub sid: Option<String>,
}

impl Registration {
    /// Whether a logout of `target` at this issuer and client ends this session.
    ///
    /// `sid` wins over `sub`: where a token has both, the user finds only what was stored without `sid`.
    #[must_use]
    pub fn is_covered_by(&self, target: &LogoutTarget) -> bool {
        match target {
            LogoutTarget::Session { sid } => self.sid.as_ref() == Some(sid),
            LogoutTarget::SessionOfSubject { sid, sub } => match &self.sid {
                Some(own) => own == sid,
                None => self.sub == *sub,
            },
            LogoutTarget::Subject { sub } => self.sub == *sub,
        }
    }
}

/// Local sessions by (issuer, client, `sid`) and (issuer, client, `sub`); several under each.
#[async_trait]
pub trait SessionRegistry: Send + Sync {
    /// Remembers a login. The same local session logging in again at the same issuer and client
    /// replaces what was remembered: the older login no longer ends it.
    async fn register(&self, session: Registration) -> Result<(), StoreError>;

    /// Forgets a local session that ended by itself: local logout, expiry. Unknown ids are fine.
    async fn unregister(&self, local_id: &str) -> Result<(), StoreError>;

    /// The sessions a logout ends; nothing is changed.
    async fn find(&self, issuer: &str, client_id: &str, target: &LogoutTarget)
    -> Result<Vec<Registration>, StoreError>;

    /// Forgets exactly these registrations. One that was replaced in the meantime stays.
    async fn remove(&self, sessions: &[Registration]) -> Result<(), StoreError>;

    /// Finds and forgets in one go: for applications whose sessions live and die with the registry.
    async fn take(
        &self,
        issuer: &str,
        client_id: &str,
        target: &LogoutTarget,
    ) -> Result<Vec<Registration>, StoreError> {
        let sessions = self.find(issuer, client_id, target).await?;
        self.remove(&sessions).await?;
        Ok(sessions)
    }
}

#[async_trait]
impl<R: SessionRegistry + ?Sized> SessionRegistry for Arc<R> {
    async fn register(&self, session: Registration) -> Result<(), StoreError> {
        (**self).register(session).await
    }

    async fn unregister(&self, local_id: &str) -> Result<(), StoreError> {
        (**self).unregister(local_id).await
    }

    async fn find(
        &self,
        issuer: &str,
        client_id: &str,
        target: &LogoutTarget,
    ) -> Result<Vec<Registration>, StoreError> {
        (**self).find(issuer, client_id, target).await
    }

    async fn remove(&self, sessions: &[Registration]) -> Result<(), StoreError> {
        (**self).remove(sessions).await
    }

    async fn take(
        &self,
        issuer: &str,
        client_id: &str,
        target: &LogoutTarget,
    ) -> Result<Vec<Registration>, StoreError> {
        (**self).take(issuer, client_id, target).await
    }
}
