//! How is the API served? One HTTP server on a listener that the caller owns.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::error::QueryPayloadError;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError};
use rustls::ServerConfig;
use utoipa_actix_web::AppExt;

use super::openapi::Document;
use super::problem::{Kind, Problem, shape};
use super::{Admin, guard, head, health, query, routes};
use crate::metrics::Metrics;

/// A head must be complete by then: slow clients cannot hold connections.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// A TLS handshake must be complete by then.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Idle connections are kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Open calls may take this long to end at shutdown.
const DRAIN_SECONDS: u64 = 10;
/// Connections that the listener of the metrics holds at most.
const SCRAPERS: usize = 256;

/// The server of the whole API, not yet running: spawn it, and stop it through its handle
/// after `admin.stop` is cancelled. Without `tls` it speaks plain HTTP.
pub fn server(admin: Admin, listener: TcpListener, tls: Option<ServerConfig>) -> std::io::Result<Server> {
    let (workers, connections) = (admin.settings.workers.max(1), admin.settings.connections_per_worker);
    let admin = Data::new(admin);
    let document = Data::new(Document::new());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(admin.clone())
            .app_data(document.clone())
            .app_data(web::QueryConfig::default().error_handler(bad_query))
            .app_data(web::PathConfig::default().error_handler(|_, _| no_such().into()))
            .wrap(from_fn(guard::local))
            .wrap(from_fn(head::limited))
            .wrap(from_fn(shape))
            .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")).add((X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .into_utoipa_app()
            .configure(routes)
            .into_app()
            .default_service(web::to(no_route))
    });
    let server = server
        .workers(workers)
        .disable_signals()
        .client_request_timeout(HEAD_DEADLINE)
        .tls_handshake_timeout(HANDSHAKE_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .max_connections(connections)
        .shutdown_timeout(DRAIN_SECONDS);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// A server of `/metrics` alone, for those who scrape from inside and hold no token.
pub fn metrics_server(metrics: Metrics, listener: TcpListener, tls: Option<ServerConfig>) -> std::io::Result<Server> {
    let metrics = Data::new(metrics);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(metrics.clone())
            .wrap(from_fn(head::limited))
            .wrap(from_fn(shape))
            .route("/metrics", web::get().to(scrape))
            .default_service(web::to(|| async { no_such().error_response() }))
    });
    let server = server.workers(1).disable_signals().client_request_timeout(HEAD_DEADLINE).keep_alive(KEEP_ALIVE);
    let server = server.tls_handshake_timeout(HANDSHAKE_DEADLINE).max_connections(SCRAPERS);
    let server = server.shutdown_timeout(DRAIN_SECONDS);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

async fn scrape(metrics: Data<Metrics>) -> Result<HttpResponse, Problem> {
    health::rendered(&metrics)
}

#[expect(clippy::needless_pass_by_value, reason = "the framework's signature")]
fn bad_query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    query::mismatch(&error).into()
}

fn no_such() -> Problem {
    Problem::new(Kind::NotFound, "there is nothing at this path")
}

async fn no_route(request: HttpRequest, document: Data<Document>) -> Result<String, Problem> {
    match document.methods(request.path()) {
        Some(allow) => Err(Problem::method_not_allowed(allow)),
        None => Err(no_such()),
    }
}
