//! What happens to a session on its way into the application's store, and out of it?

use std::fmt;

use async_trait::async_trait;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use crate::error::chain;
use crate::session::{Entry, Keeper, LOGIN_KEY};
use crate::{Registration, SessionRegistry, Standing, StoreError};

/// A session store around that of the application: it keeps the registry, follows new ids, and neither
/// loads nor keeps a session that a logout has ended, here or at another replica, also when its request
/// was in flight. What sessions hold is left alone, but for [`LOGIN_KEY`].
///
/// A cache belongs inside, around the application's store, where it cannot hide a logout.
///
/// A request whose session was ended under its hands is answered as if nothing had happened; its session
/// is not there at the next. A registry out of reach is an error of the session.
#[derive(Clone)]
pub struct IndexedSessionStore<S> {
    inner: S,
    keeper: Keeper,
}

impl<S: SessionStore> IndexedSessionStore<S> {
    /// Around this store, with this registry: the one that the endpoint ends.
    pub fn new(inner: S, registry: impl SessionRegistry + 'static) -> Self {
        Self { inner, keeper: Keeper::new(registry) }
    }

    /// Deletes a session from the application's store. It is not needed for its end, but leaves no
    /// data of it until it expires. For [`kill_with`](crate::BackchannelLogout::kill_with):
    /// `move |session| { let store = store.clone(); async move { store.kill(&session).await } }`.
    pub async fn kill(&self, session: &Registration) -> std::result::Result<(), StoreError> {
        let id: Id = session.local_id.parse().map_err(|_| StoreError::new("not an id of this store"))?;
        self.inner.delete(&id).await.map_err(StoreError::new)
    }

    /// What was saved goes again if it has ended.
    async fn keep(&self, id: &Id, entry: Option<Entry>) -> Result<()> {
        if let Some(entry) = entry
            && self.keeper.saved(&id.to_string(), &entry).await.map_err(|error| failed(&error))? == Standing::Ended
        {
            self.inner.delete(id).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<S: SessionStore> SessionStore for IndexedSessionStore<S> {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let entry = entry(record)?;
        self.inner.create(record).await?;
        if let Some(entry) = entry.clone() {
            remember(record, entry)?;
        }
        self.keep(&record.id, entry).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let entry = entry(record)?;
        self.inner.save(record).await?;
        self.keep(&record.id, entry).await
    }

    async fn load(&self, session_id: &Id) -> Result<Option<Record>> {
        let Some(mut record) = self.inner.load(session_id).await? else { return Ok(None) };
        let Some(entry) = entry(&record)? else { return Ok(Some(record)) };
        let standing = self.keeper.standing(Some(&session_id.to_string()), &entry.login).await;
        if standing.map_err(|error| failed(&error))? == Standing::Ended {
            self.inner.delete(session_id).await?;
            return Ok(None);
        }
        remember(&mut record, entry)?;
        Ok(Some(record))
    }

    async fn delete(&self, session_id: &Id) -> Result<()> {
        self.inner.delete(session_id).await?;
        self.keeper.deleted(&session_id.to_string()).await.map_err(|error| failed(&error))
    }
}

impl<S> fmt::Debug for IndexedSessionStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedSessionStore").finish_non_exhaustive()
    }
}

fn entry(record: &Record) -> Result<Option<Entry>> {
    let entry = record.data.get(LOGIN_KEY).cloned().map(serde_json::from_value);
    entry.transpose().map_err(|error| Error::Decode(error.to_string()))
}

/// The session knows under what id it is known.
fn remember(record: &mut Record, entry: Entry) -> Result<()> {
    let entry = serde_json::to_value(entry.under(&record.id.to_string()));
    record.data.insert(LOGIN_KEY.to_owned(), entry.map_err(|error| Error::Encode(error.to_string()))?);
    Ok(())
}

fn failed(error: &StoreError) -> Error {
    Error::Backend(chain(error))
}
