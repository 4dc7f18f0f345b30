//! Where do the keys come from? The test issuer's server, which counts, lies, dawdles and fails on demand.

use std::time::Duration;

use serde_json::{Value, json};
use signoff_receiver::testkit::{Mood, TestIssuer};

use crate::mint::keys_of;

/// What the server answers next.
pub(crate) enum Mode {
    /// These keys.
    Keys(Vec<Value>),
    /// These keys, late.
    Slow(Duration, Vec<Value>),
    /// This status and body.
    Raw(&'static str, String),
    /// A discovery document for this issuer and these keys, each at its path.
    Provider(String, Vec<Value>),
    /// Takes the request and never answers.
    Hang,
}

/// The server.
pub(crate) struct Idp {
    pub(crate) jwks_uri: String,
    server: TestIssuer,
}

impl Idp {
    pub(crate) async fn start(keys: Vec<Value>) -> Self {
        let server = keys_of().clone().serve().await;
        let idp = Self { jwks_uri: server.jwks_uri(), server };
        idp.set(Mode::Keys(keys));
        idp
    }

    /// The issuer whose discovery document it has.
    pub(crate) fn issuer(&self) -> String {
        self.jwks_uri.replace("/jwks", "/tenant")
    }

    /// How many requests came, to any path.
    pub(crate) fn fetches(&self) -> usize {
        self.server.requests().len()
    }

    pub(crate) fn set(&self, mode: Mode) {
        let publish = |keys: Vec<Value>| self.server.publish("/jwks", &json!({"keys": keys}));
        let mood = match mode {
            Mode::Keys(keys) => {
                publish(keys);
                Mood::Well
            }
            Mode::Slow(delay, keys) => {
                publish(keys);
                Mood::Slow(delay)
            }
            Mode::Raw(status, body) => Mood::Says(status.to_owned(), body),
            Mode::Provider(issuer, keys) => {
                publish(keys);
                let document = json!({"issuer": issuer, "jwks_uri": self.jwks_uri});
                self.server.publish("/tenant/.well-known/openid-configuration", &document);
                Mood::Well
            }
            Mode::Hang => Mood::Hangs,
        };
        self.server.set_mood(mood);
    }
}

#[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
