//! What does the API look like to a program? The OpenAPI document, made from the routes.

use actix_web::dev::ResourceDef;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, get};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, PathItem};
use utoipa_actix_web::AppExt;

use super::routes;

const DESCRIPTION: &str = "Back-channel logout fan-out: submit events, see who is still signed in, and why. \
    Errors are RFC 9457 problem details. Subjects, sids and provider session ids are shown hashed: the first \
    12 hexadecimal digits of their SHA-256.";

/// The OpenAPI document of every call.
#[must_use]
pub fn document() -> OpenApi {
    let (_, mut api) = App::new().into_utoipa_app().configure(routes).split_for_parts();
    "signoff".clone_into(&mut api.info.title);
    env!("CARGO_PKG_VERSION").clone_into(&mut api.info.version);
    api.info.description = Some(DESCRIPTION.to_owned());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    api.components.get_or_insert_with(Components::new).add_security_scheme("bearer", SecurityScheme::Http(bearer));
    api
}

/// The document as it is served, and what it says about paths.
pub(crate) struct Document {
    json: String,
    paths: Vec<(ResourceDef, String)>,
}

impl Document {
    pub(crate) fn new() -> Self {
        let api = document();
        let paths = api.paths.paths.iter().map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item)));
        Self { paths: paths.collect(), json: api.to_json().unwrap_or_default() }
    }

    /// The methods of the route at this path, for `Allow`; `None`: there is no such route.
    pub(crate) fn methods(&self, path: &str) -> Option<String> {
        let mut found = self.paths.iter().filter(|(route, _)| route.is_match(path));
        let first = found.next()?.1.clone();
        Some(found.fold(first, |all, (_, more)| format!("{all}, {more}")))
    }
}

fn methods(item: &PathItem) -> String {
    let operations = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
    operations.iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// This document.
#[utoipa::path(tag = "service", operation_id = "openapi", responses((status = 200, description = "OpenAPI 3.1")))]
#[get("/openapi.json")]
pub(crate) async fn get(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(document.json.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_path_tells_its_methods() {
        let document = Document::new();
        assert_eq!(document.methods("/v1/issuers/main/clients/shop").as_deref(), Some("GET, PUT, DELETE"));
        assert_eq!(document.methods("/v1/events").as_deref(), Some("POST"));
        assert_eq!(document.methods("/v1/nothing"), None);
    }
}
