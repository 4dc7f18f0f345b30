//! What do the clients answer? Cheap HTTP receivers on one thread, which note what came and when.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Healthy,
    /// Takes the request and never answers.
    Hung,
    /// Answers 503.
    Failing,
}

/// All clients of one run.
#[derive(Debug)]
pub(crate) struct Receivers {
    pub(crate) clients: Vec<Client>,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) manner: Manner,
    pub(crate) url: String,
    log: Log,
}

/// The `sid` of every token that came, and when.
type Log = Arc<Mutex<Vec<(String, Instant)>>>;

impl Receivers {
    /// On a thread of their own, until the process ends.
    pub(crate) fn start(manners: &[Manner]) -> Self {
        let (mut clients, mut listeners) = (Vec::new(), Vec::new());
        for manner in manners {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.set_nonblocking(true).expect("a socket");
            let url = format!("http://{}/backchannel-logout", listener.local_addr().expect("an address"));
            let log = Log::default();
            listeners.push((listener, *manner, Arc::clone(&log)));
            clients.push(Client { manner: *manner, url, log });
        }
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let mut listening = JoinSet::new();
                for (listener, manner, log) in listeners {
                    let listener = TcpListener::from_std(listener).expect("a listener");
                    listening.spawn(accept(listener, manner, log));
                }
                listening.join_all().await;
            });
        });
        Self { clients }
    }

    pub(crate) fn healthy(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().filter(|client| client.manner == Manner::Healthy)
    }

    /// Requests at the healthy clients.
    pub(crate) fn arrived(&self) -> usize {
        self.healthy().map(Client::count).sum()
    }
}

impl Client {
    pub(crate) fn count(&self) -> usize {
        self.log.lock().expect("no panic while locked").len()
    }

    pub(crate) fn log(&self) -> Vec<(String, Instant)> {
        self.log.lock().expect("no panic while locked").clone()
    }
}

async fn accept(listener: TcpListener, manner: Manner, log: Log) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, manner, Arc::clone(&log)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, kept alive; `None` when it has ended.
async fn serve(mut stream: TcpStream, manner: Manner, log: Log) -> Option<()> {
    let (mut read, mut buffer) = (0, vec![0; 16 * 1024]);
    loop {
        let more = stream.read(&mut buffer[read..]).await.ok().filter(|more| *more > 0)?;
        read += more;
        let Some(sid) = token_of(&buffer[..read]).and_then(sid_of) else { continue };
        log.lock().expect("no panic while locked").push((sid, Instant::now()));
        read = 0;
        let answer: &[u8] = match manner {
            Manner::Healthy => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Manner::Failing => b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            Manner::Hung => continue,
        };
        stream.write_all(answer).await.ok()?;
    }
}

/// The token of a request that is complete: one at a time comes on a connection.
fn token_of(request: &[u8]) -> Option<&[u8]> {
    let body = request.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&request[..body]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    request.get(body..body + length)?.strip_prefix(b"logout_token=")
}

fn sid_of(token: &[u8]) -> Option<String> {
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let (_, rest) = claims.split_once("\"sid\":\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}
