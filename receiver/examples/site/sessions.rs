//! Where does the application keep its sessions? In memory, or in a database that replicas share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use signoff_receiver::{MemoryRegistry, MemoryReplayGuard, ReplayGuard, SessionRegistry};

use super::Failure;

/// Sessions by their id, each a JSON text. Clones share what they hold.
#[derive(Debug, Clone)]
pub(crate) enum Sessions {
    Memory(Arc<Mutex<HashMap<String, String>>>),
}

type Opened = (Sessions, Arc<dyn SessionRegistry>, Arc<dyn ReplayGuard>);

/// The sessions, and beside them what the logout needs.
pub(crate) async fn open(store: &str) -> Result<Opened, Failure> {
    match store {
        "memory" => {
            let sessions = Sessions::Memory(Arc::default());
            Ok((sessions, Arc::new(MemoryRegistry::new()), Arc::new(MemoryReplayGuard::new())))
        }
        other => Err(format!("--store: neither memory nor postgres:// nor redis://: {other}").into()),
    }
}

impl Sessions {
    pub(crate) async fn get(&self, id: &str) -> Result<Option<String>, Failure> {
        match self {
            Self::Memory(map) => Ok(map.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()),
        }
    }

    pub(crate) async fn put(&self, id: &str, session: String) -> Result<(), Failure> {
        match self {
            Self::Memory(map) => {
                map.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), session);
                Ok(())
            }
        }
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Failure> {
        match self {
            Self::Memory(map) => {
                map.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
                Ok(())
            }
        }
    }
}
