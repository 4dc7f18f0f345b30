//! What did a client get? An HTTP receiver that follows a script and remembers every request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::script::{Script, Step};
use super::{eventually, free_port, script};

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(100);

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// The `logout_token` of the form.
    pub(crate) token: String,
    /// The status it was answered with; 0: not answered.
    pub(crate) status: u16,
    pub(crate) at: Instant,
    /// When the status went out; `None`: it did not.
    pub(crate) answered: Option<Instant>,
    /// When it was answered in full, or its connection ended; `None`: still open.
    pub(crate) ended: Option<Instant>,
    pub(crate) request_line: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// A receiver on a port of its own, which it keeps through `down` and `up`.
#[derive(Debug)]
pub(crate) struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
    /// Its connections live in the task: aborting it closes everything.
    listening: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    script: Script,
    posts: Vec<Post>,
    /// The ports whose connections are open.
    open: BTreeSet<u16>,
    /// The port of the latest connection.
    latest: u16,
}

impl Receiver {
    pub(crate) async fn start(script: impl Into<Script>) -> Self {
        let state = State { script: script.into(), posts: Vec::new(), open: BTreeSet::new(), latest: 0 };
        let mut receiver = Self { port: free_port(), state: Arc::new(Mutex::new(state)), listening: JoinSet::new() };
        receiver.up().await;
        receiver
    }

    /// Three of them, alike.
    pub(crate) async fn three(script: impl Into<Script>) -> [Self; 3] {
        let script = script.into();
        [Self::start(script.clone()).await, Self::start(script.clone()).await, Self::start(script).await]
    }

    /// Its back-channel logout URI.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/backchannel-logout", self.port)
    }

    /// From the next request on.
    pub(crate) fn becomes(&self, script: impl Into<Script>) {
        self.state().script = script.into();
    }

    /// The port is closed, every connection too.
    pub(crate) async fn down(&mut self) {
        self.listening.shutdown().await;
    }

    /// Back on the same port.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("the receiver's port");
        self.listening.spawn(accept(listener, Arc::clone(&self.state)));
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.state().posts.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.state().posts.len()
    }

    /// Waits for so many requests, and returns all there are.
    pub(crate) async fn wait_for(&self, count: usize, within: Duration) -> Vec<Post> {
        let enough = async || Some(self.posts()).filter(|posts| posts.len() >= count);
        eventually(&format!("{count} requests at {}", self.url()), within, enough).await
    }

    /// Waits until whatever a killed sender left in its connections has been read: nothing of it
    /// arrives after this.
    pub(crate) async fn drained(&self) {
        // Connections are accepted in their order, so that those made before this one are known.
        let last = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the receiver");
        let port = last.local_addr().expect("an address").port();
        drop(last);
        eventually("every connection has ended", Duration::from_secs(10), async || {
            let state = self.state();
            (state.latest == port && state.open.is_empty()).then_some(())
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic while locked")
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        {
            let mut state = lock(&state);
            state.latest = peer.port();
            state.open.insert(peer.port());
        }
        connections.spawn(connection(stream, peer.port(), Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, port: u16, state: Arc<Mutex<State>>) {
    let _ = serve(stream, Arc::clone(&state)).await;
    lock(&state).open.remove(&port);
}

/// One connection, kept alive; `None` when it has ended.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let post = read_request(&mut stream).await?;
        let (index, step) = {
            let mut state = lock(&state);
            let body = post.body.clone();
            state.posts.push(post);
            let step = match state.script.next() {
                Step::Echo(status) => Step::Answer(script::answer(status).body(&body)),
                step => step,
            };
            (state.posts.len() - 1, step)
        };
        let (status, goes_on) = match step {
            Step::Echo(_) => unreachable!("an echo has become an answer"),
            Step::Close => (0, false),
            Step::Reset => {
                let _ = stream.get_ref().set_zero_linger();
                (0, false)
            }
            Step::DripsHeaders => {
                drip(&mut stream, &head(200)).await;
                (0, false)
            }
            Step::DripsBody(status) | Step::Endless(status) => {
                let sent = stream.write_all(format!("{}\r\n", head(status)).as_bytes()).await.is_ok();
                lock(&state).posts[index].answered = sent.then(Instant::now);
                if matches!(step, Step::DripsBody(_)) {
                    drip(&mut stream, "").await;
                } else {
                    pour(&mut stream).await;
                }
                (if sent { status } else { 0 }, false)
            }
            // Whatever comes, the end too.
            Step::Hang => {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                (0, false)
            }
            Step::Answer(answer) => {
                tokio::time::sleep(rand::random_range(answer.delay.clone())).await;
                let written = stream.write_all(&answer.bytes()).await.is_ok();
                (if written { answer.status } else { 0 }, written)
            }
        };
        let post = &mut lock(&state).posts[index];
        (post.status, post.ended) = (status, Some(Instant::now()));
        post.answered = post.answered.or(post.ended).filter(|_| status != 0);
        if !goes_on {
            return None;
        }
    }
}

fn head(status: u16) -> String {
    format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\n")
}

/// This, and then byte after byte until the other side has had enough.
async fn drip(stream: &mut BufReader<TcpStream>, first: &str) {
    let mut sent = stream.write_all(first.as_bytes()).await;
    while sent.is_ok() {
        tokio::time::sleep(DRIP).await;
        sent = stream.write_all(b"x").await;
    }
}

/// As much as the other side takes.
async fn pour(stream: &mut BufReader<TcpStream>) {
    while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Post> {
    let request_line = read_line(stream).await?;
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = read_line(stream).await?.split_once(':') {
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let fields = url::form_urlencoded::parse(body.as_bytes());
    let token = fields.into_iter().find(|(name, _)| name == "logout_token").map(|(_, token)| token.into_owned());
    Some(Post {
        token: token.unwrap_or_default(),
        status: 0,
        at: Instant::now(),
        answered: None,
        ended: None,
        request_line,
        headers,
        body,
    })
}

/// Without its end; `None` when the connection has ended.
async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
