//! Which broker may a test stop and kill? A private one, which comes back on the same ports.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::child::Owned;
use super::pki::{Ca, leaf, put};
use super::rabbitmq::{Broker, Vhost};
use super::{eventually, free_port, required, setting};

/// How long a node may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A RabbitMQ node with its own directories, ports and epmd.
#[derive(Debug)]
pub(crate) struct OwnBroker {
    // Dropped in this order: the node, its epmd, their files.
    node: Option<Owned>,
    _epmd: Owned,
    directory: TempDir,
    server: String,
    ports: Ports,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    management: u16,
    distribution: u16,
    epmd: u16,
    tls: u16,
}

impl OwnBroker {
    /// Started and ready. `None`: there is no server to start, and skipping is allowed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_configured(|_| String::new()).await
    }

    /// With TLS beside the plain port: a certificate of this CA for 127.0.0.1. With `clients` it
    /// demands a certificate of that CA.
    pub(crate) async fn start_tls(ca: &Ca, clients: Option<&Ca>) -> Option<Self> {
        let (certificate, key) = leaf(ca, "127.0.0.1");
        Self::start_configured(|directory| {
            let trusted = put(directory, "clients.pem", &clients.unwrap_or(ca).pem());
            let certificate = put(directory, "certificate.pem", &certificate.pem());
            let key = put(directory, "key.pem", &key.serialize_pem());
            let (verify, demand) = if clients.is_some() { ("verify_peer", true) } else { ("verify_none", false) };
            format!(
                "ssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
                 ssl_options.verify = {verify}\nssl_options.fail_if_no_peer_cert = {demand}\n",
                trusted.display(),
                certificate.display(),
                key.display()
            )
        })
        .await
    }

    async fn start_configured(tls: impl FnOnce(&Path) -> String) -> Option<Self> {
        let server = required("SIGNOFF_TEST_RABBITMQ_SERVER")?;
        let ports = Ports {
            amqp: free_port(),
            management: free_port(),
            distribution: free_port(),
            epmd: free_port(),
            tls: free_port(),
        };
        let directory = tempfile::tempdir().expect("a directory");
        let tls = tls(directory.path());
        configure(directory.path(), ports, &tls);
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"]);
        let epmd = Owned::start(quiet(&mut epmd, directory.path(), "epmd.log"));
        let mut broker = Self { node: None, _epmd: epmd, directory, server, ports };
        broker.start_again().await;
        Some(broker)
    }

    /// Its addresses, which survive a restart.
    pub(crate) fn broker(&self) -> Broker {
        let Ports { amqp, management, .. } = self.ports;
        Broker::new(
            &format!("amqp://guest:guest@127.0.0.1:{amqp}"),
            &format!("http://guest:guest@127.0.0.1:{management}"),
        )
    }

    /// The URL of a virtual host by TLS, at this name of the machine.
    pub(crate) fn tls_url(&self, vhost: &Vhost, host: &str) -> String {
        let path = vhost.url();
        let path = path.rsplit('/').next().expect("a path");
        format!("amqps://guest:guest@{host}:{}/{path}", self.ports.tls)
    }

    /// Asks it to stop, and waits until its process is gone: it cannot start again before.
    pub(crate) async fn stop(&mut self) {
        let mut node = self.node.take().expect("a running node");
        node.term();
        node.wait(PATIENCE).await;
    }

    /// SIGKILL. A quorum queue should be some seconds old: one just declared may not come back.
    pub(crate) fn kill9(&mut self) {
        self.node.take().expect("a running node").kill9();
    }

    /// On the same ports and the same data; returns when all virtual hosts are up.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.node.is_none(), "the node still runs");
        let mut node = Owned::start(&mut self.command());
        let broker = self.broker();
        eventually("the broker is ready", PATIENCE, async || {
            let log = || fs::read_to_string(self.directory.path().join("node.log")).unwrap_or_default();
            assert!(node.ended().is_none(), "the broker ended:\n{}", log());
            broker.is_ready().await.then_some(())
        })
        .await;
        self.node = Some(node);
    }

    fn command(&self) -> Command {
        let directory = self.directory.path();
        let mut command = Command::new(&self.server);
        command.env_clear();
        for kept in ["PATH", "LANG", "SIGNOFF_TEST_RUN"] {
            command.envs(setting(kept).map(|value| (kept, value)));
        }
        for (name, file) in [
            ("HOME", ""),
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PID_FILE", "pid"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ] {
            command.env(name, directory.join(file));
        }
        command
            // The script becomes the node, so that the child's pid is the node's.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_NODENAME", format!("own{}@localhost", self.ports.epmd))
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        quiet(&mut command, directory, "node.log");
        command
    }
}

fn configure(directory: &Path, ports: Ports, tls: &str) {
    let Ports { amqp, management, .. } = ports;
    let tls = if tls.is_empty() { String::new() } else { format!("listeners.ssl.1 = 127.0.0.1:{}\n{tls}", ports.tls) };
    let configuration = format!(
        "listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n\
         collect_statistics_interval = 1000\nlog.console = true\nlog.console.level = warning\nlog.file = false\n{tls}"
    );
    fs::write(directory.join("rabbitmq.conf"), configuration).expect("to write");
    fs::write(directory.join("plugins"), "[rabbitmq_management].\n").expect("to write");
}

fn quiet<'c>(command: &'c mut Command, directory: &Path, log: &str) -> &'c mut Command {
    let log = File::options().create(true).append(true).open(directory.join(log)).expect("a log file");
    let errors = log.try_clone().expect("a log file");
    command.current_dir(directory).stdin(Stdio::null()).stdout(log).stderr(errors)
}
