//! Which doors are open, and for whom? The settings of every intake.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

pub use crate::format::Format;

/// One AMQP intake: `[amqp.<name>]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Amqp {
    /// The table's name; the `intake` label.
    pub name: String,
    /// `amqp://` or `amqps://`, with credentials.
    pub url: Zeroizing<String>,
    /// With `amqps`: the only CA its certificate may come from; `None`: those the machine knows.
    pub ca_file: Option<PathBuf>,
    /// With `amqps`: certificate and key presented to it.
    pub client_certificate_file: Option<PathBuf>,
    /// Our own durable quorum queue.
    pub queue: String,
    /// The exchange it is bound to; `None`: not bound.
    pub exchange: Option<String>,
    /// The exchange's type, where we declare it.
    pub exchange_type: String,
    /// The keys it is bound with.
    pub routing_keys: Vec<String>,
    /// Whether queue, exchange and dead letters are declared by us.
    pub declare: bool,
    /// Where what cannot be read goes.
    pub rejected_queue: String,
    /// How bodies are read.
    pub format: Format,
    /// Short names of the issuers this intake may speak for; empty: all.
    pub issuers: Vec<String>,
    /// Whether `sessions` and the scopes `client_id` and `all` are allowed.
    pub allow_bulk: bool,
    /// Unacknowledged messages the broker may send; at least `batch`.
    pub prefetch: u16,
    /// Messages recorded in one transaction at most.
    pub batch: usize,
    /// Rebuild everything when the broker was not reachable this long.
    pub stuck_after: Duration,
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for Amqp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Amqp");
        shown.field("name", &self.name).field("queue", &self.queue).field("exchange", &self.exchange);
        shown.field("rejected_queue", &self.rejected_queue).field("issuers", &self.issuers);
        shown.finish_non_exhaustive()
    }
}

impl Default for Amqp {
    fn default() -> Self {
        Self {
            name: "main".into(),
            url: Zeroizing::new("amqp://127.0.0.1:5672/%2f".into()),
            ca_file: None,
            client_certificate_file: None,
            queue: "signoff.events".into(),
            exchange: None,
            exchange_type: "topic".into(),
            routing_keys: vec!["#".into()],
            declare: true,
            rejected_queue: "signoff.rejected".into(),
            format: Format::Native,
            issuers: Vec::new(),
            allow_bulk: false,
            prefetch: 1000,
            batch: 500,
            stuck_after: Duration::from_secs(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sees_the_password() {
        let amqp = Amqp { url: Zeroizing::new("amqp://user:hidden@broker/%2f".into()), ..Amqp::default() };
        let shown = format!("{amqp:?}");
        assert!(shown.contains("signoff.events") && !shown.contains("hidden"), "{shown}");
    }
}
