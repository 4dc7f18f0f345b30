//! What happens to a session on its way into the application's store, and out of it?

use std::collections::HashMap;
use std::fmt;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;

use crate::session::{Entry, Keeper, LOGIN_KEY};
use crate::{Registration, SessionRegistry, Standing, StoreError};

/// A session store around that of the application: it keeps the registry, follows renewals, and neither
/// loads nor keeps a session that a logout has ended, here or at another replica, also when its request
/// was in flight. What sessions hold is left alone, but for [`LOGIN_KEY`].
///
/// A request whose session was ended under its hands is answered as if nothing had happened; its session
/// is not there at the next. A registry out of reach is an error: the request is answered with 500.
///
/// For sessions in cookies there is [`DenyEnded`](super::DenyEnded): they cannot be taken away.
#[derive(Clone)]
pub struct IndexedSessionStore<S> {
    inner: S,
    keeper: Keeper,
}

type State = HashMap<String, String>;

impl<S: SessionStore> IndexedSessionStore<S> {
    /// Around this store, with this registry: the one that the endpoint ends.
    pub fn new(inner: S, registry: impl SessionRegistry + 'static) -> Self {
        Self { inner, keeper: Keeper::new(registry) }
    }

    /// Deletes a session from the application's store. It is not needed for its end, but leaves no
    /// data of it until it expires. For [`kill_with`](crate::BackchannelLogout::kill_with):
    /// `move |session| { let store = store.clone(); async move { store.kill(&session).await } }`.
    pub async fn kill(&self, session: &Registration) -> Result<(), StoreError> {
        let key = SessionKey::try_from(session.local_id.clone()).map_err(StoreError::new)?;
        self.inner.delete(&key).await.map_err(StoreError::new)
    }

    /// What was saved goes again if it has ended.
    async fn keep(&self, key: &SessionKey, entry: Option<Entry>) -> Result<(), anyhow::Error> {
        if let Some(entry) = entry
            && self.keeper.saved(key.as_ref(), &entry).await? == Standing::Ended
        {
            self.inner.delete(key).await?;
        }
        Ok(())
    }
}

impl<S: SessionStore> SessionStore for IndexedSessionStore<S> {
    async fn load(&self, session_key: &SessionKey) -> Result<Option<State>, LoadError> {
        let Some(mut state) = self.inner.load(session_key).await? else { return Ok(None) };
        let Some(entry) = entry(&state).map_err(|error| LoadError::Deserialization(error.into()))? else {
            return Ok(Some(state));
        };
        let id = session_key.as_ref();
        let standing = self.keeper.standing(Some(id), &entry.login).await;
        if standing.map_err(|error| LoadError::Other(error.into()))? == Standing::Ended {
            self.inner.delete(session_key).await.map_err(LoadError::Other)?;
            return Ok(None);
        }
        let entry = serde_json::to_string(&entry.under(id));
        state.insert(LOGIN_KEY.to_owned(), entry.map_err(|error| LoadError::Deserialization(error.into()))?);
        Ok(Some(state))
    }

    async fn save(&self, session_state: State, ttl: &Duration) -> Result<SessionKey, SaveError> {
        let entry = entry(&session_state).map_err(|error| SaveError::Serialization(error.into()))?;
        let key = self.inner.save(session_state, ttl).await?;
        self.keep(&key, entry).await.map_err(SaveError::Other)?;
        Ok(key)
    }

    async fn update(
        &self,
        session_key: SessionKey,
        session_state: State,
        ttl: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        let entry = entry(&session_state).map_err(|error| UpdateError::Serialization(error.into()))?;
        // A store may give it another key, where the session has gone in the meantime.
        let key = self.inner.update(session_key, session_state, ttl).await?;
        self.keep(&key, entry).await.map_err(UpdateError::Other)?;
        Ok(key)
    }

    async fn update_ttl(&self, session_key: &SessionKey, ttl: &Duration) -> Result<(), anyhow::Error> {
        self.inner.update_ttl(session_key, ttl).await
    }

    async fn delete(&self, session_key: &SessionKey) -> Result<(), anyhow::Error> {
        self.inner.delete(session_key).await?;
        Ok(self.keeper.deleted(session_key.as_ref()).await?)
    }
}

impl<S> fmt::Debug for IndexedSessionStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedSessionStore").finish_non_exhaustive()
    }
}

fn entry(state: &State) -> serde_json::Result<Option<Entry>> {
    state.get(LOGIN_KEY).map(|entry| serde_json::from_str(entry)).transpose()
}
