//! Have the key files changed? Reads them by content and swaps in what is good.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{KeyError, KeySource, Keyring, Keyrings, Settings, SharedKeyrings, SigningKey, parse};
use crate::model::client::{SIGNING_ALGS, alg_name};
use crate::model::{Clock, IssuerKey, SharedDirectory};
use crate::store::Registry;

/// Since when is a key known to any replica?
#[async_trait]
pub trait FirstSeen: Send + Sync {
    /// The instant, remembered at first sight.
    async fn first_seen(&self, issuer: IssuerKey, kid: &str) -> anyhow::Result<OffsetDateTime>;
}

/// The store remembers.
#[async_trait]
impl FirstSeen for Arc<dyn Registry> {
    async fn first_seen(&self, issuer: IssuerKey, kid: &str) -> anyhow::Result<OffsetDateTime> {
        Ok(self.key_first_seen(issuer, kid).await?)
    }
}

/// One issuer's key files.
#[derive(Debug, Clone)]
pub struct IssuerKeys {
    /// The issuer.
    pub issuer: IssuerKey,
    /// Its short name, for messages.
    pub name: String,
    /// Its key files.
    pub sources: Vec<KeySource>,
}

/// Keeps the shared keyrings equal to the key files, as long as those are good.
pub struct Reloader {
    issuers: Vec<IssuerKeys>,
    settings: Settings,
    first_seen: Box<dyn FirstSeen>,
    directory: SharedDirectory,
    clock: Arc<dyn Clock>,
    shared: SharedKeyrings,
    state: Mutex<HashMap<IssuerKey, State>>,
}

/// What the last look at one issuer's files came to.
#[derive(Default)]
struct State {
    content: Option<Fingerprint>,
    complaint: Option<String>,
}

type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// What a reload did.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Issuers (short names) whose keys were replaced.
    pub replaced: Vec<String>,
    /// Issuers that keep their last good keys, and why.
    pub kept: Vec<KeyError>,
}

impl Reloader {
    /// Knows the key files; holds no key until the first `reload`.
    pub fn new(
        issuers: Vec<IssuerKeys>,
        settings: Settings,
        first_seen: impl FirstSeen + 'static,
        directory: SharedDirectory,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let first_seen = Box::new(first_seen);
        Self {
            issuers,
            settings,
            first_seen,
            directory,
            clock,
            shared: SharedKeyrings::default(),
            state: Mutex::default(),
        }
    }

    /// The keyrings that every reload replaces.
    #[must_use]
    pub fn shared(&self) -> SharedKeyrings {
        Arc::clone(&self.shared)
    }

    /// Reads every file whose content changed. An issuer whose new keys are not good keeps its
    /// last good ones; the others do not wait for it.
    pub async fn reload(&self) -> Reloaded {
        let mut state = self.state.lock().await;
        let mut done = Reloaded::default();
        for issuer in &self.issuers {
            let seen = state.entry(issuer.issuer).or_default();
            match self.look(issuer, seen).await {
                Ok(true) => done.replaced.push(issuer.name.clone()),
                Ok(false) => {}
                Err(error) => {
                    complain(seen, &error);
                    done.kept.push(error);
                }
            }
        }
        done
    }

    /// Looks at the files again and again until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(self.settings.poll)).await.is_some() {
            self.reload().await;
        }
    }

    async fn look(&self, issuer: &IssuerKeys, seen: &mut State) -> Result<bool, KeyError> {
        let Some((content, keys)) = read_if_changed(issuer, seen.content).await? else {
            seen.complaint = None;
            return Ok(false);
        };
        let ring = self.next_ring(issuer, keys).await?;
        tracing::info!(issuer = issuer.name, keys = ring.live().count(), "keys loaded");
        let mut rings: HashMap<_, _> = self.shared.load().iter().map(|(key, ring)| (key, ring.clone())).collect();
        rings.insert(issuer.issuer, ring);
        self.shared.store(Arc::new(Keyrings::new(rings)));
        *seen = State { content: Some(content), complaint: None };
        Ok(true)
    }

    async fn next_ring(&self, issuer: &IssuerKeys, keys: Vec<SigningKey>) -> Result<Keyring, KeyError> {
        let shared = self.shared.load_full();
        let old = shared.get(issuer.issuer);
        check_kids(&issuer.name, &keys, old)?;
        let mut dated = Vec::with_capacity(keys.len());
        for key in keys {
            let failed = |source| KeyError::FirstSeen { issuer: issuer.name.clone(), source };
            let first_seen = match old.and_then(|ring| ring.find(key.kid())) {
                Some(known) => known.first_seen,
                None => self.first_seen.first_seen(issuer.issuer, key.kid()).await.map_err(failed)?,
            };
            dated.push((Arc::new(key), first_seen));
        }
        let next = Keyring::new(dated, &self.settings);
        self.check_algs(issuer, &next, old)?;
        Ok(old.map_or_else(|| next.clone(), |old| old.replaced_by(next.clone(), self.clock.now())))
    }

    /// What clients use and the old ring could sign, the new one must sign too.
    fn check_algs(&self, issuer: &IssuerKeys, next: &Keyring, old: Option<&Keyring>) -> Result<(), KeyError> {
        let now = self.clock.now();
        let used = self.algs_in_use(issuer.issuer);
        for alg in SIGNING_ALGS.into_iter().filter(|alg| used.contains(alg_name(*alg))) {
            if next.signer(alg, now).is_some() {
                continue;
            }
            if old.is_some_and(|old| old.signer(alg, now).is_some()) {
                return Err(KeyError::WouldLose { issuer: issuer.name.clone(), alg });
            }
            tracing::warn!(issuer = issuer.name, ?alg, "no key signs this algorithm, and it is in use");
        }
        Ok(())
    }

    fn algs_in_use(&self, issuer: IssuerKey) -> BTreeSet<&'static str> {
        let directory = self.directory.load();
        let default = directory.issuer(issuer).map(|issuer| issuer.default_alg);
        let clients = directory.clients().filter(|client| client.issuer == issuer);
        let own = clients.filter_map(|client| client.id_token_signed_response_alg);
        own.chain(default).map(alg_name).collect()
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// A mistake that stays is told once, not at every look.
fn complain(seen: &mut State, error: &KeyError) {
    let text = error.to_string();
    if seen.complaint.as_ref() != Some(&text) {
        let cause = std::error::Error::source(error);
        tracing::error!(error = %text, cause = cause.map(tracing::field::display), "keys not reloaded; the last good ones stay in use");
        seen.complaint = Some(text);
    }
}

type Changed = Option<(Fingerprint, Vec<SigningKey>)>;

/// The keys in the issuer's files, unless those are as they were.
async fn read_if_changed(issuer: &IssuerKeys, known: Option<Fingerprint>) -> Result<Changed, KeyError> {
    let sources = issuer.sources.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let contents = sources.iter().map(|source| parse::read(&source.file)).collect::<Result<Vec<_>, _>>()?;
        let content = fingerprint(&contents);
        if known == Some(content) {
            return Ok(None);
        }
        let mut keys = Vec::new();
        for (source, bytes) in sources.iter().zip(&contents) {
            keys.extend(parse::keys(source, bytes)?);
        }
        Ok(Some((content, keys)))
    });
    reading.await.unwrap_or_else(|_| Err(KeyError::Interrupted { issuer: issuer.name.clone() }))
}

fn fingerprint(contents: &[Zeroizing<Vec<u8>>]) -> Fingerprint {
    let mut hash = digest::Context::new(&digest::SHA256);
    for bytes in contents {
        hash.update(&bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    let mut content = Fingerprint::default();
    content.copy_from_slice(hash.finish().as_ref());
    content
}

/// A kid names one key, now and for as long as clients may have it cached.
fn check_kids(issuer: &str, keys: &[SigningKey], old: Option<&Keyring>) -> Result<(), KeyError> {
    let mut kids = HashSet::new();
    for key in keys {
        let (issuer, kid) = (issuer.to_owned(), key.kid().to_owned());
        if !kids.insert(key.kid()) {
            return Err(KeyError::DuplicateKid { issuer, kid });
        }
        if old.and_then(|ring| ring.find(&kid)).is_some_and(|known| !known.key.same_material(key)) {
            return Err(KeyError::KidReused { issuer, kid });
        }
    }
    Ok(())
}
