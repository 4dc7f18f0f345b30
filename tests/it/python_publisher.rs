//! Does an event published with another AMQP library reach the queue as it was written?

use std::path::Path;
use std::process::Command;

use crate::support::rabbitmq::Vhost;
use crate::support::required;

#[tokio::test]
async fn an_event_published_from_python_is_queued_byte_for_byte() {
    let Some(python) = required("SIGNOFF_TEST_PYTHON") else { return };
    let Some(vhost) = Vhost::new().await else { return };
    vhost.declare_exchange("idp").await;
    vhost.declare_queue("signoff.events", "quorum").await;
    vhost.bind("signoff.events", "idp", "#").await;
    let event = r#"{"specversion":"1.0","type":"signoff.logout","data":{"subject":"Zoë"}}"#;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), event).expect("to write");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/publish.py");
    let done = Command::new(python).arg(script).args([&vhost.url(), "idp"]).arg(file.path()).output().expect("python");

    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let queued = vhost.take("signoff.events").await;
    assert_eq!(queued.len(), 1);
    assert_eq!(String::from_utf8_lossy(&queued[0].body), event);
    assert!(queued[0].persistent);
}
