//! Does a request ever leave for an address that the operator has not allowed?

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::eventually;
use crate::support::process::Service;
use crate::support::provider::{ISSUER, get, logout, opened, tell};
use crate::support::receiver::Receiver;
use crate::support::script::answer;

const SOON: Duration = Duration::from_secs(30);
const DOTTED: &str = "dotted";

/// Counts the connections to a port, on every address of this machine.
struct Trap {
    port: u16,
    caught: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl Trap {
    async fn set() -> Self {
        let both = TcpListener::bind("[::]:0").await;
        let listener = if let Ok(both) = both { both } else { TcpListener::bind("0.0.0.0:0").await.expect("a port") };
        let port = listener.local_addr().expect("an address").port();
        let caught = Arc::new(AtomicUsize::new(0));
        let (count, mut accepting) = (Arc::clone(&caught), JoinSet::new());
        accepting.spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, caught, _accepting: accepting }
    }

    fn caught(&self) -> usize {
        self.caught.load(Ordering::SeqCst)
    }
}

/// Clients by name, as the configuration has them.
fn config(clients: &[(String, String, &str)]) -> String {
    let mut config = format!(
        "[store]\nurl = \"sqlite://signoff.db\"\n[issuers.main]\nissuer = \"{ISSUER}\"\ndefault_alg = \"ES256\"\n\
         [issuers.main.keys.k]\nfile = \"key.pem\"\ngenerate = true\nalg = \"ES256\"\n\
         [delivery]\nallow_http = true\ntimeout = \"3s\"\n"
    );
    for (name, uri, more) in clients {
        let _ = write!(config, "[clients.{name}]\nbackchannel_logout_uri = \"{uri}\"\n{more}\n");
    }
    config
}

/// Signs everybody out everywhere.
async fn log_out(service: &Service, clients: &[(String, String, &str)]) {
    let opened: Vec<Value> = clients.iter().map(|(name, ..)| opened(name, "s1", "u1")).collect();
    tell(service, &opened).await;
    tell(service, &[logout("s1")]).await;
}

/// The first attempt of this client's delivery, when there is one.
async fn attempt(service: &Service, client: &str) -> Value {
    eventually(&format!("an attempt for {client}"), SOON, async || {
        let list = get(service, &format!("/v1/deliveries?issuer=main&client_id={client}")).await;
        let id = list["items"][0]["id"].as_i64()?;
        let detail = get(service, &format!("/v1/deliveries/{id}")).await;
        Some(detail["attempts"][0].clone()).filter(|attempt| !attempt.is_null())
    })
    .await
}

/// Every way to write an address of this machine, or one that nobody outside may be asked for.
fn forbidden(port: u16) -> Vec<(String, String, &'static str)> {
    let hosts = [
        "127.0.0.1",
        "127.8.9.10",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "%6cocalhost",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "0xa9fea9fe",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "127.0.1",
        "127.0.0.1.",
        "0x7f.0.0.0x1",
        "00000177.0x0.0.01",
        "１２７.０.０.１",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "%31%32%37.0.0.1",
        "ｌｏｃａｌｈｏｓｔ",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::ffff:0:7f00:1]",
        "[::2]",
        "[64:ff9b:1::7f00:1]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2001:0:7f00:1::80ff:fffe]",
        "[ff02::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[2001:db8::1]",
        "224.0.0.1",
        "255.255.255.255",
        "0.1.2.3",
        "100.64.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
    ];
    let named = hosts.iter().enumerate().map(|(n, host)| (format!("c{n}"), *host));
    let named = named.chain([(DOTTED.to_owned(), "localhost.")]);
    named.map(|(name, host)| (name, format!("http://{host}:{port}/logout"), "")).collect()
}

#[tokio::test]
async fn no_packet_leaves_for_an_address_that_is_not_allowed() {
    let trap = Trap::set().await;
    let mut clients = forbidden(trap.port);
    let blocked = clients.len();
    let allowed = format!("http://127.0.0.1:{}/logout", trap.port);
    clients.push(("allowed".into(), allowed, "allow_networks = [\"127.0.0.1/32\"]\ntimeout = \"500ms\""));
    let service = Service::spawn(&config(&clients)).await;

    log_out(&service, &clients[..blocked]).await;
    for (name, uri, _) in &clients[..blocked] {
        let attempt = attempt(&service, name).await;
        // Not every machine's resolver knows a name with its final dot.
        let unknown = name == DOTTED && attempt["outcome"] == "unavailable";
        assert!(unknown || attempt["outcome"] == "blocked", "{uri}: {attempt}");
    }
    assert_eq!(trap.caught(), 0);

    // The trap works, and what is allowed is not blocked.
    tell(&service, &[opened("allowed", "s2", "u2"), logout("s2")]).await;
    assert_eq!(attempt(&service, "allowed").await["outcome"], "unavailable");
    assert!(trap.caught() > 0);
}

#[tokio::test]
async fn redirects_and_proxies_lead_nowhere() {
    let trap = Trap::set().await;
    let only_this = "allow_networks = [\"127.0.0.1/32\"]";
    let (mut clients, mut receivers) = (Vec::new(), Vec::new());
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = format!("http://127.0.0.2:{}/logout", trap.port);
        let receiver = Receiver::start(answer(status).header("Location", &elsewhere)).await;
        clients.push((format!("c{status}"), receiver.url(), only_this));
        receivers.push(receiver);
    }
    let proxy = format!("http://127.0.0.1:{}", trap.port);
    let variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let service = Service::spawn_with(&config(&clients), &variables.map(|name| (name, proxy.as_str()))).await;
    let service = service.unwrap_or_else(|failure| panic!("{failure}"));

    log_out(&service, &clients).await;
    for ((name, ..), receiver) in clients.iter().zip(&receivers) {
        let attempt = attempt(&service, name).await;
        assert_eq!(attempt["outcome"], "misdirected", "{name}: {attempt}");
        assert_eq!(receiver.count(), 1, "{name} was asked itself");
    }
    assert_eq!(trap.caught(), 0);
}
