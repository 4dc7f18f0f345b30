//! How large may a request's head be? Below what the server itself would still read.

use actix_web::ResponseError as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::problem::{Kind, Problem};

/// Header fields of a request.
const FIELDS: usize = 64;
/// Bytes of its target and its header fields together.
const BYTES: usize = 32 * 1024;

/// Refuses heads that are larger than any call of ours needs.
pub(crate) async fn limited<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(problem) = check(&request) {
        return Ok(request.into_response(problem.error_response()));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn check(request: &ServiceRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if headers.iter().count() > FIELDS || fields.sum::<usize>() + target > BYTES {
        let detail = format!("at most {FIELDS} header fields, and {BYTES} bytes of them and the target");
        return Err(Problem::new(Kind::HeadTooLarge, detail));
    }
    Ok(())
}
