//! Is a token carried out once, and tried again when it failed?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join;
use signoff_receiver::replay::{Begun, TokenId};
use signoff_receiver::{MemoryReplayGuard, ReplayGuard, ReplayOutage, StoreError};
use tokio::sync::Semaphore;

use crate::app::{Adapter, TestApp, on_both_adapters};
use crate::mint::{ISS, Mint, good_token, rsa};

async fn r01_a_token_sent_again_is_a_success_and_does_nothing(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let token = Mint::good().without("sid").sign(rsa());
    app.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(app.post(&token).await.status, 200);
    let told = app.killed.lock().unwrap().len();
    assert_eq!(app.post(&token).await.status, 200);
    assert_eq!(app.killed.lock().unwrap().len(), told, "nobody is told of a replay");
}

/// Fails, or not, as told.
#[derive(Default)]
struct Moody(MemoryReplayGuard, AtomicBool);

impl Moody {
    fn mood(&self) -> Result<(), StoreError> {
        if self.1.load(Ordering::SeqCst) { Err(StoreError::new("the guard is asleep")) } else { Ok(()) }
    }
}

#[async_trait]
impl ReplayGuard for Moody {
    async fn begin(&self, token: &TokenId) -> Result<Begun, StoreError> {
        self.mood()?;
        self.0.begin(token).await
    }

    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError> {
        self.mood()?;
        self.0.commit(token, until).await
    }

    async fn release(&self, token: &TokenId) -> Result<(), StoreError> {
        self.mood()?;
        self.0.release(token).await
    }
}

async fn r04_without_a_guard_the_sender_is_told_to_try_again(adapter: Adapter) {
    let guard = Arc::new(Moody::default());
    guard.1.store(true, Ordering::SeqCst);
    let used = Arc::clone(&guard);
    let app = TestApp::start_with(adapter, |builder| builder, |endpoint| endpoint.replay_guard(used)).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let reply = app.post(&good_token()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "replay_unavailable"));
    assert!(app.sessions.contains("l1"));
    guard.1.store(false, Ordering::SeqCst);
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert!(!app.sessions.contains("l1"));
}

async fn r04_without_a_guard_the_token_is_carried_out_where_the_application_says_so(adapter: Adapter) {
    let guard = Moody::default();
    guard.1.store(true, Ordering::SeqCst);
    let hooks = |endpoint: signoff_receiver::BackchannelLogout| {
        endpoint.replay_guard(guard).on_replay_outage(ReplayOutage::Act)
    };
    let app = TestApp::start_with(adapter, |builder| builder, hooks).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert!(!app.sessions.contains("l1"));
}

async fn r06_a_token_that_comes_again_while_it_is_carried_out_waits_and_acts_if_the_first_failed(adapter: Adapter) {
    let gate = Arc::new(Semaphore::new(0));
    let kills = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (closed, counted) = (Arc::clone(&gate), Arc::clone(&kills));
    let kill = move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let closed = Arc::clone(&closed);
        async move {
            if first {
                let _open = closed.acquire().await;
                return Err(StoreError::new("the first fails"));
            }
            Ok(())
        }
    };
    let app = TestApp::start_with(adapter, |builder| builder, |endpoint| endpoint.kill_with(kill)).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let token = good_token();
    let second = async {
        while kills.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let (reply, ()) = join(app.post(&token), async {
            tokio::time::sleep(std::time::Duration::from_millis(120)).await;
            gate.add_permits(1);
        })
        .await;
        reply
    };
    let (first, second) = join(app.post(&token), second).await;
    assert_eq!((first.status, second.status), (503, 200));
    assert_eq!(kills.load(Ordering::SeqCst), 2);
    assert!(!app.sessions.contains("l1"));
}

async fn r05_a_token_is_remembered_beyond_the_time_it_is_good_for(adapter: Adapter) {
    let guard = Arc::new(Recorder::default());
    let used = Arc::clone(&guard);
    let app = TestApp::start_with(adapter, |builder| builder, |endpoint| endpoint.replay_guard(used)).await;
    let mint = Mint::good();
    let exp = mint.claims["exp"].as_i64().unwrap();
    assert_eq!(app.post(&mint.sign(rsa())).await.status, 200);
    let (token, until) = guard.0.lock().unwrap().take().unwrap();
    assert_eq!(token, TokenId { issuer: ISS.into(), jti: "jti-1".into() });
    assert!(until >= exp + 60, "the skew counts: {until} {exp}");
}

#[derive(Default)]
struct Recorder(std::sync::Mutex<Option<(TokenId, i64)>>);

#[async_trait]
impl ReplayGuard for Recorder {
    async fn begin(&self, _: &TokenId) -> Result<Begun, StoreError> {
        Ok(Begun::Fresh)
    }

    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = Some((token.clone(), until));
        Ok(())
    }

    async fn release(&self, _: &TokenId) -> Result<(), StoreError> {
        Ok(())
    }
}

on_both_adapters! {
    r01_a_token_sent_again_is_a_success_and_does_nothing
    r04_without_a_guard_the_sender_is_told_to_try_again
    r04_without_a_guard_the_token_is_carried_out_where_the_application_says_so
    r06_a_token_that_comes_again_while_it_is_carried_out_waits_and_acts_if_the_first_failed
    r05_a_token_is_remembered_beyond_the_time_it_is_good_for
}
