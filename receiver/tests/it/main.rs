//! The one integration-test binary: the endpoint over real HTTP, with real keys.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends there")]

mod after;
mod app;
mod catalogue;
mod claims;
mod events;
mod examples;
mod fuzz;
mod garbage;
mod http;
mod idp;
mod jose;
mod keys;
mod mint;
mod replay;
mod replicas;
mod revocation;
mod servers;
mod sessions;
mod stores;
mod verifier;
