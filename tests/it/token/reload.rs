//! Keys follow their files by content, and only to what is good.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use signoff::model::{Clock, Directory, Issuer, IssuerKey, SharedDirectory, SystemClock};
use signoff::token::{FirstSeen, IssuerKeys, KeyError, KeySource, Reloader, Settings, SharedKeyrings};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::pem;

const ISSUER: IssuerKey = IssuerKey(7);

/// A wall clock that tests set.
#[derive(Debug, Clone)]
struct SetClock(Arc<Mutex<OffsetDateTime>>);

impl SetClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for SetClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
}

/// Remembers in memory what the store would.
#[derive(Clone)]
struct Memory {
    clock: SetClock,
    seen: Arc<Mutex<HashMap<String, OffsetDateTime>>>,
    asked: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
}

#[async_trait]
impl FirstSeen for Memory {
    async fn first_seen(&self, issuer: IssuerKey, kid: &str) -> anyhow::Result<OffsetDateTime> {
        anyhow::ensure!(!self.down.load(Ordering::SeqCst), "store down");
        assert_eq!(issuer, ISSUER);
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(*self.seen.lock().unwrap().entry(kid.to_owned()).or_insert_with(|| self.clock.now()))
    }
}

struct Keys {
    dir: tempfile::TempDir,
    clock: SetClock,
    memory: Memory,
    reloader: Arc<Reloader>,
    rings: SharedKeyrings,
}

impl Keys {
    /// An issuer whose clients use ES256, with the key files `a` and `b`.
    fn new(poll: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = SetClock(Arc::new(Mutex::new(time::macros::datetime!(2026-11-22 10:00 UTC))));
        let memory = Memory { clock: clock.clone(), seen: Arc::default(), asked: Arc::default(), down: Arc::default() };
        let source = |name: &str| source(name, dir.path().join(name));
        let keys = IssuerKeys { issuer: ISSUER, name: "main".into(), sources: vec![source("a"), source("b")] };
        let settings = Settings { poll, ..Settings::default() };
        let reloader = Reloader::new(vec![keys], settings, memory.clone(), directory(), Arc::new(clock.clone()));
        let rings = reloader.shared();
        Self { dir, clock, memory, reloader: Arc::new(reloader), rings }
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }

    fn signer(&self, alg: Algorithm) -> Option<String> {
        let rings = self.rings.load();
        let ring = rings.get(ISSUER)?;
        ring.signer(alg, self.clock.now()).map(|key| key.kid().to_owned())
    }

    fn published(&self) -> usize {
        self.rings.load().get(ISSUER).map_or(0, |ring| ring.jwks(self.clock.now())["keys"].as_array().unwrap().len())
    }
}

fn source(name: &str, file: PathBuf) -> KeySource {
    KeySource { name: name.into(), file, alg: None, kid: None, use_from: None }
}

fn directory() -> SharedDirectory {
    let issuer = Issuer {
        key: ISSUER,
        name: "main".into(),
        issuer: "https://idp".into(),
        default_alg: Algorithm::ES256,
        sid_is_session_id: true,
        reuses_session_ids: false,
        logs_out_offline: false,
    };
    Arc::new(arc_swap::ArcSwap::from_pointee(Directory::new([Arc::new(issuer)], [])))
}

fn kid(pem: &str) -> String {
    signoff::token::parse_pem(pem, Path::new("-")).unwrap().kid().to_owned()
}

#[tokio::test]
async fn new_content_is_announced_signs_and_retires_the_old() {
    let keys = Keys::new(Duration::from_secs(10));
    let [first, other, second] = [Algorithm::ES256, Algorithm::ES384, Algorithm::ES256].map(pem);
    keys.write("a", &first);
    keys.write("b", &other);
    assert_eq!(keys.reloader.reload().await.replaced, ["main"]);
    assert_eq!(keys.signer(Algorithm::ES256), Some(kid(&first)), "alone of its algorithm: no wait");
    assert_eq!(keys.signer(Algorithm::ES384), Some(kid(&other)));
    assert_eq!(keys.signer(Algorithm::RS256), None);

    keys.clock.advance(Duration::from_hours(1));
    keys.write("a", &(first.clone() + &second));
    assert_eq!(keys.reloader.reload().await.replaced, ["main"]);
    assert_eq!((keys.signer(Algorithm::ES256), keys.published()), (Some(kid(&first)), 3), "announced, not signing");
    keys.clock.advance(Duration::from_mins(5));
    assert_eq!(keys.signer(Algorithm::ES256), Some(kid(&second)));

    keys.write("a", &second);
    assert_eq!(keys.reloader.reload().await.replaced, ["main"]);
    assert_eq!(keys.published(), 3, "the old one stays published");
    keys.clock.advance(Duration::from_mins(10));
    assert_eq!((keys.signer(Algorithm::ES256), keys.published()), (Some(kid(&second)), 2));
}

#[tokio::test]
async fn the_same_content_is_left_alone() {
    let keys = Keys::new(Duration::from_secs(10));
    let (a, b) = (pem(Algorithm::ES256), pem(Algorithm::ES384));
    keys.write("a", &a);
    keys.write("b", &b);
    keys.reloader.reload().await;
    let (before, asked) = (keys.rings.load_full(), keys.memory.asked.load(Ordering::SeqCst));
    keys.write("a", &a);
    let again = keys.reloader.reload().await;
    assert!(again.replaced.is_empty() && again.kept.is_empty());
    assert!(Arc::ptr_eq(&before, &keys.rings.load_full()));
    assert_eq!((asked, keys.memory.asked.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test]
async fn what_is_not_good_leaves_the_last_good_keys() {
    let keys = Keys::new(Duration::from_secs(10));
    let (a, b) = (pem(Algorithm::ES256), pem(Algorithm::ES384));
    keys.write("a", &a);
    keys.write("b", &b);
    keys.reloader.reload().await;

    keys.write("a", "-----BEGIN");
    assert!(matches!(keys.reloader.reload().await.kept[..], [KeyError::Unusable { .. }]));
    keys.write("a", &b);
    assert!(matches!(keys.reloader.reload().await.kept[..], [KeyError::DuplicateKid { .. }]));
    keys.write("a", &pem(Algorithm::ES384));
    let kept = keys.reloader.reload().await.kept;
    assert!(matches!(kept[..], [KeyError::WouldLose { alg: Algorithm::ES256, .. }]), "in use: {kept:?}");
    std::fs::remove_file(keys.dir.path().join("a")).unwrap();
    assert!(matches!(keys.reloader.reload().await.kept[..], [KeyError::Unreadable { .. }]));
    keys.memory.down.store(true, Ordering::SeqCst);
    keys.write("a", &pem(Algorithm::ES256));
    assert!(matches!(keys.reloader.reload().await.kept[..], [KeyError::FirstSeen { .. }]));
    assert_eq!(keys.signer(Algorithm::ES256), Some(kid(&a)), "after all that the first key signs");

    keys.memory.down.store(false, Ordering::SeqCst);
    assert_eq!(keys.reloader.reload().await.replaced, ["main"], "a failed content is tried again");

    keys.write("b", &pem(Algorithm::EdDSA));
    assert_eq!(keys.reloader.reload().await.replaced, ["main"], "nobody uses ES384: it may go");
    assert_eq!(keys.signer(Algorithm::ES384), None);
}

#[tokio::test]
async fn a_kid_never_passes_to_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a");
    let named = KeySource { kid: Some("main-1".into()), ..source("a", file.clone()) };
    let keys = IssuerKeys { issuer: ISSUER, name: "main".into(), sources: vec![named] };
    let template = Keys::new(Duration::from_secs(10));
    let clock = Arc::new(template.clock.clone());
    let reloader = Reloader::new(vec![keys], Settings::default(), template.memory.clone(), directory(), clock);
    std::fs::write(&file, pem(Algorithm::ES256)).unwrap();
    assert_eq!(reloader.reload().await.replaced, ["main"]);
    let before = reloader.shared().load_full();
    std::fs::write(&file, pem(Algorithm::ES256)).unwrap();
    assert!(matches!(reloader.reload().await.kept[..], [KeyError::KidReused { .. }]));
    assert!(Arc::ptr_eq(&before, &reloader.shared().load_full()));
}

#[tokio::test]
async fn the_poll_sees_new_content_by_itself_and_stops_when_asked() {
    let keys = Keys::new(Duration::from_millis(20));
    keys.write("a", &pem(Algorithm::ES256));
    keys.write("b", &pem(Algorithm::ES384));
    let stop = CancellationToken::new();
    let (reloader, token) = (Arc::clone(&keys.reloader), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let polling = tokio::spawn(async move { reloader.run(token).await });
    let appeared = tokio::time::timeout(Duration::from_secs(10), async {
        while keys.signer(Algorithm::ES384).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    appeared.await.expect("keys within ten seconds");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), polling).await.expect("stops").unwrap();
}
