//! What goes on while dashboard and alerts are looked at? A bit of everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use signoff::model::{Clock as _, SystemClock};
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;

use crate::support::events::{logout, opened};
use crate::support::process::Service;
use crate::support::publisher::Publisher;
use crate::support::rabbitmq::Vhost;
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::setup::{EXCHANGE, ISSUER, SQLITE, Setup};
use crate::support::{eventually, free_port, http_client};

/// Some clients answer, one refuses and one is down; some events cannot be read.
pub(super) struct Scene {
    /// Where Prometheus scrapes.
    pub(super) metrics: String,
    _receivers: [Receiver; 3],
    _vhost: Vhost,
    ended: Arc<AtomicBool>,
    traffic: JoinSet<()>,
}

const REFUSALS: &str = "[delivery.retry]\nrefused = ['100ms']\nfirst = '100ms'\n";

impl Scene {
    /// Begins; events come until the scene ends.
    pub(super) async fn start() -> Option<Self> {
        let vhost = Vhost::new().await?;
        let receivers = [
            Receiver::start(answer(200)).await,
            Receiver::start(answer(400)).await,
            Receiver::start(answer(503)).await,
        ];
        let setup = Setup::new(SQLITE).clients(&["shop", "mail", "wiki"], &receivers).amqp(&vhost).delivery(REFUSALS);
        let metrics = format!("127.0.0.1:{}", free_port());
        let service = Service::spawn_with(&setup.config(), &[("SIGNOFF__METRICS__LISTEN", &metrics)]).await;
        let service = service.unwrap_or_else(|failure| panic!("{failure}"));
        let (ended, mut traffic) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        traffic.spawn(events(service, Publisher::new(&vhost, EXCHANGE), Arc::clone(&ended)));
        Some(Self { metrics, _receivers: receivers, _vhost: vhost, ended, traffic })
    }

    /// What a scrape holds now.
    pub(super) async fn scrape(&self) -> String {
        let answer = http_client().get(format!("http://{}/metrics", self.metrics)).send().await.expect("an answer");
        answer.text().await.expect("a body")
    }

    /// Waits until a scrape holds all of this.
    pub(super) async fn shows(&self, within: Duration, all: &[&str]) -> String {
        let shown = async || Some(self.scrape().await).filter(|scrape| all.iter().all(|line| scrape.contains(line)));
        eventually(&all.join(", "), within, shown).await
    }

    pub(super) async fn end(mut self) {
        self.ended.store(true, Ordering::SeqCst);
        while let Some(done) = self.traffic.join_next().await {
            done.expect("the traffic");
        }
    }
}

/// Two rounds a second, by either way in.
async fn events(service: Service, mut publisher: Publisher, ended: Arc<AtomicBool>) {
    let mut round = 0;
    while !ended.load(Ordering::SeqCst) {
        let session = format!("s{round}");
        let openings = ["shop", "mail", "wiki"].map(|client| opened(&session, &format!("user-{round}"), client));
        service.submit(&openings).await;
        let mut dated = logout(&session);
        dated["time"] = json!(SystemClock.now().format(&Rfc3339).expect("a date"));
        let nobody = logout(&format!("nobody-{round}"));
        let unread = json!({"specversion": "1.0", "id": round, "source": ISSUER});
        for event in [dated, logout(&session), nobody, unread] {
            publisher.publish(&event.to_string()).await;
        }
        round += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
