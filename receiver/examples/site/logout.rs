//! How does a user sign out, here and at the provider, and what becomes of the refresh token?

use std::convert::Infallible;
use std::sync::Arc;

use signoff_receiver::{ClientAuth, Departure, EndSession, Revocation, TokenRevoker, is_returned};
use tokio::sync::OnceCell;

use super::Failure;
use super::login::{Provider, Tokens};
use super::options::Options;

const COOKIE: &str = "departure";

impl Provider {
    /// Where the browser goes to end the session at the provider. The one here has ended before: whoever
    /// wants to sign out is signed out, also when the provider does not answer.
    pub(crate) async fn departure(&self, tokens: Option<Tokens>) -> Result<Departure, Failure> {
        let endpoint = self.metadata().await?.end_session_endpoint.clone().ok_or("no end-session endpoint")?;
        let end_session = EndSession::new(&endpoint, &self.options.client_id)?
            .post_logout_redirect_uri(self.options.url("/signed-out"));
        let request = end_session.request();
        let request = match tokens {
            Some(tokens) => request.id_token_hint(tokens.id_token),
            None => request,
        };
        let Ok(departure) = request.after(async { Ok::<(), Infallible>(()) }).await;
        Ok(departure)
    }
}

/// For the browser that leaves, so that it can be told from one that followed a link.
pub(crate) fn departure_cookie(options: &Options, departure: &Departure) -> String {
    let secure = if options.is_https() { "; Secure" } else { "" };
    let state = departure.state.as_deref().unwrap_or_default();
    format!("{COOKIE}={state}; Path=/signed-out; HttpOnly; SameSite=Lax{secure}")
}

/// Whether this is the browser that left, by its `Cookie` header and the `state` in the query.
pub(crate) fn has_returned(cookies: Option<&str>, state: Option<&str>) -> bool {
    let cookies = cookies.unwrap_or_default().split(';').filter_map(|cookie| cookie.trim().split_once('='));
    let expected = cookies.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    is_returned(expected, state)
}

/// Revokes at the provider, which is asked where only when there is something to revoke.
pub(crate) fn revoke_later(provider: Arc<Provider>) -> impl Fn(Revocation) + Send + Sync + 'static {
    let revoker = Arc::new(OnceCell::new());
    move |revocation| {
        let (provider, revoker) = (Arc::clone(&provider), Arc::clone(&revoker));
        #[expect(clippy::disallowed_methods, reason = "the answer to the provider does not wait for it")]
        tokio::spawn(async move {
            match revoker.get_or_try_init(|| start_revoker(&provider)).await {
                Ok(revoker) => revoker.revoke(revocation),
                Err(failure) => tracing::warn!(error = failure.to_string(), "a refresh token is not revoked"),
            }
        });
    }
}

async fn start_revoker(provider: &Provider) -> Result<TokenRevoker, Failure> {
    let endpoint = provider.metadata().await?.revocation_endpoint.clone().ok_or("no revocation endpoint")?;
    let builder = TokenRevoker::builder(endpoint, &provider.options.client_id);
    let builder = match &provider.options.client_secret {
        Some(secret) => builder.auth(ClientAuth::ClientSecretBasic(secret.clone())),
        None => builder,
    };
    Ok(builder.start()?)
}
