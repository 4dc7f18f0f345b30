//! The one integration-test binary: the endpoint over real HTTP, with real keys.

mod app;
mod claims;
mod http;
mod idp;
mod jose;
mod keys;
mod mint;
mod sessions;
