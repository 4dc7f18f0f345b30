//! Who is registered? The file's issuers and clients, and those of the API, in one directory.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::Notify;

use crate::admin::{InvalidMember, Validate};
use crate::config::Config;
use crate::model::registration::{IdFrom, Rules, Unknown, validate};
use crate::model::{Client, ClientKey, ClientMetadata, Directory, Issuer, SharedDirectory, SkipReason};
use crate::store::{Store, StoreError};

/// The registered of this deployment.
#[derive(Clone)]
pub(super) struct Registered {
    /// The configured issuers.
    pub(super) issuers: Vec<Arc<Issuer>>,
    /// The file's clients; read-only in the API.
    file_clients: Vec<Arc<Client>>,
    pub(super) file_keys: Arc<HashSet<ClientKey>>,
    /// What everybody reads.
    pub(super) directory: SharedDirectory,
    /// The API wrote a client.
    pub(super) changed: Arc<Notify>,
}

impl Registered {
    /// Interns the configured and reads the stored.
    pub(super) async fn load(config: &Config, store: &Arc<dyn Store>) -> Result<Self, StoreError> {
        let mut issuers = Vec::new();
        for issuer in &config.issuers {
            issuers.push(Arc::new(issuer.to_model(store.issuer_key(&issuer.issuer).await?)));
        }
        let mut file_clients = Vec::new();
        for client in &config.clients {
            let Some(issuer) = issuers.iter().find(|issuer| issuer.name == client.issuer) else { continue };
            let name = (issuer.key, client.metadata.client_id.clone());
            for key in store.client_keys(&[name]).await? {
                file_clients.push(Arc::new(client.metadata.clone().into_client(key, issuer.key)));
            }
        }
        let registered = Self {
            issuers,
            file_keys: Arc::new(file_clients.iter().map(|client| client.key).collect()),
            file_clients,
            directory: Arc::new(ArcSwap::default()),
            changed: Arc::default(),
        };
        registered.refresh(store).await?;
        Ok(registered)
    }

    /// Reads the API's clients again. What waited for a URI that is there now becomes due; what is
    /// owed to a client that went away is skipped.
    pub(super) async fn refresh(&self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let stored = store.clients().await?;
        let stored = stored.into_iter().filter(|record| !self.file_keys.contains(&record.key)).filter_map(|record| {
            let metadata = ClientMetadata::from_stored(&record.metadata).inspect_err(|errors| {
                tracing::error!(client_id = record.client_id, ?errors, "a stored client is unreadable");
            });
            metadata.ok().map(|metadata| Arc::new(metadata.into_client(record.key, record.issuer)))
        });
        let clients = self.file_clients.iter().cloned().chain(stored);
        let fresh = Arc::new(Directory::new(self.issuers.iter().cloned(), clients));
        let before = self.directory.swap(Arc::clone(&fresh));

        let gone: Vec<_> =
            before.clients().map(|client| client.key).filter(|key| fresh.client(*key).is_none()).collect();
        if !gone.is_empty() {
            store.skip_clients(&gone, SkipReason::UnknownClient).await?;
        }
        let told = fresh.clients().filter(|client| client.backchannel_logout_uri.is_some());
        let told: Vec<_> = told.map(|client| client.key).collect();
        if !told.is_empty() {
            store.clients_have_uri(&told).await?;
        }
        Ok(())
    }
}

/// Checks what the API is given, as the file's clients are checked.
pub(super) fn validator(config: &Config) -> Validate {
    let allow_http = config.delivery.allow_http;
    let longest = config.dispatch.lease.saturating_sub(config.dispatch.lease_margin);
    Arc::new(move |value: &Value, _issuer: &Issuer| {
        let rules = Rules {
            client_id: IdFrom::Document,
            unknown: Unknown::RefuseNearMisses,
            allow_http,
            algs: None,
            longest_timeout: Some(longest),
        };
        let wrong =
            |error: crate::model::registration::FieldError| InvalidMember { path: error.field, detail: error.message };
        let metadata = validate(value, &rules).map_err(|errors| errors.into_iter().map(wrong).collect::<Vec<_>>())?;
        serde_json::to_value(&metadata)
            .map_err(|error| vec![InvalidMember { path: String::new(), detail: error.to_string() }])
    })
}
