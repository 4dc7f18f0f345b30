//! What is the service under test configured with? One issuer, its key, its clients.

use std::fmt::Write;
use std::path::PathBuf;

use tempfile::TempDir;

use super::rabbitmq::Vhost;
use super::receiver::Receiver;

/// The issuer of the events and tokens.
pub(crate) const ISSUER: &str = "https://idp.example.com";
/// The exchange the provider publishes to.
pub(crate) const EXCHANGE: &str = "idp";
/// The queue the service reads.
pub(crate) const QUEUE: &str = "signoff.events";
/// The embedded store, in the service's own directory.
pub(crate) const SQLITE: &str = "sqlite://signoff.db";

/// A configuration for any number of replicas; lives as long as they do.
#[derive(Debug)]
pub(crate) struct Setup {
    key: TempDir,
    store: String,
    amqp: Option<String>,
    /// More lines of the intake.
    amqp_lines: String,
    clients: Vec<(String, String)>,
    delivery: String,
}

impl Setup {
    /// On this store. The clients are on loopback, which is allowed.
    pub(crate) fn new(store: &str) -> Self {
        let key = tempfile::tempdir().expect("a directory");
        let delivery = "allow_networks = ['127.0.0.0/8']\nallow_http = true\n".to_owned();
        Self { key, store: store.to_owned(), amqp: None, amqp_lines: String::new(), clients: Vec::new(), delivery }
    }

    /// Registers a client.
    pub(crate) fn client(mut self, client_id: &str, uri: &str) -> Self {
        self.clients.push((client_id.to_owned(), uri.to_owned()));
        self
    }

    /// Registers these clients, each with its receiver.
    pub(crate) fn clients(self, clients: &[&str], receivers: &[Receiver]) -> Self {
        clients.iter().zip(receivers).fold(self, |setup, (client, receiver)| setup.client(client, &receiver.url()))
    }

    /// Reads [`QUEUE`], bound to [`EXCHANGE`].
    pub(crate) fn amqp(mut self, vhost: &Vhost) -> Self {
        self.amqp = Some(vhost.url());
        self
    }

    /// The same at this URL, with more lines of the intake.
    pub(crate) fn amqps(mut self, url: &str, lines: &str) -> Self {
        (self.amqp, self.amqp_lines) = (Some(url.to_owned()), lines.to_owned());
        self
    }

    /// More lines of `[delivery]`.
    pub(crate) fn delivery(mut self, lines: &str) -> Self {
        self.delivery.push_str(lines);
        self
    }

    /// The file that `serve` is given.
    pub(crate) fn config(&self) -> String {
        let Self { store, delivery, .. } = self;
        let mut config = format!("[store]\nurl = '{store}'\n[delivery]\n{delivery}\n");
        // ES256: an RSA key of a debug build takes seconds to make.
        let _ = write!(
            config,
            "[issuers.main]\nissuer = '{ISSUER}'\ndefault_alg = 'ES256'\n[issuers.main.keys.k1]\nfile = '{}'\n\
             alg = 'ES256'\ngenerate = true\n",
            self.key_file().display()
        );
        if let Some(url) = &self.amqp {
            let _ = write!(
                config,
                "[amqp.main]\nurl = '{url}'\nqueue = '{QUEUE}'\nexchange = '{EXCHANGE}'\n{}",
                self.amqp_lines
            );
        }
        for (client_id, uri) in &self.clients {
            let _ = write!(config, "[clients.{client_id}]\nissuer = 'main'\nbackchannel_logout_uri = '{uri}'\n");
        }
        config
    }

    /// Replaces the issuer's key. As a Secret is replaced: the file is never half there.
    pub(crate) fn new_key(&self) {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let next = self.key.path().join("next.pem");
        std::fs::write(&next, key.serialize_pem()).expect("to write the key");
        std::fs::rename(next, self.key_file()).expect("to replace the key");
    }

    /// Made by the first replica, read by the others.
    fn key_file(&self) -> PathBuf {
        self.key.path().join("key.pem")
    }
}
