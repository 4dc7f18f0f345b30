//! How does actix-web serve the streams and the script?

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::header::IF_NONE_MATCH;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, Resource, Responder};
use futures_util::StreamExt as _;

use super::{EventStream, HEADERS, SessionEvents, Watched, script};

impl Responder for EventStream {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for header in HEADERS {
            response.insert_header(header);
        }
        response.streaming(self.map(|frame| Ok::<_, Infallible>(Bytes::from(frame))))
    }
}

impl SessionEvents {
    /// The streams at this path, for `App::service`; `who` finds the session of a request. Where sessions
    /// come from an extractor, write the handler: it returns [`SessionEvents::stream`].
    #[must_use]
    pub fn resource<F, Found>(&self, path: &str, who: F) -> Resource
    where
        F: Fn(HttpRequest) -> Found + 'static,
        Found: Future<Output = Option<Watched>> + 'static,
    {
        let (events, who) = (self.clone(), Arc::new(who));
        let get = move |request: HttpRequest| {
            let (events, who) = (events.clone(), Arc::clone(&who));
            async move { events.stream(who(request).await) }
        };
        web::resource(path).route(web::get().to(get))
    }

    /// [`TAB_SCRIPT`](super::TAB_SCRIPT) at this path, with an `ETag`.
    #[must_use]
    pub fn script_resource(path: &str) -> Resource {
        let get = |request: HttpRequest| async move {
            let known = request.headers().get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
            HttpResponse::from(script::answer(known))
        };
        web::resource(path).route(web::get().to(get))
    }
}
