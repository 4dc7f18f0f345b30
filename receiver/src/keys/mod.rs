//! Which keys does the issuer sign with? Read, parsed once, kept, and read again when it pays.

mod cache;
mod jwk;
mod set;
mod source;

pub(crate) use cache::{KeyCache, Times};
pub(crate) use set::{KeySet, Verdict};
pub(crate) use source::KeySource;
