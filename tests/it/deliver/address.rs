//! No request leaves for an address that is not allowed.

use signoff::deliver::Settings;
use signoff::model::Outcome;

use super::server::{Say, Server};
use super::{Rig, client, settings};

#[tokio::test]
async fn a_forbidden_address_gets_no_packet() {
    let server = Server::new(Say::status(200)).await;
    let port = server.address.port();
    let closed = Settings { allow_networks: vec![], ..settings() };
    let https_only = Settings { allow_http: false, ..settings() };
    let other_port = Settings { allow_ports: vec![443], ..settings() };
    let v6_missing = Settings { allow_networks: vec!["10.0.0.0/8".parse().unwrap()], ..settings() };
    let table = [
        (&closed, format!("http://127.0.0.1:{port}/"), "address 127.0.0.1 is not public"),
        (&closed, format!("http://2130706433:{port}/"), "address 127.0.0.1 is not public"),
        (&closed, format!("http://[::ffff:127.0.0.1]:{port}/"), "address 127.0.0.1 is not public"),
        (&closed, format!("http://localhost:{port}/"), "is not public"),
        (&v6_missing, format!("http://localhost:{port}/"), "is not public"),
        (&https_only, format!("http://127.0.0.1:{port}/"), "scheme \"http\" is not allowed"),
        (&other_port, format!("http://127.0.0.1:{port}/"), "is not in `allow_ports`"),
        (&closed, "http://169.254.169.254/".to_owned(), "metadata"),
    ];
    for (settings, uri, expected) in table {
        let attempt = Rig::with(settings.clone()).attempt(&client(&uri)).await;
        assert_eq!((attempt.outcome, attempt.status), (Outcome::Blocked, None), "{uri}");
        assert!(attempt.detail.contains(expected), "{uri}: {}", attempt.detail);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_client_may_be_allowed_what_the_deployment_is_not() {
    let server = Server::new(Say::status(200)).await;
    let rig = Rig::with(Settings { allow_networks: vec![], allow_http: false, ..settings() });
    for host in ["127.0.0.1", "localhost"] {
        let mut opened = client(&format!("http://{host}:{}/", server.address.port()));
        opened.allow_networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        opened.allow_http = Some(true);
        assert_eq!(rig.attempt(&opened).await.outcome, Outcome::Accepted, "{host}");
        opened.allow_http = Some(false);
        assert_eq!(rig.attempt(&opened).await.outcome, Outcome::Blocked, "{host}");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn nobody_listening_or_no_such_name_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for uri in [format!("http://{free}/"), "http://no-such-host.invalid/".to_owned()] {
        let attempt = Rig::new().attempt_on_kept(&client(&uri)).await;
        assert_eq!((attempt.outcome, attempt.status), (Outcome::Unavailable, None), "{uri}");
        assert!(!attempt.detail.is_empty() && !attempt.detail.contains(&uri), "{}", attempt.detail);
    }
}
