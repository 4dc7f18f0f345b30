//! Where do the keys come from? A JWKS over real HTTP that counts, lies, dawdles and fails on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server answers next.
#[derive(Clone)]
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
    fetches: Arc<AtomicUsize>,
    mode: Arc<Mutex<Mode>>,
}

impl Idp {
    pub(crate) async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Self {
            jwks_uri: format!("http://{}/jwks", listener.local_addr().unwrap()),
            fetches: Arc::default(),
            mode: Arc::new(Mutex::new(Mode::Keys(keys))),
        };
        spawn(serve(listener, Arc::clone(&idp.fetches), Arc::clone(&idp.mode)));
        idp
    }

    /// The issuer whose discovery document it has.
    pub(crate) fn issuer(&self) -> String {
        self.jwks_uri.replace("/jwks", "/tenant")
    }

    /// How many requests came, to any path.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

async fn serve(listener: TcpListener, fetches: Arc<AtomicUsize>, mode: Arc<Mutex<Mode>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mode = mode.lock().unwrap().clone();
        let fetches = Arc::clone(&fetches);
        spawn(async move {
            // The client may hang up at any point; that is its business.
            let _gone = answer(stream, &fetches, mode).await;
        });
    }
}

async fn answer(mut stream: TcpStream, fetches: &AtomicUsize, mode: Mode) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await?;
    let asked = String::from_utf8_lossy(&request[..read]).into_owned();
    fetches.fetch_add(1, Ordering::SeqCst);
    let (status, body) = match mode {
        Mode::Keys(keys) => ("200 OK", json!({"keys": keys}).to_string()),
        Mode::Slow(delay, keys) => {
            tokio::time::sleep(delay).await;
            ("200 OK", json!({"keys": keys}).to_string())
        }
        Mode::Raw(status, body) => (status, body),
        Mode::Provider(issuer, keys) => match asked.split(' ').nth(1) {
            Some("/jwks") => ("200 OK", json!({"keys": keys}).to_string()),
            Some("/tenant/.well-known/openid-configuration") => {
                let jwks_uri = format!("http://{}/jwks", stream.local_addr()?);
                ("200 OK", json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string())
            }
            _ => ("404 Not Found", String::new()),
        },
        Mode::Hang => std::future::pending().await,
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

#[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
