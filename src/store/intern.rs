//! Which number stands for this client? A bounded memory in front of the store's table.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{StoreError, rows};
use crate::model::{ClientKey, IssuerKey};

/// Emptied when full: a provider that invents client ids costs look-ups, not memory.
const AT_MOST: usize = 50_000;

/// Client keys seen before. Rows of the table never change, so nothing here gets stale.
#[derive(Debug, Default)]
pub(super) struct Interned {
    known: Mutex<HashMap<(IssuerKey, String), ClientKey>>,
}

impl Interned {
    /// The keys of `clients` in their order; what is not known yet comes from `fetch`.
    pub(super) async fn keys<F, R>(
        &self,
        clients: &[(IssuerKey, String)],
        fetch: F,
    ) -> Result<Vec<ClientKey>, StoreError>
    where
        F: FnOnce(Vec<(IssuerKey, String)>) -> R,
        R: Future<Output = Result<Vec<(IssuerKey, String, ClientKey)>, StoreError>>,
    {
        let missing = self.with(|known| {
            let mut missing: Vec<_> = clients.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
            missing.sort();
            missing.dedup();
            missing
        });
        let fetched = if missing.is_empty() { Vec::new() } else { fetch(missing).await? };
        self.with(|known| {
            if known.len() + fetched.len() > AT_MOST {
                known.retain(|name, _| clients.contains(name));
            }
            known.extend(fetched.into_iter().map(|(issuer, id, key)| ((issuer, id), key)));
            clients
                .iter()
                .map(|name| known.get(name).copied().ok_or_else(|| rows::defect("a client was not interned")))
                .collect()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<(IssuerKey, String), ClientKey>) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
