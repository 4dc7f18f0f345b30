//! Is the log what it should be, and silent about what it must not say?

use std::io;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(settings: &Settings, say: impl FnOnce()) -> String {
    let kept = Kept::default();
    let writer = kept.clone();
    tracing::dispatcher::with_default(&dispatch(settings, move || writer.clone(), false), say);
    String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
}

fn everything() -> Settings {
    let trace = |target: &str| (target.to_owned(), LevelFilter::TRACE);
    let targets = CAPS.map(|(target, _)| trace(target));
    let deeper = ["lapin::channels", "reqwest::connect::verbose", "amq_protocol_tcp", "lapin::returned_messages"];
    Settings {
        level: LevelFilter::TRACE,
        dependencies: LevelFilter::TRACE,
        targets: targets.into_iter().chain(deeper.map(trace)).collect(),
        format: Format::Text,
    }
}

#[test]
fn dependencies_are_quiet_unless_asked() {
    let text = logged(&Settings::default(), || {
        tracing::info!(target: "signoff::dispatch", "ours");
        tracing::debug!(target: "signoff::dispatch", "ours, detailed");
        tracing::info!(target: "lapin::channel", "theirs");
        tracing::warn!(target: "lapin::channel", "theirs, urgent");
    });
    assert!(text.contains("ours") && text.contains("theirs, urgent"), "{text}");
    assert!(!text.contains("ours, detailed") && text.matches("theirs").count() == 1, "{text}");
}

#[test]
fn no_setting_raises_a_cap() {
    let text = logged(&everything(), || {
        tracing::trace!(target: "lapin::channels", "secret");
        tracing::trace!(target: "reqwest::connect::verbose", "secret");
        tracing::trace!(target: "amq_protocol_tcp", "secret");
        tracing::trace!(target: "h2::codec::framed_write", "secret");
        tracing::trace!(target: "sqlx_postgres::connection", "secret");
        tracing::debug!(target: "actix_web::types::path", "secret");
        tracing::debug!(target: "actix_http::h1::decoder", "secret");
        tracing::warn!(target: "lapin::returned_messages", "secret");
        tracing::debug!(target: "lapin::channels", "harmless");
        tracing::trace!(target: "mio::poll", "harmless");
        tracing::trace!(target: "signoff::store", "harmless");
    });
    assert_eq!((text.matches("secret").count(), text.matches("harmless").count()), (0, 3), "{text}");
}

#[test]
fn a_target_of_the_configuration_goes_before_its_parents() {
    let targets = vec![("signoff::dispatch".to_owned(), LevelFilter::DEBUG)];
    let text = logged(&Settings { targets, ..Settings::default() }, || {
        tracing::debug!(target: "signoff::dispatch::lanes", "shown");
        tracing::debug!(target: "signoff::store", "hidden");
    });
    assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
}

#[test]
fn json_lines_are_objects_with_their_fields() {
    let text = logged(&Settings { format: Format::Json, ..Settings::default() }, || {
        tracing::info!(target: "signoff::x", client_id = "shop", "delivered");
    });
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&line["message"], &line["client_id"]), (&"delivered".into(), &"shop".into()));
}
