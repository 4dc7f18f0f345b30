//! How does one process remember its sessions? Two maps under a lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Registration, SessionRegistry};
use crate::{LogoutTarget, StoreError};

/// Sessions in the memory of this process. Clones share what they hold.
///
/// For one process whose sessions do not outlive it. Nothing expires by itself: call
/// [`unregister`](SessionRegistry::unregister) when a session ends locally.
#[derive(Debug, Clone, Default)]
pub struct MemoryRegistry {
    index: Arc<Mutex<Index>>,
}

impl MemoryRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this local session is known, that is: alive, where the registry decides it.
    #[must_use]
    pub fn contains(&self, local_id: &str) -> bool {
        self.lock().sessions.contains_key(local_id)
    }

    /// What is known about a local session: one entry per issuer and client it logged in with.
    #[must_use]
    pub fn get(&self, local_id: &str) -> Vec<Registration> {
        self.lock().sessions.get(local_id).cloned().unwrap_or_default()
    }

    /// How many local sessions are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Whether no session is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // No call below can panic half-way through a change.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionRegistry for MemoryRegistry {
    async fn register(&self, session: Registration) -> Result<(), StoreError> {
        self.lock().insert(session);
        Ok(())
    }

    async fn unregister(&self, local_id: &str) -> Result<(), StoreError> {
        let mut index = self.lock();
        for session in index.sessions.get(local_id).cloned().unwrap_or_default() {
            index.remove(&session);
        }
        Ok(())
    }

    async fn find(
        &self,
        issuer: &str,
        client_id: &str,
        target: &LogoutTarget,
    ) -> Result<Vec<Registration>, StoreError> {
        Ok(self.lock().find(issuer, client_id, target))
    }

    async fn remove(&self, sessions: &[Registration]) -> Result<(), StoreError> {
        let mut index = self.lock();
        for session in sessions {
            index.remove(session);
        }
        Ok(())
    }

    async fn take(
        &self,
        issuer: &str,
        client_id: &str,
        target: &LogoutTarget,
    ) -> Result<Vec<Registration>, StoreError> {
        let mut index = self.lock();
        let taken = index.find(issuer, client_id, target);
        for session in &taken {
            index.remove(session);
        }
        Ok(taken)
    }
}

/// `sessions` is the truth, by local id; `names` leads to local ids and holds nothing else.
#[derive(Debug, Default)]
struct Index {
    sessions: HashMap<String, Vec<Registration>>,
    names: HashMap<Name, BTreeSet<String>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Name {
    issuer: String,
    client_id: String,
    claim: Claim,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Claim {
    Sid(String),
    Sub(String),
}

impl Index {
    fn insert(&mut self, session: Registration) {
        let older =
            self.sessions.get(&session.local_id).and_then(|held| held.iter().find(|old| same_login(old, &session)));
        if let Some(older) = older.cloned() {
            self.remove(&older);
        }
        for name in names_of(&session) {
            self.names.entry(name).or_default().insert(session.local_id.clone());
        }
        self.sessions.entry(session.local_id.clone()).or_default().push(session);
    }

    fn remove(&mut self, session: &Registration) {
        let Some(held) = self.sessions.get_mut(&session.local_id) else { return };
        let Some(at) = held.iter().position(|one| one == session) else { return };
        held.swap_remove(at);
        if held.is_empty() {
            self.sessions.remove(&session.local_id);
        }
        for name in names_of(session) {
            if let Some(ids) = self.names.get_mut(&name) {
                ids.remove(&session.local_id);
                if ids.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
    }

    fn find(&self, issuer: &str, client_id: &str, target: &LogoutTarget) -> Vec<Registration> {
        let claims = [target.sid().map(|sid| Claim::Sid(sid.into())), target.sub().map(|sub| Claim::Sub(sub.into()))];
        let names = claims.into_iter().flatten().map(|claim| name(issuer, client_id, claim));
        let ids: BTreeSet<&String> = names.filter_map(|name| self.names.get(&name)).flatten().collect();
        let held = ids.into_iter().filter_map(|id| self.sessions.get(id)).flatten();
        held.filter(|one| one.issuer == issuer && one.client_id == client_id && one.is_covered_by(target))
            .cloned()
            .collect()
    }
}

fn same_login(one: &Registration, other: &Registration) -> bool {
    one.issuer == other.issuer && one.client_id == other.client_id
}

fn names_of(session: &Registration) -> impl Iterator<Item = Name> + '_ {
    let sid = session.sid.clone().map(Claim::Sid);
    let sub = Some(Claim::Sub(session.sub.clone()));
    sid.into_iter().chain(sub).map(|claim| name(&session.issuer, &session.client_id, claim))
}

fn name(issuer: &str, client_id: &str, claim: Claim) -> Name {
    Name { issuer: issuer.to_owned(), client_id: client_id.to_owned(), claim }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISS: &str = "https://idp.example.com";

    fn session(local_id: &str, sub: &str, sid: Option<&str>) -> Registration {
        Registration {
            local_id: local_id.into(),
            issuer: ISS.into(),
            client_id: "shop".into(),
            sub: sub.into(),
            sid: sid.map(str::to_owned),
        }
    }

    fn target(sid: Option<&str>, sub: Option<&str>) -> LogoutTarget {
        LogoutTarget::from_claims(sid.map(str::to_owned), sub.map(str::to_owned)).unwrap()
    }

    async fn registry(sessions: &[Registration]) -> MemoryRegistry {
        let registry = MemoryRegistry::new();
        for session in sessions {
            registry.register(session.clone()).await.unwrap();
        }
        registry
    }

    async fn taken(registry: &MemoryRegistry, target: &LogoutTarget) -> Vec<String> {
        registry.take(ISS, "shop", target).await.unwrap().into_iter().map(|one| one.local_id).collect()
    }

    fn nothing_left(registry: &MemoryRegistry) {
        let index = registry.lock();
        assert!(index.sessions.is_empty() && index.names.is_empty(), "{index:?}");
    }

    #[tokio::test]
    async fn e01_an_unknown_name_finds_nobody() {
        let registry = registry(&[session("l1", "alice", Some("s1"))]).await;
        for target in [target(Some("s9"), None), target(None, Some("bob")), target(Some("alice"), Some("s1"))] {
            assert!(taken(&registry, &target).await.is_empty(), "{target:?}");
        }
        assert_eq!(registry.len(), 1);
    }

    #[tokio::test]
    async fn e02_sid_and_sub_end_only_the_sessions_of_the_sid() {
        let registry = registry(&[session("l1", "alice", Some("s1")), session("l2", "alice", Some("s2"))]).await;
        assert_eq!(taken(&registry, &target(Some("s1"), Some("alice"))).await, ["l1"]);
        assert!(registry.contains("l2"));
    }

    #[tokio::test]
    async fn e03_sub_alone_ends_all_sessions_of_the_user() {
        let held = [session("l1", "alice", Some("s1")), session("l2", "alice", None), session("l3", "bob", Some("s3"))];
        let registry = registry(&held).await;
        assert_eq!(taken(&registry, &target(None, Some("alice"))).await, ["l1", "l2"]);
        assert!(registry.contains("l3"));
    }

    #[tokio::test]
    async fn e05_two_local_sessions_of_one_sid_both_end() {
        let registry = registry(&[session("l1", "alice", Some("s1")), session("l2", "alice", Some("s1"))]).await;
        assert_eq!(taken(&registry, &target(Some("s1"), None)).await, ["l1", "l2"]);
        nothing_left(&registry);
    }

    #[tokio::test]
    async fn e06_the_same_names_at_another_issuer_survive() {
        let other = Registration { issuer: "https://other.example.com".into(), ..session("l2", "alice", Some("s1")) };
        let registry = registry(&[session("l1", "alice", Some("s1")), other]).await;
        assert_eq!(taken(&registry, &target(Some("s1"), Some("alice"))).await, ["l1"]);
        assert!(taken(&registry, &target(None, Some("alice"))).await.is_empty());
        assert!(registry.contains("l2"));
    }

    #[tokio::test]
    async fn e09_a_session_stored_without_sid_is_found_by_sub() {
        let registry = registry(&[session("l1", "alice", None), session("l2", "alice", Some("s2"))]).await;
        assert!(taken(&registry, &target(Some("s1"), None)).await.is_empty());
        assert_eq!(taken(&registry, &target(Some("s1"), Some("alice"))).await, ["l1"]);
        assert!(registry.contains("l2"));
    }

    #[tokio::test]
    async fn e12_a_local_logout_leaves_no_trace() {
        let registry = registry(&[session("l1", "alice", Some("s1"))]).await;
        registry.unregister("l1").await.unwrap();
        registry.unregister("l1").await.unwrap();
        nothing_left(&registry);
    }

    #[tokio::test]
    async fn e13_the_local_logout_of_the_older_session_keeps_the_newer() {
        let registry = registry(&[session("l1", "alice", Some("s1")), session("l2", "alice", Some("s1"))]).await;
        registry.unregister("l1").await.unwrap();
        assert_eq!(taken(&registry, &target(Some("s1"), None)).await, ["l2"]);
    }

    #[tokio::test]
    async fn e15_a_new_login_in_the_same_local_session_outlives_the_old_provider_session() {
        let registry = registry(&[session("l1", "alice", Some("s1"))]).await;
        let found = registry.find(ISS, "shop", &target(Some("s1"), None)).await.unwrap();
        registry.register(session("l1", "alice", Some("s2"))).await.unwrap();
        registry.remove(&found).await.unwrap();
        assert!(registry.contains("l1"), "what was replaced since it was found stays");
        assert!(taken(&registry, &target(Some("s1"), None)).await.is_empty());
        assert_eq!(taken(&registry, &target(Some("s2"), None)).await, ["l1"]);
        nothing_left(&registry);
    }

    #[tokio::test]
    async fn e23_ten_thousand_sessions_of_one_user_end_together() {
        let registry = MemoryRegistry::new();
        for n in 0..10_000 {
            registry.register(session(&format!("l{n}"), "alice", Some(&format!("s{n}")))).await.unwrap();
        }
        assert_eq!(taken(&registry, &target(None, Some("alice"))).await.len(), 10_000);
        nothing_left(&registry);
    }

    #[tokio::test]
    async fn e26_the_same_user_at_another_client_survives() {
        let other = Registration { client_id: "forum".into(), ..session("l2", "alice", Some("s1")) };
        let registry = registry(&[session("l1", "alice", Some("s1")), other]).await;
        assert_eq!(taken(&registry, &target(None, Some("alice"))).await, ["l1"]);
        assert!(registry.contains("l2"));
    }

    #[tokio::test]
    async fn one_local_session_may_hang_on_two_issuers() {
        let other = Registration { issuer: "https://other.example.com".into(), ..session("l1", "a", Some("x")) };
        let registry = registry(&[session("l1", "alice", Some("s1")), other.clone()]).await;
        assert_eq!(registry.get("l1").len(), 2);
        assert_eq!(taken(&registry, &target(Some("s1"), None)).await, ["l1"]);
        assert_eq!(registry.get("l1"), [other]);
    }
}
