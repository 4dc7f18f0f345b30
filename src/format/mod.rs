//! What does this body say? Bytes → [`Event`], pure: one file a format.
//!
//! To add a format:
//! 1. a file beside `native.rs` with `parse(body, ctx)` and `parse_batch(body, ctx)` (refuse batches
//!    where the format knows none), reading members through `object.rs` so that every refusal names
//!    its JSON path;
//! 2. a variant of [`Format`], and its arm in both functions here;
//! 3. a table of good and bad bodies in its tests, and a line in the property test of `native.rs`.
//!
//! What a body says that is of no concern is [`Parsed::Ignored`], never an error. Whatever cannot be
//! stored (length, control characters, years) is refused here, because one such event fails a whole
//! transaction.

pub mod native;
mod object;
pub mod reason;

use time::OffsetDateTime;

use crate::model::{Directory, Event, Issuer, IssuerKey};
pub use reason::{Malformed, Reason};

/// How a door's bodies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CloudEvents 1.0, structured JSON.
    Native,
}

/// Longest body of one event, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Longest body of a batch, in bytes.
pub const MAX_BATCH_BODY: usize = 1024 * 1024;
/// Most events in a batch.
pub const MAX_BATCH: usize = 1000;

/// What reading a body depends on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The configured issuers.
    pub directory: &'a Directory,
    /// Short names of the issuers this door may speak for; `None`: all, an empty list: none.
    pub issuers: Option<&'a [String]>,
    /// Whether `sessions` is allowed.
    pub allow_bulk: bool,
    /// The store's clock.
    pub now: OffsetDateTime,
}

impl<'a> Context<'a> {
    /// The configured issuer of this identifier, if this door may speak for it.
    fn issuer(&self, path: &str, issuer: &str) -> Result<&'a Issuer, Malformed> {
        let Some(known) = self.directory.issuer_by_url(issuer) else {
            return Err(Malformed::new(Reason::UnknownIssuer, path, "is not a configured issuer"));
        };
        match self.issuers {
            Some(allowed) if !allowed.contains(&known.name) => {
                let detail = "is not an issuer this intake may speak for";
                Err(Malformed::new(Reason::IssuerNotAllowed, path, detail).of(known.key))
            }
            _ => Ok(known),
        }
    }
}

/// What a body came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Something happened.
    Event(Event),
    /// Well formed, and of a type that is of no concern.
    Ignored(IssuerKey),
}

/// Reads one event.
pub fn parse(format: Format, body: &[u8], ctx: &Context<'_>) -> Result<Parsed, Malformed> {
    match format {
        Format::Native => native::parse(body, ctx),
    }
}

/// Reads a batch: all of it, or the first thing wrong with it and its index.
pub fn parse_batch(format: Format, body: &[u8], ctx: &Context<'_>) -> Result<Vec<Parsed>, Malformed> {
    match format {
        Format::Native => native::parse_batch(body, ctx),
    }
}
