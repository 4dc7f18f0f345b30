//! How is the demo's service configured? As any other, by a TOML text.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::{Config, Mistakes};

/// The issuer's short name.
pub(super) const ISSUER: &str = "demo";

/// What differs between runs.
pub(super) struct Setting<'a> {
    pub(super) listen: SocketAddr,
    pub(super) directory: &'a Path,
    pub(super) store: &'a str,
    /// URL and queue.
    pub(super) amqp: Option<(&'a str, &'a str)>,
    /// Client ids and where their receivers listen.
    pub(super) clients: &'a [(&'static str, SocketAddr)],
    pub(super) log: &'a str,
}

impl Setting<'_> {
    /// The issuer's URL: here the service publishes the keys itself.
    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Checked as any other.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let text = toml::to_string(&self.document())?;
        let config: Result<Config, Mistakes> = Config::parse("the demo's configuration", &text, &[]);
        Ok(config?)
    }

    fn document(&self) -> Value {
        json!({
            "http": { "listen": self.listen.to_string(), "workers": 1 },
            "store": { "url": self.store },
            "issuers": { ISSUER: {
                "issuer": self.issuer(),
                "keys": { "generated": { "file": self.directory.join("key.pem"), "alg": "RS256", "generate": true } },
            } },
            "clients": self.clients(),
            // Everything is on this machine: plain http to loopback, which a deployment never allows.
            "delivery": { "allow_http": true, "allow_networks": ["127.0.0.0/8"] },
            "amqp": self.amqp(),
            "log": { "level": self.log, "dependencies": "warn" },
        })
    }

    fn clients(&self) -> Map<String, Value> {
        let client = |(id, address): &(&str, SocketAddr)| {
            let uri = format!("http://{address}{}", super::application::LOGOUT_PATH);
            ((*id).to_owned(), json!({ "backchannel_logout_uri": uri, "backchannel_logout_session_required": true }))
        };
        self.clients.iter().map(client).collect()
    }

    fn amqp(&self) -> Map<String, Value> {
        let intake = |(url, queue): (&str, &str)| {
            (ISSUER.to_owned(), json!({ "url": url, "queue": queue, "rejected_queue": rejected(queue) }))
        };
        self.amqp.map(intake).into_iter().collect()
    }
}

/// Where the queue's unreadable messages go.
pub(super) fn rejected(queue: &str) -> String {
    format!("{queue}.rejected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_right_with_and_without_a_queue() {
        let directory = std::env::temp_dir();
        let store = format!("sqlite://{}/signoff.db", directory.display());
        let address: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        for amqp in [None, Some(("amqp://127.0.0.1/%2f", "signoff.demo.x"))] {
            let clients = [("shop", address), ("forum", address)];
            let setting =
                Setting { listen: address, directory: &directory, store: &store, amqp, clients: &clients, log: "off" };
            let config = setting.config().unwrap();
            assert_eq!(config.clients.len(), 2);
            assert_eq!(config.issuers[0].issuer, "http://127.0.0.1:4711");
            assert_eq!(
                config.amqp.first().map(|amqp| amqp.rejected_queue.as_str()),
                amqp.map(|_| "signoff.demo.x.rejected")
            );
        }
    }
}
