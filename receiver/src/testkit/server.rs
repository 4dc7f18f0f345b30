//! Who answers when the issuer is asked over HTTP? A server on loopback that counts, lies, dawdles and
//! fails on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How the issuer's key set is served from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mood {
    /// At once, as it is.
    #[default]
    Well,
    /// After this time.
    Slow(Duration),
    /// With this status line, such as `500 Oops`, and body.
    Says(String, String),
    /// The request is taken and never answered.
    Hangs,
}

/// What is asked for, answered by what is there: path to JSON.
pub(super) type Pages = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) mood: Mood,
    pub(super) paths: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Seen>>);

impl Log {
    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until the runtime ends.
pub(super) fn serve(listener: TcpListener, log: Log, pages: Pages) {
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (log, pages) = (log.clone(), Arc::clone(&pages));
            spawn(async move {
                // The client may hang up at any point; that is its business.
                let _gone = answer(stream, &log, &pages).await;
            });
        }
    });
}

async fn answer(mut stream: TcpStream, log: &Log, pages: &Pages) -> std::io::Result<()> {
    let path = path(&mut stream).await?;
    let mood = {
        let mut seen = log.lock();
        seen.paths.push(path.clone());
        seen.mood.clone()
    };
    let (status, body) = match mood {
        Mood::Well => page(pages, &path),
        Mood::Slow(delay) => {
            tokio::time::sleep(delay).await;
            page(pages, &path)
        }
        Mood::Says(status, body) => (status, body),
        Mood::Hangs => std::future::pending().await,
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

fn page(pages: &Pages, path: &str) -> (String, String) {
    match pages(path) {
        Some(body) => ("200 OK".into(), body),
        None => ("404 Not Found".into(), "{}".into()),
    }
}

/// Reads to the end of the head; the questions have no body.
async fn path(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 16_384 {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).unwrap_or_default().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
