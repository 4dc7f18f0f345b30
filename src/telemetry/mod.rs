//! What does the service say about itself? Log lines on stdout, never with a token in them.

pub mod settings;

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

pub use settings::{Format, Settings};

/// Our crates, by the beginning of their names: the library and the receiver.
const OURS: &str = "signoff";

/// The most that is ever logged of these crates, whatever the configuration says, by the beginning
/// of their names; read in the sources of the versions in `Cargo.lock`:
/// - `lapin` logs frames (event bodies, our password) at trace, and a returned message whole at
///   warn: such a one is an event that could not be read;
/// - `amq_protocol_tcp` logs the broker's URI with its password at trace;
/// - `reqwest::connect::verbose` logs every byte written and read at trace;
/// - `hyper` and `h2` log frames, states and errors of exchanges at trace, today without bodies and
///   header values;
/// - `actix_web` logs paths, and `actix_http` header values, of requests it refuses at debug;
/// - `rustls` logs handshake messages and session tickets at trace;
/// - `sqlx` logs rows of the catalogue at trace; its statements, at debug, are without values.
const CAPS: [(&str, LevelFilter); 9] = [
    ("lapin", LevelFilter::DEBUG),
    ("lapin::returned_messages", LevelFilter::ERROR),
    ("amq_protocol", LevelFilter::DEBUG),
    ("reqwest", LevelFilter::DEBUG),
    ("hyper", LevelFilter::DEBUG),
    ("h2", LevelFilter::DEBUG),
    ("actix", LevelFilter::INFO),
    ("rustls", LevelFilter::DEBUG),
    ("sqlx", LevelFilter::DEBUG),
];

/// Logs to stdout from now on, panics included.
pub fn init(settings: &Settings) -> Result<(), TryInitError> {
    dispatch(settings, std::io::stdout, std::io::stdout().is_terminal()).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A subscriber that writes as configured.
fn dispatch<W>(settings: &Settings, writer: W, colours: bool) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::registry().with(lines(settings, writer, colours)).into()
}

fn lines<S, W>(settings: &Settings, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let filter = wanted(settings).and(caps());
    match settings.format {
        Format::Text => layer.with_filter(filter).boxed(),
        Format::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    }
}

fn wanted(settings: &Settings) -> Targets {
    Targets::new()
        .with_default(settings.dependencies)
        .with_target(OURS, settings.level)
        .with_targets(settings.targets.iter().map(|(target, level)| (target.clone(), *level)))
}

fn caps() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(CAPS)
}

/// The place of a panic and its text, if that was written by a programmer: a formatted text may
/// hold what must not be logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(a formatted text, left out)");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(text, place, thread = thread.name().unwrap_or("unnamed"), "panicked");
}

#[cfg(test)]
mod tests;
