//! What else do the AMQP tests stand on? Settings for a virtual host, and a line that can be cut.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use signoff::intake::Amqp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support;
use crate::support::rabbitmq::Vhost;

/// Settings of an intake on this virtual host.
pub(crate) fn settings(vhost: &Vhost) -> Amqp {
    Amqp { url: vhost.url().into(), exchange: Some("idp".into()), issuers: vec!["main".into()], ..Amqp::default() }
}

/// Asks until the answer is `Some`, for at most a minute.
pub(crate) async fn eventually<T>(what: impl Debug, ask: impl AsyncFnMut() -> Option<T>) -> T {
    support::eventually(&format!("{what:?}"), Duration::from_mins(1), ask).await
}

/// A way to the broker that can be frozen: no error, no end, only silence.
#[derive(Debug)]
pub(crate) struct Line {
    port: u16,
    frozen: Arc<watch::Sender<u64>>,
    cut: Arc<watch::Sender<u64>>,
    _accepting: JoinSet<()>,
}

impl Line {
    /// A line to the broker of this virtual host.
    pub(crate) async fn to(vhost: &Vhost) -> Self {
        let broker: url::Url = vhost.url().parse().unwrap();
        let broker = (broker.host_str().unwrap().to_owned(), broker.port().unwrap_or(5672));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (frozen, cut) = (Arc::new(watch::Sender::new(0)), Arc::new(watch::Sender::new(0)));
        let (freeze, end) = (frozen.clone(), cut.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut carrying = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                carrying.spawn(carry(client, broker.clone(), freeze.subscribe(), end.subscribe()));
            }
        });
        Self { port, frozen, cut, _accepting: accepting }
    }

    /// The virtual host's URL through this line, without heartbeats.
    pub(crate) fn url(&self, vhost: &Vhost) -> String {
        let mut url: url::Url = vhost.url().parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        format!("{url}?heartbeat=0")
    }

    /// From now on the connections that exist carry nothing; new ones do.
    pub(crate) fn freeze(&self) {
        self.frozen.send_modify(|n| *n += 1);
    }

    /// Ends every connection that is frozen.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }
}

async fn carry(
    mut client: TcpStream,
    broker: (String, u16),
    mut frozen: watch::Receiver<u64>,
    mut cut: watch::Receiver<u64>,
) {
    let mut server = TcpStream::connect(broker).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        _ = frozen.changed() => {}
    }
    let _ = cut.changed().await;
}
