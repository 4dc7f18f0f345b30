//! Which database may a test stop, kill and freeze? A private Postgres that makes commits durable.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::child::{Owned, children, signal_all};
use super::{eventually, free_port, required, setting, unique};

/// How long a server may take to start, stop or recover on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Postgres with its own directory and port, `fsync` on.
#[derive(Debug)]
pub(crate) struct OwnPostgres {
    // Dropped in this order: the server, its files.
    server: Option<Owned>,
    directory: TempDir,
    programs: PathBuf,
    port: u16,
}

/// How a server is made to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Connections are cut, the shutdown is clean.
    Fast,
    /// No checkpoint: the next start recovers.
    Immediate,
    /// SIGKILL to the server and every process of it.
    Killed,
}

impl OwnPostgres {
    /// Started and ready. `None`: there is no server to start, and skipping is allowed.
    pub(crate) async fn start() -> Option<Self> {
        let programs = PathBuf::from(required("SIGNOFF_TEST_POSTGRES_BIN")?);
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Self { server: None, directory, programs, port: free_port() };
        server.make();
        server.start_again().await;
        Some(server)
    }

    fn make(&self) {
        let directory = self.directory.path();
        if is_root() {
            let owned = Command::new("chown").arg("postgres:postgres").arg(directory).status();
            assert!(owned.expect("chown").success(), "the directory belongs to Postgres");
        }
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(self.data());
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        assert!(initdb.status().expect("initdb").success(), "{}", self.log());
    }

    /// A new, empty database; its URL survives everything done to the server.
    pub(crate) async fn database(&self) -> String {
        let name = unique("f");
        let mut admin = PgConnection::connect(&self.url("postgres")).await.expect("the server");
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.expect("a database");
        self.url(&name)
    }

    /// Stops it in this way, and waits until every process of it is gone.
    pub(crate) async fn stop(&mut self, how: Ending) {
        let mut server = self.server.take().expect("a running server");
        let family = children(server.id());
        match how {
            Ending::Fast => server.signal("INT"),
            Ending::Immediate => server.signal("QUIT"),
            Ending::Killed => {
                server.kill9();
                signal_all("KILL", &family);
            }
        }
        server.wait(PATIENCE).await;
        let gone = async || family.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()).then_some(());
        eventually("every process of the server is gone", PATIENCE, gone).await;
    }

    /// On the same port and data; returns when it answers.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.server.is_none(), "the server still runs");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k"]).arg(self.directory.path());
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100"]);
        let mut server = Owned::start(&mut command);
        eventually("the server answers", PATIENCE, async || {
            assert!(server.ended().is_none(), "Postgres ended:\n{}", self.log());
            PgConnection::connect(&self.url("postgres")).await.ok().map(drop)
        })
        .await;
        self.server = Some(server);
    }

    /// Every process of it stands still: connections stay open, nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, name: &str) {
        let server = self.server.as_ref().expect("a running server");
        // The server first: it makes no more children, and those that end meanwhile are of no concern.
        server.signal(name);
        signal_all(name, &children(server.id()));
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Postgres refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        } else {
            command = Command::new(program);
        }
        command.env_clear();
        for kept in ["PATH", "LANG", "SIGNOFF_TEST_RUN"] {
            command.envs(setting(kept).map(|value| (kept, value)));
        }
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let errors = log.try_clone().expect("a log file");
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(log).stderr(errors);
        command
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            signal_all("KILL", &children(server.id()));
        }
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}
