//! What does a value mean? TOML values to the types that settings have.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use toml::Value;
use tracing::level_filters::LevelFilter;

use crate::admin::settings::Scope;
use crate::intake::Format;
use crate::model::registration;
use crate::telemetry;

/// Something is wrong with a value, or with a part of it (`[2]`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: String,
    pub(super) what: String,
}

fn wrong(what: impl Into<String>) -> Vec<Wrong> {
    vec![Wrong { at: String::new(), what: what.into() }]
}

/// A type that a value can be read as.
pub(super) trait Setting: Sized {
    /// The setting, or everything that is wrong with the value.
    fn read(value: &Value) -> Result<Self, Vec<Wrong>>;
}

/// A setting that has bounds.
pub(super) trait Measure: Setting + PartialOrd {
    /// As it is written in a file.
    fn show(&self) -> String;
}

/// What kind of value this is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The text of a string value; `expected` says what it should hold.
fn text<'a>(value: &'a Value, expected: &str) -> Result<&'a str, Vec<Wrong>> {
    value.as_str().ok_or_else(|| wrong(format!("must be {expected}, not {}", kind(value))))
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        value.as_bool().ok_or_else(|| wrong(format!("must be true or false, not {}", kind(value))))
    }
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        text(value, "a string").map(Into::into)
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        match text(value, "a path")? {
            "" => Err(wrong("is empty; name a file")),
            path => Ok(path.into()),
        }
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
                let Some(number) = value.as_integer() else {
                    return Err(wrong(format!("must be a whole number, not {}", kind(value))));
                };
                Self::try_from(number).map_err(|_| {
                    wrong(format!("must be a whole number between 0 and {}, not {number}", Self::MAX))
                })
            }
        }

        impl Measure for $number {
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
whole_number!(u8, u16, u32, usize);

/// A number of bytes: `4096` or `"4KiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) struct Bytes(pub(super) usize);

const UNITS: [(&str, usize); 6] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("B", 1)];

impl Setting for Bytes {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        if value.is_integer() {
            return usize::read(value).map(Self);
        }
        let size = text(value, "a size like 4096 or \"4KiB\"")?;
        let (number, unit) =
            UNITS.iter().find_map(|(name, unit)| Some((size.strip_suffix(name)?, *unit))).unwrap_or((size, 1));
        let bytes = number.trim().parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| wrong(format!("{size:?} is not a size; write a number of bytes, or \"4KiB\"")))
    }
}

impl Measure for Bytes {
    fn show(&self) -> String {
        format!("{} bytes", self.0)
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        let text = text(value, "a duration like \"10s\" or \"5m\"")?;
        humantime::parse_duration(text)
            .map_err(|error| wrong(format!("{text:?} is not a duration ({error}); write one like \"10s\" or \"5m\"")))
    }
}

impl Measure for Duration {
    fn show(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        let text = text(value, "an address and port like \"127.0.0.1:8080\"")?;
        text.parse()
            .map_err(|_| wrong(format!("{text:?} is not an address and port; write one like \"127.0.0.1:8080\"")))
    }
}

impl Setting for IpNet {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        registration::parse_network(text(value, "a network like \"10.0.0.0/8\"")?).map_err(wrong)
    }
}

impl Setting for Algorithm {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        registration::parse_signing_alg(text(value, "an algorithm like \"RS256\"")?).map_err(wrong)
    }
}

impl Setting for OffsetDateTime {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        let text = match value {
            Value::Datetime(instant) => instant.to_string(),
            other => text(other, "an instant like 2026-01-31T12:00:00Z")?.to_owned(),
        };
        Self::parse(&text, &Rfc3339)
            .map_err(|_| wrong(format!("{text:?} is not an instant; write one like 2026-01-31T12:00:00Z")))
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
        let Some(items) = value.as_array() else {
            return Err(wrong(format!("must be a list like [\"…\"], not {}", kind(value))));
        };
        let (mut read, mut wrongs) = (Self::new(), Vec::new());
        for (i, item) in items.iter().enumerate() {
            match T::read(item) {
                Ok(item) => read.push(item),
                Err(found) => {
                    wrongs.extend(found.into_iter().map(|w| Wrong { at: format!("[{i}]{}", w.at), what: w.what }));
                }
            }
        }
        if wrongs.is_empty() { Ok(read) } else { Err(wrongs) }
    }
}

/// The choice of this name.
fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, Vec<Wrong>> {
    let names = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let text = text(value, &format!("one of {names}"))?;
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    found.ok_or_else(|| wrong(format!("{text:?} is not a choice; write one of {names}")))
}

macro_rules! choices {
    ($($choice:ty: [$($name:literal => $value:expr),* $(,)?];)*) => {$(
        impl Setting for $choice {
            fn read(value: &Value) -> Result<Self, Vec<Wrong>> {
                choice(value, &[$(($name, $value)),*])
            }
        }
    )*};
}

choices! {
    Scope: ["events" => Self::Events, "bulk" => Self::Bulk, "read" => Self::Read, "admin" => Self::Admin];
    Format: ["native" => Self::Native];
    super::SidDefault: ["session_id" => Self::SessionId, "none" => Self::None];
    super::OnSessionExpiry: ["forget" => Self::Forget, "logout" => Self::Logout];
    telemetry::Format: ["text" => Self::Text, "json" => Self::Json];
    LevelFilter: [
        "off" => Self::OFF, "error" => Self::ERROR, "warn" => Self::WARN,
        "info" => Self::INFO, "debug" => Self::DEBUG, "trace" => Self::TRACE,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [("4096", 4096), ("'4KiB'", 4096), ("'2 MiB'", 2 << 20), ("'3kB'", 3000), ("'7B'", 7)] {
            let table: toml::Table = format!("v = {text}").parse().unwrap();
            assert_eq!(Bytes::read(&table["v"]), Ok(Bytes(bytes)), "{text}");
        }
    }
}
