//! Where are the servers that a test needs, and what is its own there?

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::time::Instant;

/// A variable of the test's environment; `None` where it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "the tests are configured by their environment")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable without which the test is skipped, loudly, or fails where skipping is forbidden.
pub(crate) fn required(name: &str) -> Option<String> {
    let value = setting(name);
    if value.is_none() {
        say_or_fail(&format!("{name} is not set"));
    }
    value
}

/// Why a test is skipped; it fails where skipping is forbidden.
pub(crate) fn say_or_fail(why: &str) {
    assert!(setting("SIGNOFF_TEST_REQUIRE").is_none(), "{why}, and SIGNOFF_TEST_REQUIRE forbids to skip");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln!: the output of a test that passes is swallowed.
    let _ = writeln!(std::io::stderr(), "{test}: skipped: {why}");
}

/// Runs an ignored test of this binary in a process of its own.
pub(crate) fn run_alone(test: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--ignored", "--exact", "--nocapture", test]).output().unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&child.stderr));
}

/// Asks until the answer is `Some`, and fails after ten seconds.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(what, Duration::from_secs(10), ask).await
}

pub(crate) async fn eventually_within<T>(what: &str, time: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {time:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn unique() -> String {
    format!("t_{}", uuid::Uuid::new_v4().simple())
}

/// A schema of its own in the Postgres of the tests; dropped with this value.
pub(crate) struct Schema {
    server: String,
    name: String,
}

impl Schema {
    pub(crate) async fn fresh() -> Option<Self> {
        let server = required("SIGNOFF_TEST_DATABASE_URL")?;
        let name = unique();
        execute(&server, format!("CREATE SCHEMA {name}")).await.unwrap();
        Some(Self { server, name })
    }

    /// For another process.
    pub(crate) fn url(&self) -> String {
        let mark = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{mark}options=-c%20search_path%3D{}", self.server, self.name)
    }

    /// Another pool each time, as another replica has it.
    pub(crate) fn pool(&self) -> PgPool {
        let options: PgConnectOptions = self.server.parse().unwrap();
        PgPoolOptions::new().max_connections(4).connect_lazy_with(options.options([("search_path", &self.name)]))
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (server, drop) = (self.server.clone(), format!("DROP SCHEMA {} CASCADE", self.name));
        // On a thread and a runtime of its own: the test's may be of any kind, or on its way out.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _ = runtime.block_on(execute(&server, drop));
        });
        let _ = cleaner.join();
    }
}

async fn execute(server: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

/// Keys of its own in the Redis of the tests. They expire.
pub(crate) struct Keyspace {
    server: String,
    pub(crate) prefix: String,
}

impl Keyspace {
    pub(crate) fn fresh() -> Option<Self> {
        // With characters that a pattern must not take for its own.
        Some(Self { server: required("SIGNOFF_TEST_REDIS_URL")?, prefix: format!("[{}]*:", unique()) })
    }

    /// Another connection each time, as another replica has it.
    pub(crate) async fn connection(&self) -> ConnectionManager {
        let patient = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
        let client = redis::Client::open(self.server.as_str()).unwrap();
        ConnectionManager::new_with_config(client, patient).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let pattern = self.prefix.replace('[', "\\[").replace(']', "\\]").replace('*', "\\*") + "*";
        redis::cmd("KEYS").arg(pattern).query_async(&mut self.connection().await).await.unwrap()
    }
}
