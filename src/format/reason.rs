//! Why was it not read? A code for programs, and one printable line for people.

use std::fmt;

use crate::model::IssuerKey;

/// Longest line that says why, in bytes.
pub const MAX_LINE: usize = 256;

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A missing member, a wrong type or a value outside its limits.
    Malformed,
    /// Longer than a body may be.
    TooLarge,
    /// Its `source` is not a configured issuer.
    UnknownIssuer,
    /// The door may not speak for this issuer.
    IssuerNotAllowed,
    /// The door may not name sessions itself, nor end all of a client or an issuer.
    BulkNotAllowed,
}

impl Reason {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::UnknownIssuer => "unknown_issuer",
            Self::IssuerNotAllowed => "issuer_not_allowed",
            Self::BulkNotAllowed => "bulk_not_allowed",
        }
    }
}

/// A body that is refused. Says where and what is wrong, never what was there: subjects and sids
/// stay out of logs and headers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    /// Why.
    pub reason: Reason,
    /// Which event of a batch, from 0.
    pub index: Option<usize>,
    /// The JSON path and what is wrong there: printable ASCII.
    pub detail: String,
    /// The issuer, where it was understood before the refusal.
    pub issuer: Option<IssuerKey>,
}

impl Malformed {
    /// What is wrong with the value at this path.
    #[must_use]
    pub fn new(reason: Reason, path: &str, what: &str) -> Self {
        Self { reason, index: None, detail: printable(&format!("{path} {what}"), MAX_LINE), issuer: None }
    }

    /// A wrong value at this path.
    #[must_use]
    pub(super) fn at(path: &str, what: &str) -> Self {
        Self::new(Reason::Malformed, path, what)
    }

    /// The same refusal, of an event of this issuer.
    #[must_use]
    pub(super) fn of(self, issuer: IssuerKey) -> Self {
        Self { issuer: Some(issuer), ..self }
    }

    /// The same refusal, of this event of a batch.
    #[must_use]
    pub(super) fn in_batch(self, index: usize) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Code and detail in one line of at most [`MAX_LINE`] printable bytes.
    #[must_use]
    pub fn line(&self) -> String {
        printable(&self.to_string(), MAX_LINE)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}: event {index}: {}", self.reason.code(), self.detail),
            None => write!(f, "{}: {}", self.reason.code(), self.detail),
        }
    }
}

/// At most `max` bytes of printable ASCII; everything else becomes `?`.
#[must_use]
pub fn printable(text: &str, max: usize) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_printable() {
        let long = Malformed::new(Reason::Malformed, &"ä\n\0".repeat(400), "is missing");
        assert_eq!(long.line().len(), MAX_LINE);
        assert!(long.line().bytes().all(|b| (0x20..0x7f).contains(&b)));
        let third = Malformed::at("$.id", "is missing").in_batch(2);
        assert_eq!(third.line(), "malformed: event 2: $.id is missing");
    }
}
