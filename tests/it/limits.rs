//! Does everything that is too large, too deep or too slow end in a clear answer, and nothing in a row?

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api::http::{Answer, Call};
use crate::support::process::Service;
use crate::support::provider::{get, logout, opened};
use crate::support::setup::{SQLITE, Setup};

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const KIB: usize = 1024;

fn address(service: &Service) -> SocketAddr {
    service.url("").trim_start_matches("http://").parse().expect("an address")
}

fn padded(size: usize) -> String {
    let mut event = opened("shop", "s1", "ann");
    event["pad"] = "".into();
    let rest = size - event.to_string().len();
    event["pad"] = "x".repeat(rest).into();
    event.to_string()
}

fn deep(levels: usize) -> String {
    let event = opened("shop", "s1", "ann").to_string();
    let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    format!("{},\"deep\":{nested}}}", &event[..event.len() - 1])
}

fn batch(events: &[String]) -> String {
    format!("[{}]", events.join(","))
}

/// Two good events, and this between them.
fn among_good(bad: &Value) -> String {
    batch(&[opened("shop", "s1", "ann").to_string(), bad.to_string(), logout("s1").to_string()])
}

/// Body and content type, and the problem it is answered with.
fn refused() -> Vec<(&'static str, String, &'static str, u16, &'static str)> {
    let many = |count: usize| batch(&vec!["{}".to_owned(); count]);
    let mut no_id = logout("s1");
    no_id["id"] = Value::Null;
    let mut foreign = logout("s1");
    foreign["source"] = "https://elsewhere.example".into();
    let named: Vec<Value> = (0..1001).map(|_| json!({"client_id": "c", "sid": "s"})).collect();
    let mut wide = logout("s1");
    wide["data"]["sessions"] = named.into();
    let mut long_id = logout("s1");
    long_id["id"] = "x".repeat(256).into();
    vec![
        ("an event of 64 KiB and a byte", padded(64 * KIB + 1), ONE, 413, "too-large"),
        ("an event that has no end", "[".repeat(100 * KIB), ONE, 413, "too-large"),
        ("a batch of 1 MiB and a byte", format!("[{}]", " ".repeat(KIB * KIB - 1)), BATCH, 413, "too-large"),
        ("1,001 events", many(1001), BATCH, 413, "too-large"),
        ("too large an event in a batch", batch(&[padded(64 * KIB + 1)]), BATCH, 413, "too-large"),
        ("129 levels", deep(129), ONE, 400, "malformed-event"),
        ("20,000 levels", deep(20_000), ONE, 400, "malformed-event"),
        ("20,000 levels in a batch", batch(&[deep(20_000)]), BATCH, 400, "malformed-event"),
        ("a batch of nothing but levels", "[".repeat(500_000), BATCH, 400, "malformed-event"),
        ("a long id", long_id.to_string(), ONE, 400, "malformed-event"),
        ("1,001 named sessions", wide.to_string(), ONE, 400, "malformed-event"),
        ("no id among good ones", among_good(&no_id), BATCH, 400, "malformed-event"),
        ("an unknown issuer among good ones", among_good(&foreign), BATCH, 422, "rejected-event"),
        ("no event among good ones", among_good(&json!(7)), BATCH, 400, "malformed-event"),
    ]
}

#[tokio::test]
async fn what_is_too_large_or_too_deep_is_refused_and_nothing_of_it_is_recorded() {
    let service = Service::spawn(&Setup::new(SQLITE).client("shop", "http://127.0.0.1:1/").config()).await;
    let to = address(&service);
    for (what, body, content_type, status, problem) in refused() {
        let whole = Call::new("POST", "/v1/events").body(content_type, body.clone()).send(to).await;
        whole.problem(status, problem);
        // Nor when its length is not said before.
        let mut chunked = Vec::new();
        for piece in body.as_bytes().chunks(50 * KIB) {
            chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let call = Call::new("POST", "/v1/events").body(content_type, chunked).without_length();
        let answer = call.header("Transfer-Encoding", "chunked").send(to).await;
        assert_eq!(answer.status, status, "{what}, in chunks: {}", answer.body);
    }
    let metadata = json!({"pad": "x".repeat(64 * KIB)});
    let put = Call::new("PUT", "/v1/issuers/main/clients/new").json(&metadata).send(to).await;
    put.problem(413, "too-large");
    let put = Call::new("PUT", "/v1/issuers/main/clients/new").body("application/json", deep(200)).send(to).await;
    put.problem(400, "invalid-json");

    for list in ["/v1/logouts", "/v1/deliveries", "/v1/sessions?issuer=main&client_id=shop"] {
        assert_eq!(get(&service, list).await["items"], json!([]), "{list}");
    }
    assert!(service.metrics().await.sum("signoff_events_total", "recorded") < 0.5);
    assert_eq!(get(&service, "/v1/issuers/main/clients").await["items"].as_array().map(Vec::len), Some(1));

    // Up to the limits all is well.
    for (what, body, content_type) in [
        ("an event of 64 KiB", padded(64 * KIB), ONE),
        ("100 levels", deep(100), ONE),
        ("1,000 events", batch(&vec![logout("s9").to_string(); 1000]), BATCH),
    ] {
        let answer = Call::new("POST", "/v1/events").body(content_type, body).send(to).await;
        assert_eq!(answer.status, 202, "{what}: {}", answer.body);
    }
}

/// Reads whatever comes until the other side hangs up.
async fn rest(mut stream: TcpStream) -> String {
    let mut raw = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut raw)).await;
    assert!(read.is_ok(), "nobody hangs up");
    String::from_utf8_lossy(&raw).into_owned()
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let service = Service::spawn(&Setup::new(SQLITE).config()).await;
    let to = address(&service);
    let with = |count: usize, size: usize| {
        let call = Call::get("/v1/logouts");
        (0..count).fold(call, |call, n| call.header(&format!("x-{n}"), &"x".repeat(size)))
    };
    let fine = |answer: &Answer| assert_eq!(answer.status, 200, "{}", answer.body);
    fine(&with(60, 1).send(to).await);
    fine(&with(1, 31 * KIB).send(to).await);
    for head in
        [with(65, 1), with(1, 33 * KIB), with(40, KIB), Call::get(&format!("/v1/logouts?{}", "x".repeat(40 * KIB)))]
    {
        head.send(to).await.problem(431, "head-too-large");
    }
    // More than the server itself reads: refused before anybody could word it.
    for (count, size) in [(1, 200 * KIB), (120, 1)] {
        let mut stream = TcpStream::connect(to).await.expect("a connection");
        let mut text = String::from("GET /v1/logouts HTTP/1.1\r\nhost: localhost\r\n");
        for n in 0..count {
            let _ = write!(text, "x-{n}: {}\r\n", "x".repeat(size));
        }
        let _ = stream.write_all(format!("{text}\r\n").as_bytes()).await;
        let mut first = [0; 12];
        if stream.read_exact(&mut first).await.is_ok() {
            assert!(first.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&first));
        }
    }
    fine(&Call::get("/livez").send(to).await);
}

#[tokio::test]
async fn whoever_sends_slowly_is_hung_up_on_and_delays_nobody() {
    let service = Service::spawn(&Setup::new(SQLITE).config()).await;
    let to = address(&service);
    let mut head = TcpStream::connect(to).await.expect("a connection");
    head.write_all(b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await.expect("to write");
    let call = Call::new("POST", "/v1/events").body(ONE, "{").without_length().header("Content-Length", "20");
    let body = call.open(to).await;
    let alive = Call::get("/livez");
    let (head, body, quick) = tokio::join!(rest(head), rest(body), alive.send(to));
    assert_eq!(quick.status, 200);
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("urn:signoff:problem:request-timeout"), "{body}");
    assert_eq!(get(&service, "/v1/logouts").await["items"], json!([]));
}

#[tokio::test]
async fn connections_over_the_limit_wait_until_others_end() {
    let config = format!("{}[http]\nworkers = 1\nconnections_per_worker = 4\n", Setup::new(SQLITE).config());
    let service = Service::spawn(&config).await;
    let to = address(&service);
    let ask = async || {
        let mut stream = TcpStream::connect(to).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("to write");
        let mut first = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(2), stream.read_exact(&mut first)).await;
        (stream, answered.is_ok_and(|read| read.is_ok()))
    };
    let (mut kept, mut answered) = (Vec::new(), 0);
    for _ in 0..8 {
        let (stream, was_answered) = ask().await;
        answered += usize::from(was_answered);
        kept.push(stream);
    }
    assert!((4..8).contains(&answered), "{answered} of 8 were answered");
    drop(kept);
    assert!(ask().await.1, "whoever comes later is answered");
}
