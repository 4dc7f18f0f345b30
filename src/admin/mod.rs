//! What can people and programs ask of the service? The HTTP API, the console page, keys, probes.
//!
//! To add a call: a handler with `#[utoipa::path(…)]` over `#[get("…")]` (the bare attribute,
//! imported: a qualified one is not seen) in the file of its noun, with a `Caller` of the
//! scope it needs as its first argument, and its line in `routes`. The OpenAPI document, the
//! 405 answers and the test that walks scopes × routes follow from that.

pub mod settings;
pub mod tls;
pub mod tokens;

mod auth;
mod body;
mod clients;
mod deliveries;
mod doors;
mod dto;
mod events;
mod guard;
mod head;
mod health;
mod jwks;
mod logouts;
mod metadata;
mod openapi;
mod page;
mod precondition;
mod problem;
mod progress;
mod query;
mod redeliver;
mod server;
mod sessions;
mod text;

pub use doors::{Admin, Changed, Events, InvalidMember, Jwks, Validate};
pub use health::Health;
pub use openapi::document;
pub use server::{metrics_server, server};
pub use settings::{Scope, Scrape, Settings, Tls, Token};
pub use tls::Certificate;
pub use tokens::Tokens;

use utoipa_actix_web::service_config::ServiceConfig;

/// Every call of the API.
fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(events::submit)
        .service(clients::list)
        .service(clients::get)
        .service(clients::put)
        .service(clients::delete)
        .service(clients::put_by_query)
        .service(clients::delete_by_query)
        .service(sessions::list)
        .service(logouts::list)
        .service(logouts::get)
        .service(progress::follow)
        .service(deliveries::list)
        .service(deliveries::get)
        .service(redeliver::one)
        .service(redeliver::many)
        .service(jwks::get)
        .service(health::live)
        .service(health::ready)
        .service(health::metrics)
        .service(openapi::get)
        .service(page::show);
}
