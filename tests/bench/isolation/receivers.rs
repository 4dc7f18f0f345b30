//! What do the clients answer? Cheap HTTP receivers on one thread, which note what came and when.

use std::sync::{Arc, Mutex, MutexGuard};

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
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    /// The `sid` of every token that came, and when.
    log: Vec<(String, Instant)>,
    /// When requests that were not answered were given up.
    given_up: Vec<Instant>,
}

impl Receivers {
    /// On a thread of their own, until the process ends.
    pub(crate) fn start(manners: &[Manner]) -> Self {
        let (mut clients, mut listeners) = (Vec::new(), Vec::new());
        for manner in manners {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.set_nonblocking(true).expect("a socket");
            let url = format!("http://{}/backchannel-logout", listener.local_addr().expect("an address"));
            let state = State { manner: *manner, log: Vec::new(), given_up: Vec::new() };
            let state = Arc::new(Mutex::new(state));
            listeners.push((listener, Arc::clone(&state)));
            clients.push(Client { manner: *manner, url, state });
        }
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let mut listening = JoinSet::new();
                for (listener, state) in listeners {
                    let listener = TcpListener::from_std(listener).expect("a listener");
                    listening.spawn(accept(listener, state));
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
        lock(&self.state).log.len()
    }

    pub(crate) fn log(&self) -> Vec<(String, Instant)> {
        lock(&self.state).log.clone()
    }

    /// When requests that were not answered were given up.
    pub(crate) fn given_up(&self) -> Vec<Instant> {
        lock(&self.state).given_up.clone()
    }

    /// From the next request on.
    pub(crate) fn becomes(&self, manner: Manner) {
        lock(&self.state).manner = manner;
    }

    /// The most requests open at one moment of those that came after this one, none of which was answered.
    pub(crate) fn open_at_most(&self, from: Instant) -> usize {
        let state = lock(&self.state);
        let came = |at: &Instant| state.log.iter().filter(|(_, came)| *came > from && came <= at).count();
        let ended = |at: &Instant| state.given_up.iter().filter(|ended| **ended > from && *ended < at).count();
        let open = |at: &Instant| came(at).saturating_sub(ended(at));
        state.log.iter().map(|(_, at)| at).filter(|at| **at > from).map(open).max().unwrap_or_default()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic while locked")
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, kept alive; `None` when it has ended.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let (mut read, mut buffer, mut open) = (0, vec![0; 16 * 1024], false);
    loop {
        let more = stream.read(&mut buffer[read..]).await.ok().filter(|more| *more > 0);
        if more.is_none() && open {
            lock(&state).given_up.push(Instant::now());
        }
        let more = more?;
        read += more;
        let Some(sid) = token_of(&buffer[..read]).and_then(sid_of) else { continue };
        let manner = {
            let mut state = lock(&state);
            state.log.push((sid, Instant::now()));
            state.manner
        };
        (read, open) = (0, manner == Manner::Hung);
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
