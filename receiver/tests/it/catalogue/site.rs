//! What does an application look like to the test issuer? The same endpoint, by either framework.

use std::sync::OnceLock;
use std::time::Duration;

use signoff_receiver::testkit::TestIssuer;
use signoff_receiver::{
    BackchannelLogout, LogoutTokenVerifier, LogoutTokenVerifierBuilder, ManualClock, MemoryRegistry, Registration,
    SessionAge, SessionRegistry as _, Standing,
};

use crate::app::{Adapter, PATH, Reply, serve};

/// An application, and the issuer it trusts. Both go by a clock that stands still.
pub(super) struct Site {
    pub(super) issuer: TestIssuer,
    pub(super) clock: ManualClock,
    pub(super) sessions: MemoryRegistry,
    address: String,
}

impl Site {
    pub(super) async fn start(adapter: Adapter) -> Self {
        Self::start_with(adapter, |builder| builder, |endpoint| endpoint).await
    }

    pub(super) async fn start_with(
        adapter: Adapter,
        policy: impl FnOnce(LogoutTokenVerifierBuilder) -> LogoutTokenVerifierBuilder,
        hooks: impl FnOnce(BackchannelLogout) -> BackchannelLogout,
    ) -> Self {
        let clock = ManualClock::now();
        let issuer = issuer(&clock).await;
        Self::of(adapter, issuer, clock, policy, hooks)
    }

    /// The same application from the beginning: nobody is signed in, and no key known.
    pub(super) fn anew(self, adapter: Adapter) -> Self {
        Self::of(adapter, self.issuer, self.clock, |builder| builder, |endpoint| endpoint)
    }

    fn of(
        adapter: Adapter,
        issuer: TestIssuer,
        clock: ManualClock,
        policy: impl FnOnce(LogoutTokenVerifierBuilder) -> LogoutTokenVerifierBuilder,
        hooks: impl FnOnce(BackchannelLogout) -> BackchannelLogout,
    ) -> Self {
        let sessions = MemoryRegistry::with_age(SessionAge::default().clock(clock.clone()));
        let verifier = policy(verifier(&issuer, &clock)).build().unwrap();
        let address = serve(adapter, hooks(BackchannelLogout::new(verifier, sessions.clone())));
        Self { issuer, clock, sessions, address }
    }

    pub(super) async fn signed_in(&self, local_id: &str, sub: &str, sid: Option<&str>) {
        let session = Registration::new(local_id, self.issuer.login(sub, sid));
        assert_eq!(self.sessions.register(&session).await.unwrap(), Standing::Alive);
    }

    pub(super) async fn post(&self, token: &str) -> Reply {
        self.post_to(PATH, token).await
    }

    pub(super) async fn post_to(&self, path: &str, token: &str) -> Reply {
        Reply::of_post(&format!("http://{}{path}", self.address), token).await
    }

    pub(super) async fn get(&self, path: &str) -> String {
        Reply::of_get(&format!("http://{}{path}", self.address)).await.body
    }

    /// Signs alice out of the provider session, or of all.
    pub(super) async fn log_out(&self, sub: &str, sid: Option<&str>) -> u16 {
        self.post(&self.issuer.logout_token(sub, sid).sign()).await.status
    }

    pub(super) fn alive<const N: usize>(&self, local_ids: [&str; N]) -> [bool; N] {
        local_ids.map(|id| self.sessions.contains(id))
    }

    /// Lets time pass for everybody.
    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Each is served by itself; all have the same keys.
pub(super) async fn issuer(clock: &ManualClock) -> TestIssuer {
    static KEYS: OnceLock<TestIssuer> = OnceLock::new();
    let issuer = KEYS.get_or_init(|| TestIssuer::new("", "shop"));
    issuer.clone().clock(clock.clone()).serve().await
}

pub(super) fn verifier(issuer: &TestIssuer, clock: &ManualClock) -> LogoutTokenVerifierBuilder {
    LogoutTokenVerifier::builder()
        .issuer(issuer.issuer())
        .client_id(issuer.client_id())
        .jwks_uri(issuer.jwks_uri())
        .jwks_timeout(Duration::from_millis(400))
        .clock(clock.clone())
}
