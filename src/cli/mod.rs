//! cli

pub mod keys;
