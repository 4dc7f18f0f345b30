//! What do the tests stand on? Real databases, real brokers, the real program, scripted receivers.
//!
//! A test that needs Postgres or RabbitMQ asks for it and returns where there is none:
//! `let Some(database) = TestDatabase::new().await else { return };`. `tests/run` provides both and
//! forbids the skip.

pub(crate) mod api;
pub(crate) mod application;
pub(crate) mod child;
pub(crate) mod events;
pub(crate) mod ledger;
pub(crate) mod own_broker;
pub(crate) mod own_postgres;
pub(crate) mod pki;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod provider;
pub(crate) mod publisher;
pub(crate) mod rabbitmq;
pub(crate) mod receiver;
pub(crate) mod script;
pub(crate) mod setup;

use std::fmt::Debug;
use std::future::Future;
use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

/// A variable of the test's environment; `None` where it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "the harness is configured by its environment")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable without which the test is skipped, loudly, or fails where skipping is forbidden.
pub(crate) fn required(name: &str) -> Option<String> {
    let value = setting(name);
    if value.is_none() {
        assert!(
            setting("SIGNOFF_TEST_REQUIRE").is_none(),
            "{name} is not set, and SIGNOFF_TEST_REQUIRE forbids to skip"
        );
        say(&format!("skipped: {name} is not set"));
    }
    value
}

/// Says something about this test that is seen although it passes.
pub(crate) fn say(what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln!: the output of a test that passes is swallowed.
    let _ = writeln!(std::io::stderr(), "{test}: {what}");
}

/// A name no other test has, on any run.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

/// Asks until the answer is `Some`, and fails with `what` after `within`.
pub(crate) async fn eventually<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A port nobody listens on, below the range from which outgoing connections take theirs, so that
/// what is stopped can come back on it.
pub(crate) fn free_port() -> u16 {
    (0..1000)
        .map(|_| rand::random_range(10_000..32_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// For the tests' own questions, which go to loopback: no guard, no TLS, and no connection kept to a
/// server that may be killed.
#[expect(clippy::disallowed_methods, reason = "the guarded client is what the tests test")]
pub(crate) fn http_client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only(Vec::<reqwest::Certificate>::new());
    builder.pool_max_idle_per_host(0).timeout(Duration::from_secs(90)).build().expect("an HTTP client")
}

/// Cleans up from `drop`, also while a test panics: on a thread and a runtime of its own, so that
/// the test's runtime may be of any kind. What fails is left behind.
pub(crate) fn clean_up<E: Debug>(work: impl Future<Output = Result<(), E>> + Send + 'static) {
    let cleaner = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if let Err(error) = runtime.block_on(work) {
            eprintln!("not cleaned up: {error:?}");
        }
        std::io::Result::Ok(())
    });
    let _ = cleaner.join();
}
