//! What becomes of answers, and of none.

use std::time::Duration;

use signoff::model::Outcome;

use super::server::{Say, Server};
use super::{Rig, client, settings};

#[tokio::test]
async fn every_status_leads_to_its_outcome() {
    use Outcome::{Accepted, Failing, Misdirected, Refused, Unavailable};
    let table = [
        (200, Accepted),
        (204, Accepted),
        (302, Misdirected),
        (400, Refused),
        (401, Misdirected),
        (404, Misdirected),
        (408, Unavailable),
        (410, Refused),
        (425, Unavailable),
        (429, Unavailable),
        (500, Failing),
        (501, Refused),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (507, Failing),
    ];
    let server = Server::scripted(move |count| Say::status(table[count].0)).await;
    let (rig, client) = (Rig::new(), client(&server.url("/")));
    for (status, outcome) in table {
        let attempt = rig.attempt(&client).await;
        assert_eq!((attempt.status, attempt.outcome), (Some(status), outcome));
    }
}

#[tokio::test]
async fn the_answers_hint_and_text_are_kept() {
    let server = Server::new(Say::answer(503, "Retry-After: 17\r\n", b"down for\r\n\x07maintenance")).await;
    let attempt = Rig::new().attempt(&client(&server.url("/"))).await;
    assert_eq!(attempt.retry_after, Some(Duration::from_secs(17)));
    assert_eq!(attempt.detail, "down for maintenance");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::new(Say::status(200)).await;
    let location = format!("Location: {}\r\n", elsewhere.url("/login"));
    for status in [301, 302, 303, 307, 308] {
        let server = Server::new(Say::answer(status, &location, b"")).await;
        assert_eq!(Rig::new().attempt(&client(&server.url("/"))).await.outcome, Outcome::Misdirected);
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn the_token_in_an_answer_is_not_kept() {
    let server = Server::new(Say::Echo).await;
    let attempt = Rig::new().attempt(&client(&server.url("/"))).await;
    assert_eq!((attempt.outcome, attempt.detail.as_str()), (Outcome::Refused, "answer withheld: it holds a token"));
}

#[tokio::test]
async fn a_large_or_endless_answer_is_cut() {
    let large = Say::answer(400, "", &vec![b'x'; 1 << 20]);
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let endless = Say::Forever(head, vec![b'x'; 1024], Duration::ZERO);
    for (say, outcome) in [(large, Outcome::Refused), (endless, Outcome::Accepted)] {
        let server = Server::new(say).await;
        let attempt = Rig::new().attempt(&client(&server.url("/"))).await;
        assert_eq!((attempt.outcome, attempt.detail.len()), (outcome, 256));
        assert!(attempt.took < Duration::from_secs(4), "{:?}: long before the deadline", attempt.took);
    }
}

#[tokio::test]
async fn silence_in_any_place_ends_at_the_one_deadline() {
    let pace = Duration::from_millis(20);
    let slow_head = Say::Forever(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b"y".to_vec(), pace);
    let slow_body = |status: u16| {
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 4000\r\n\r\n");
        Say::Forever(head.into_bytes(), b"z".to_vec(), pace)
    };
    let table = [
        ("never answers", Say::Nothing, Outcome::Unavailable, None),
        ("headers drip", slow_head, Outcome::Unavailable, None),
        ("body drips after 503", slow_body(503), Outcome::Unavailable, Some(503)),
        ("body drips after 200", slow_body(200), Outcome::Accepted, Some(200)),
    ];
    let limit = Duration::from_millis(300);
    for (what, say, outcome, status) in table {
        let server = Server::new(say).await;
        let mut client = client(&server.url("/"));
        client.timeout = Some(limit);
        let attempt = Rig::with(settings()).attempt_on_kept(&client).await;
        assert_eq!((attempt.outcome, attempt.status), (outcome, status), "{what}");
        assert!(attempt.took >= limit && attempt.took < limit * 5, "{what}: {:?}", attempt.took);
        assert_eq!(server.seen().len(), 1, "{what}: a timeout is not tried again");
    }
}

#[tokio::test]
async fn a_deadline_passed_is_said_in_words() {
    let server = Server::new(Say::Nothing).await;
    let mut client = client(&server.url("/"));
    client.timeout = Some(Duration::from_millis(50));
    assert_eq!(Rig::new().attempt(&client).await.detail, "timeout: no answer within 50ms");
}

#[tokio::test]
async fn garbage_instead_of_http_is_unavailable() {
    let server = Server::new(Say::Bytes(b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec())).await;
    let attempt = Rig::new().attempt_on_kept(&client(&server.url("/"))).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Unavailable, None));
    assert_eq!(server.seen().len(), 1, "an answer is an answer: not tried again");
}
