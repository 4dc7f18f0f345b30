//! How does a test run the real program? As a child process that it can kill and start again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::child::Owned;
use super::{free_port, http_client};

/// How long the program may take to answer `/readyz` on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// `signoff serve` with a configuration, a directory and a port of its own.
#[derive(Debug)]
pub(crate) struct Service {
    child: Owned,
    directory: TempDir,
    port: u16,
    environment: Vec<(String, String)>,
    /// `None`: it speaks plain HTTP.
    tls: Option<reqwest::Client>,
}

impl Service {
    /// Started and ready; fails with its log where it does not become so. `http.listen` is set
    /// from outside, everything else by the configuration, whose relative paths start in the
    /// service's own directory.
    pub(crate) async fn spawn(config: &str) -> Self {
        Self::spawn_with(config, &[]).await.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// With these variables too. The error is how it ended, and its log.
    pub(crate) async fn spawn_with(config: &str, environment: &[(&str, &str)]) -> Result<Self, String> {
        Self::spawn_as(config, environment, None).await
    }

    /// With TLS: this client trusts its certificate.
    pub(crate) async fn spawn_tls(config: &str, client: reqwest::Client) -> Self {
        Self::spawn_as(config, &[], Some(client)).await.unwrap_or_else(|failure| panic!("{failure}"))
    }

    async fn spawn_as(
        config: &str,
        environment: &[(&str, &str)],
        tls: Option<reqwest::Client>,
    ) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("signoff.toml"), config).expect("to write the configuration");
        let environment: Vec<_> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let port = free_port();
        let child = Owned::start(&mut command(&directory, port, &environment));
        let mut service = Self { child, directory, port, environment, tls };
        service.ready().await?;
        Ok(service)
    }

    /// Again, on the same configuration, directory and port, after it has ended.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.child.ended().is_some(), "the service still runs");
        self.child = Owned::start(&mut command(&self.directory, self.port, &self.environment));
        self.ready().await.unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Where it runs: relative paths of its configuration start here.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// Everything it wrote, over all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill9(&mut self) -> ExitStatus {
        self.child.kill9()
    }

    /// Asks it to stop.
    pub(crate) fn term(&self) {
        self.child.term();
    }

    /// Asks it to read its files again.
    pub(crate) fn hang_up(&self) {
        self.child.hang_up();
    }

    /// It stands still, as if its machine did.
    pub(crate) fn pause(&self) {
        self.child.signal("STOP");
    }

    /// It goes on where it was.
    pub(crate) fn resume(&self) {
        self.child.signal("CONT");
    }

    /// Its resident memory now and at its most, in MiB.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running service");
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the memory");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
        };
        (mib("VmRSS:"), mib("VmHWM:"))
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn wait(&mut self, within: Duration) -> ExitStatus {
        self.child.wait(within).await
    }

    async fn ready(&mut self) -> Result<(), String> {
        let client = self.tls.clone().unwrap_or_else(http_client);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.ended() {
                return Err(format!("the service ended before it was ready: {status}\n{}", self.log()));
            }
            if client.get(self.url("/readyz")).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the service is not ready within {PATIENCE:?}\n{}", self.log()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("service.log")
    }
}

fn command(directory: &TempDir, port: u16, environment: &[(String, String)]) -> Command {
    let log = directory.path().join("service.log");
    let log = File::options().create(true).append(true).open(log).expect("a log file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command
        .args(["serve", "--config", "signoff.toml"])
        .current_dir(directory.path())
        .env_remove("SIGNOFF_CONFIG")
        .env("SIGNOFF__HTTP__LISTEN", format!("127.0.0.1:{port}"))
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log file"))
        .stderr(log);
    command
}
