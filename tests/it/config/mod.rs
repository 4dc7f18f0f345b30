//! Is every mistake of a configuration found, and said in words that help?

mod command;
mod example;
mod mistakes;
mod settings;

use std::fs;
use std::path::Path;

use jsonwebtoken::Algorithm;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use signoff::config::{Config, Mistakes};
use signoff::token::generate;
use tempfile::TempDir;

/// A directory with one of each file that a configuration may name.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        let key = |alg| generate::generate(alg, 2048).unwrap().to_string();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
        files.put("rsa.pem", &key(Algorithm::RS256));
        files.put("ec.pem", &key(Algorithm::ES256));
        files.put("rsa-1024.pem", include_str!("../data/rsa-1024.pem"));
        files.put("ca.pem", &cert.pem());
        files.put("client.pem", &format!("{}{}", cert.pem(), signing_key.serialize_pem()));
        files.put("token", "0123456789abcdef\n");
        files.put("short-token", "0123456789\n");
        files.put("empty-token", "\n");
        files.put("spaced-token", "0123456789 abcdef");
        files
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `DIR` in a text is this directory.
    fn fill(&self, text: &str) -> String {
        text.replace("DIR", self.path().to_str().unwrap())
    }

    fn parse(&self, text: &str, variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), self.fill(value))).collect();
        Config::parse("signoff.toml", &self.fill(text), &variables)
    }
}

/// A configuration without mistakes; a case replaces one of its lines or adds some.
const GOOD: &str = r#"
[http]
listen = "127.0.0.1:8080"
[http.tokens.idp]
file = "DIR/token"
scopes = ["events"]
[store]
url = "sqlite://DIR/signoff.db"
[amqp.main]
url = "amqp://user:pass@broker:5672/%2f"
queue = "signoff.events"
[issuers.main]
issuer = "https://idp.example"
default_alg = "RS256"
[issuers.main.keys.k1]
file = "DIR/rsa.pem"
alg = "RS256"
[clients.shop]
issuer = "main"
backchannel_logout_uri = "https://shop.example/logout?x=1"
[delivery]
timeout = "10s"
[delivery.retry]
first = "1s"
[tokens]
lifetime = "120s"
[log]
level = "info"
"#;
