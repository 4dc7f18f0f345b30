//! Who is registered right now? One snapshot of issuers and clients, replaced as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Client, ClientKey, Issuer, IssuerKey};

/// The snapshot everybody reads; whoever refreshes it stores a new one.
pub type SharedDirectory = Arc<ArcSwap<Directory>>;

/// Issuers and registered clients at one moment.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    issuers: HashMap<IssuerKey, Arc<Issuer>>,
    clients: HashMap<ClientKey, Arc<Client>>,
}

impl Directory {
    /// A snapshot of these issuers and clients.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Arc<Issuer>>, clients: impl IntoIterator<Item = Arc<Client>>) -> Self {
        Self {
            issuers: issuers.into_iter().map(|issuer| (issuer.key, issuer)).collect(),
            clients: clients.into_iter().map(|client| (client.key, client)).collect(),
        }
    }

    /// The issuer of this key.
    #[must_use]
    pub fn issuer(&self, key: IssuerKey) -> Option<&Arc<Issuer>> {
        self.issuers.get(&key)
    }

    /// The issuer of this identifier, byte for byte.
    #[must_use]
    pub fn issuer_by_url(&self, issuer: &str) -> Option<&Arc<Issuer>> {
        self.issuers.values().find(|known| known.issuer == issuer)
    }

    /// The issuer of this short name.
    #[must_use]
    pub fn issuer_by_name(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.issuers.values().find(|known| known.name == name)
    }

    /// Every issuer, in no order.
    pub fn issuers(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.issuers.values()
    }

    /// The registered client of this key.
    #[must_use]
    pub fn client(&self, key: ClientKey) -> Option<&Arc<Client>> {
        self.clients.get(&key)
    }

    /// The registered client of this id at this issuer.
    #[must_use]
    pub fn client_by_id(&self, issuer: IssuerKey, client_id: &str) -> Option<&Arc<Client>> {
        self.clients.values().find(|known| known.issuer == issuer && known.client_id == client_id)
    }

    /// Every registered client, in no order.
    pub fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }
}
