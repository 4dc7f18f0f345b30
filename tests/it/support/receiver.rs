//! What did a client get? An HTTP receiver that follows a script and remembers every request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::script::{Script, Step};
use super::{eventually, free_port, script};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// The `logout_token` of the form.
    pub(crate) token: String,
    /// The status it was answered with; 0: not answered.
    pub(crate) status: u16,
    pub(crate) at: Instant,
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
}

impl Receiver {
    pub(crate) async fn start(script: impl Into<Script>) -> Self {
        let state = State { script: script.into(), posts: Vec::new() };
        let mut receiver = Self { port: free_port(), state: Arc::new(Mutex::new(state)), listening: JoinSet::new() };
        receiver.up().await;
        receiver
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

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, kept alive; `None` when it has ended.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let post = read_request(&mut stream).await?;
        let (index, step) = {
            let mut state = state.lock().expect("no panic while locked");
            let body = post.body.clone();
            state.posts.push(post);
            let step = match state.script.next() {
                Step::Echo(status) => Step::Answer(script::answer(status).body(&body)),
                step => step,
            };
            (state.posts.len() - 1, step)
        };
        match step {
            Step::Echo(_) => unreachable!("an echo has become an answer"),
            Step::Close => return None,
            Step::Hang => std::future::pending().await,
            Step::Answer(answer) => {
                tokio::time::sleep(answer.delay).await;
                stream.write_all(&answer.bytes()).await.ok()?;
                state.lock().expect("no panic while locked").posts[index].status = answer.status;
            }
        }
    }
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
    Some(Post { token: token.unwrap_or_default(), status: 0, at: Instant::now(), request_line, headers, body })
}

/// Without its end; `None` when the connection has ended.
async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
