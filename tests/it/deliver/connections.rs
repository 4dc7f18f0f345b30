//! When connections are kept, shared, and given up.

use std::time::Duration;

use signoff::deliver::Settings;
use signoff::model::Outcome;

use super::server::{Say, Server};
use super::{Rig, client, settings};

#[tokio::test]
async fn a_connection_is_kept_between_attempts() {
    let server = Server::new(Say::answer(200, "", b"fine")).await;
    let (rig, client) = (Rig::new(), client(&server.url("/")));
    for _ in 0..5 {
        assert_eq!(rig.attempt(&client).await.outcome, Outcome::Accepted);
    }
    assert_eq!((server.seen().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn an_idle_connection_is_dropped_before_the_server_drops_it() {
    let server = Server::new(Say::status(200)).await;
    let rig = Rig::with(Settings { idle_timeout: Duration::from_millis(50), ..settings() });
    let client = client(&server.url("/"));
    rig.attempt(&client).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    rig.attempt(&client).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn clients_with_other_allowances_never_share_a_connection() {
    let server = Server::new(Say::status(200)).await;
    let rig = Rig::new();
    let first = client(&server.url("/"));
    let mut second = first.clone();
    second.allow_networks = vec!["10.0.0.0/8".parse().unwrap()];
    let mut third = first.clone();
    third.timeout = Some(Duration::from_secs(3));
    for client in [&first, &second, &third, &first] {
        rig.attempt(client).await;
    }
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1, 0, 0]);
}

#[tokio::test]
async fn a_kept_connection_that_is_cut_is_tried_again_at_once_on_a_new_one_with_a_new_token() {
    for end in [Say::Close, Say::Reset] {
        let cut = end.clone();
        let server = Server::scripted(move |count| if count == 1 { cut.clone() } else { Say::status(200) }).await;
        let (rig, client) = (Rig::new(), client(&server.url("/")));
        assert_eq!(rig.attempt_on_kept(&client).await.outcome, Outcome::Accepted);
        assert_eq!(rig.attempt_on_kept(&client).await.outcome, Outcome::Accepted, "{end:?}");
        let seen = server.seen();
        assert_eq!(seen.iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 1], "{end:?}");
        assert_ne!(seen[1].body, seen[2].body, "{end:?}");
    }
}

#[tokio::test]
async fn the_second_try_does_not_trust_another_kept_connection() {
    let server = Server::scripted(|count| if count == 2 { Say::Close } else { Say::status(200) }).await;
    let (rig, client) = (Rig::new(), client(&server.url("/")));
    tokio::join!(rig.attempt(&client), rig.attempt(&client));
    assert_eq!(server.connections(), 2, "two are kept");
    assert_eq!(rig.attempt_on_kept(&client).await.outcome, Outcome::Accepted);
    assert_eq!(server.seen()[3].connection, 2);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_tried_again_once_and_only_if_it_may_have_been_kept() {
    for (kept, requests) in [(false, 1), (true, 2)] {
        let server = Server::new(Say::Reset).await;
        let (rig, client) = (Rig::new(), client(&server.url("/")));
        let attempt = if kept { rig.attempt_on_kept(&client).await } else { rig.attempt(&client).await };
        assert_eq!((attempt.outcome, attempt.status), (Outcome::Unavailable, None));
        assert!(attempt.jti.is_some());
        assert_eq!(server.seen().len(), requests);
        assert!(!attempt.detail.is_empty() && !attempt.detail.contains("http://"), "{}", attempt.detail);
    }
}

#[test]
fn proxy_variables_of_the_environment_are_ignored() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = format!("http://{nobody}");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "deliver::connections::a_connection_is_kept_between_attempts"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, &proxy);
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY").env_remove("REQUEST_METHOD");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn an_attempt_may_run_on_any_thread() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let server = Server::new(Say::status(200)).await;
    let (rig, client) = (Rig::new(), client(&server.url("/")));
    assert_eq!(sendable(rig.attempt(&client)).await.outcome, Outcome::Accepted);
}
