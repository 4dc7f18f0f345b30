//! Does a call that needs no token really come from this machine's own programs?
//!
//! Without tokens the API is open on loopback. A web page must not get in through the browser
//! of somebody who sits there: not under a name of its own that resolves to 127.0.0.1 (the
//! `Host` header tells), nor as a request to another site (the `Origin` header tells).

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::http::uri::Authority;
use actix_web::middleware::Next;
use actix_web::{ResponseError, web};

use super::Admin;
use super::auth::is_open;
use super::problem::{Kind, Problem};

/// Refuses foreign names and origins where no token is needed.
pub(crate) async fn local<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let open = request.app_data::<web::Data<Admin>>().is_none_or(|admin| is_open(&admin.settings));
    if open && let Err(problem) = check(request.headers(), request.uri().authority()) {
        return Ok(request.into_response(problem.error_response()));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn check(headers: &HeaderMap, target: Option<&Authority>) -> Result<(), Problem> {
    // HTTP/2 has no Host header: the target's authority stands for it.
    let named = text(headers, &HOST).or(target.map(Authority::as_str));
    if !named.is_some_and(is_local) || target.is_some_and(|target| !is_local(target.as_str())) {
        let detail = "without tokens the Host header must be localhost, 127.0.0.1 or [::1]";
        return Err(Problem::new(Kind::WrongHost, detail));
    }
    if headers.contains_key(ORIGIN) && !text(headers, &ORIGIN).and_then(authority).is_some_and(is_local) {
        return Err(Problem::new(Kind::ForeignOrigin, "without tokens only pages of this machine may call"));
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn authority(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, authority)| authority)
}

/// Whether `host[:port]` names this machine's loopback.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        let table = [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1:1", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("", false),
            ("localhost:", false),
            ("localhost.evil.example", false),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("user@localhost", false),
            ("localhost:80@evil.example", false),
        ];
        for (host, local) in table {
            assert_eq!(is_local(host), local, "{host}");
        }
    }
}
