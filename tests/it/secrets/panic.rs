//! What does a panic say? Where it happened, and never what was in its hands.

use std::process::{Command, Stdio};

use signoff::shutdown::Shutdown;
use signoff::telemetry::{self, Settings};
use tracing::level_filters::LevelFilter;

use crate::support::setting;

const CHILD: &str = "SIGNOFF_TEST_PANICS";
const SECRET: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0";

/// The service's own hook and tasks, in a process of their own: a hook belongs to a whole process.
/// The parent runs this same test again, as the child.
#[test]
fn a_panic_is_logged_without_the_values_in_its_text() {
    if setting(CHILD).is_some() {
        return panics();
    }
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program)
        .args(["--exact", "secrets::panic::a_panic_is_logged_without_the_values_in_its_text", "--nocapture"])
        .env(CHILD, SECRET)
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .output()
        .expect("to run this program");
    let said = [child.stdout, child.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(child.status.success(), "{said}");
    assert_eq!(said.matches("panicked text=").count(), 5, "{said}");
    assert!(said.contains("a text of the program's own") && said.contains("secrets/panic.rs"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}

/// Tasks and a thread that panic with a secret in every way a program can.
fn panics() {
    let trace = LevelFilter::TRACE;
    telemetry::init(&Settings { level: trace, dependencies: trace, ..Settings::default() }).expect("the first to log");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let token = setting(CHILD).expect("the child's variable");
        let text = format!("{token:?}");
        let (formatted, thrown) = (token.clone(), token.clone());
        let ended = [
            shutdown.spawn(async { panic!("a text of the program's own") }).await,
            shutdown.spawn(async move { panic!("cannot send {formatted}") }).await,
            shutdown.spawn(async move { serde_json::from_str::<u64>(&text).expect("a number") }).await,
            shutdown.spawn(async move { std::panic::panic_any(thrown) }).await,
        ];
        assert!(ended.iter().all(Result::is_err), "each has panicked");
        assert!(std::thread::spawn(move || assert_eq!(token, "")).join().is_err());
    });
}
