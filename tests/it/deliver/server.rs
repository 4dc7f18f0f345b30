//! A server that does what a test tells it, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What to do with a request once it has been read.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// These bytes, and wait for the next request.
    Bytes(Vec<u8>),
    /// These bytes, then this piece again and again, as fast as it is taken or at this pace.
    Forever(Vec<u8>, Vec<u8>, Duration),
    /// The request's own body as the body of a 400.
    Echo,
    /// Nothing, and keep the connection.
    Nothing,
    /// Close without a byte.
    Close,
    /// Close by reset, without a byte.
    Reset,
}

impl Say {
    pub(crate) fn status(status: u16) -> Self {
        Self::answer(status, "", b"")
    }

    /// An answer; `headers` are whole lines that end in CRLF.
    pub(crate) fn answer(status: u16, headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }
}

/// One request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    /// Request line and headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// A running server; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Box<dyn Fn(usize) -> Say + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<usize>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Does the same with every request.
    pub(crate) async fn new(say: Say) -> Self {
        Self::scripted(move |_| say.clone()).await
    }

    /// Asks the script what to do with each request, counted from 0.
    pub(crate) async fn scripted(script: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        Self::start(script, None).await
    }

    /// The same behind TLS.
    pub(crate) async fn tls(config: rustls::ServerConfig) -> Self {
        Self::start(|_| Say::status(200), Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await
    }

    #[expect(clippy::disallowed_methods, reason = "dropped with the test's runtime")]
    async fn start(
        script: impl Fn(usize) -> Say + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { script: Box::new(script), seen: Mutex::default(), connections: Mutex::default() });
        let accepting = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (shared, tls) = (Arc::clone(&shared), tls.clone());
                    let number = shared.next_connection();
                    tokio::spawn(async move {
                        let Some(tls) = tls else { return shared.plain(stream, number).await };
                        if let Ok(mut stream) = tls.accept(stream).await {
                            shared.serve(&mut stream, number).await;
                        }
                    });
                }
            }
        });
        Self { address, shared, accepting }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

impl Shared {
    fn next_connection(&self) -> usize {
        let mut count = self.connections.lock().unwrap();
        *count += 1;
        *count - 1
    }

    async fn plain(&self, mut stream: TcpStream, number: usize) {
        if let Some(Say::Reset) = self.serve(&mut stream, number).await {
            stream.set_zero_linger().unwrap();
        }
    }

    /// Serves one connection until it ends; returns how the script ended it.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S, connection: usize) -> Option<Say> {
        loop {
            let (head, body) = read_request(stream).await?;
            let count = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(Seen { connection, head, body: body.clone() });
                seen.len() - 1
            };
            match (self.script)(count) {
                Say::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
                Say::Echo => {
                    let Say::Bytes(bytes) = Say::answer(400, "", body.as_bytes()) else { return None };
                    stream.write_all(&bytes).await.ok()?;
                }
                Say::Forever(first, piece, pace) => {
                    stream.write_all(&first).await.ok()?;
                    loop {
                        stream.write_all(&piece).await.ok()?;
                        stream.flush().await.ok()?;
                        tokio::time::sleep(pace).await;
                    }
                }
                Say::Nothing => std::future::pending().await,
                end @ (Say::Close | Say::Reset) => return Some(end),
            }
            stream.flush().await.ok()?;
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8(bytes.clone()).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}
