//! Does the HTTP API answer as promised? Real HTTP against a real server.

mod clients;
mod deliveries;
mod doors;
mod events;
pub(crate) mod http;
mod keys_and_probes;
mod lists;
mod problems;
mod progress;
mod scopes;
mod switched;
mod world;
