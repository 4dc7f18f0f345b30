//! How do sessions end that live in a cookie?

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use actix_session::SessionExt as _;
use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::ErrorServiceUnavailable;

use super::SessionLogin as _;
use crate::error::chain;
use crate::session::Keeper;
use crate::{SessionRegistry, Standing, StoreError};

/// Middleware for sessions that the application cannot take away, as those of `CookieSessionStore`:
/// asks the registry at each request whether a logout has ended the session, by the login that it
/// carries. Then the session is purged, the browser is told to drop the cookie, and the request goes on
/// as that of a stranger. With the registry out of reach, a session with a login is answered with 503.
///
/// It belongs inside the `SessionMiddleware`: `.wrap(DenyEnded::new(sessions)).wrap(SessionMiddleware::…)`.
/// An [`IndexedSessionStore`](super::IndexedSessionStore) does the same by itself.
#[derive(Clone)]
pub struct DenyEnded {
    keeper: Keeper,
}

impl DenyEnded {
    /// Asks this registry: the one that the endpoint ends.
    pub fn new(registry: impl SessionRegistry + 'static) -> Self {
        Self { keeper: Keeper::new(registry) }
    }
}

impl<S, B> Transform<S, ServiceRequest> for DenyEnded
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = DenyEndedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DenyEndedService { service: Rc::new(service), keeper: self.keeper.clone() }))
    }
}

/// The service of [`DenyEnded`].
pub struct DenyEndedService<S> {
    service: Rc<S>,
    keeper: Keeper,
}

impl<S, B> Service<ServiceRequest> for DenyEndedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, keeper) = (Rc::clone(&self.service), self.keeper.clone());
        Box::pin(async move {
            check(&keeper, &request).await?;
            service.call(request).await
        })
    }
}

async fn check(keeper: &Keeper, request: &ServiceRequest) -> Result<(), Error> {
    let session = request.get_session();
    let ended = match session.login() {
        Ok(None) => false,
        Ok(Some(login)) => keeper.standing(None, &login).await.map_err(|error| unavailable(&error))? == Standing::Ended,
        // Not one of ours, so nobody can tell whether it has ended.
        Err(_) => true,
    };
    if ended {
        session.purge();
    }
    Ok(())
}

fn unavailable(error: &StoreError) -> Error {
    tracing::warn!(error = %chain(error), "it cannot be told whether a session has ended");
    ErrorServiceUnavailable("try again")
}

impl fmt::Debug for DenyEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyEnded").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for DenyEndedService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyEndedService").finish_non_exhaustive()
    }
}
