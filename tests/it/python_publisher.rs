//! Does an event published with another AMQP library do what it says?

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::application::Application;
use crate::support::events::{logout, opened};
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::setup::{EXCHANGE, QUEUE, Setup};
use crate::support::{eventually, required, say};

const SOON: Duration = Duration::from_secs(30);

/// Publishes with the script that the documentation shows.
fn publish(python: &str, vhost: &Vhost, event: &str) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), event).expect("to write");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/publish.py");
    let mut command = Command::new(python);
    let done = command.arg(script).args([&vhost.url(), EXCHANGE]).arg(file.path()).output().expect("python");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn an_event_published_from_python_is_queued_byte_for_byte() {
    let Some(python) = required("SIGNOFF_TEST_PYTHON") else { return };
    let Some(vhost) = Vhost::new().await else { return };
    vhost.declare_exchange(EXCHANGE).await;
    vhost.declare_queue(QUEUE, "quorum").await;
    vhost.bind(QUEUE, EXCHANGE, "#").await;
    let event = r#"{"specversion":"1.0","type":"signoff.logout","data":{"subject":"Zoë"}}"#;

    publish(&python, &vhost, event);

    let queued = vhost.take(QUEUE).await;
    assert_eq!(queued.len(), 1);
    assert_eq!(String::from_utf8_lossy(&queued[0].body), event);
    assert!(queued[0].persistent);
}

#[tokio::test]
async fn a_python_publisher_ends_real_sessions() {
    let Some(python) = required("SIGNOFF_TEST_PYTHON") else { return };
    let (Some(database), Some(vhost)) = (TestDatabase::new().await, Vhost::new().await) else { return };
    let mut applications = ["shop", "forum", "wiki"].map(Application::new);
    let setup = Setup::new(database.url()).amqp(&vhost);
    let setup = applications.iter().fold(setup, |setup, app| setup.client(app.client_id, &app.logout_uri()));
    let replicas = [Service::spawn(&setup.config()).await, Service::spawn(&setup.config()).await];
    for application in &mut applications {
        application.serve(&replicas[0].url("/.well-known/jwks.json"));
    }
    let both = Some(Depth { ready: 0, consumers: 2 });
    eventually("both consume", SOON, async || (vhost.depth(QUEUE).await == both).then_some(())).await;
    for application in &applications {
        for (user, session) in [("alice", "sa"), ("bob", "sb")] {
            application.sign_in(user, user, session).await;
            replicas[1].submit(&[opened(session, user, application.client_id)]).await;
            assert_eq!(application.account(user).await, 200);
        }
    }

    publish(&python, &vhost, &logout("sa").to_string());

    let published = tokio::time::Instant::now();
    for application in &applications {
        let out = async || (application.account("alice").await == 401).then_some(());
        eventually("the session is over", SOON, out).await;
        assert_eq!(application.account("bob").await, 200, "and no other");
    }
    say(&format!("three sessions over {:?} after the script ended", published.elapsed()));
}
