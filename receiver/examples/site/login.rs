//! How does a user sign in? By the authorization code flow of OpenID Connect, with PKCE, state and nonce.

use oauth2::basic::{
    BasicClient, BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, ExtraTokenFields, HttpRequest, HttpResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use signoff_receiver::{IdToken, IdTokenVerifier, ProviderMetadata};
use tokio::sync::OnceCell;

use super::Failure;
use super::options::Options;

/// The provider, as the login sees it.
pub(crate) struct Provider {
    pub(crate) options: Options,
    id_tokens: IdTokenVerifier,
    metadata: OnceCell<ProviderMetadata>,
}

/// A login on its way. It waits in the session of the browser that began it, and nowhere else.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pending {
    state: String,
    nonce: String,
    pkce: String,
}

/// What the provider sends the browser back with.
#[derive(Deserialize)]
pub(crate) struct Callback {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// A user who has signed in.
pub(crate) struct SignedIn {
    pub(crate) id_token: IdToken,
    pub(crate) tokens: Tokens,
}

/// What a session keeps of the token endpoint's answer.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// For `id_token_hint`.
    pub(crate) id_token: String,
    pub(crate) refresh_token: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WithIdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for WithIdToken {}

type OidcClient = Client<
    BasicErrorResponse,
    StandardTokenResponse<WithIdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

impl Provider {
    pub(crate) fn new(options: &Options, id_tokens: IdTokenVerifier) -> Self {
        Self { options: options.clone(), id_tokens, metadata: OnceCell::new() }
    }

    /// What the provider says about itself; asked once.
    pub(crate) async fn metadata(&self) -> Result<&ProviderMetadata, Failure> {
        Ok(self.metadata.get_or_try_init(|| ProviderMetadata::discover(&self.options.issuer)).await?)
    }

    /// Where to send the browser, and what to keep for its return.
    pub(crate) async fn begin(&self) -> Result<(String, Pending), Failure> {
        let endpoint = self.metadata().await?.authorization_endpoint.clone().ok_or("no authorization endpoint")?;
        let client = BasicClient::new(ClientId::new(self.options.client_id.clone()))
            .set_auth_uri(AuthUrl::new(endpoint)?)
            .set_redirect_uri(self.redirect_uri()?);
        let (challenge, pkce) = PkceCodeChallenge::new_random_sha256();
        let nonce = CsrfToken::new_random().into_secret();
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scope(Scope::new("openid".into()))
            .add_extra_param("nonce", &nonce)
            .set_pkce_challenge(challenge)
            .url();
        Ok((url.into(), Pending { state: state.into_secret(), nonce, pkce: pkce.into_secret() }))
    }

    /// Who came back.
    pub(crate) async fn finish(&self, pending: Pending, callback: Callback) -> Result<SignedIn, Failure> {
        if callback.state.as_ref() != Some(&pending.state) {
            return Err("this is not the login that was begun here".into());
        }
        // RFC 9207: the answer of another provider, mixed up with ours.
        if callback.iss.is_some_and(|iss| iss != self.options.issuer) {
            return Err("the answer is of another provider".into());
        }
        if let Some(error) = callback.error {
            return Err(format!("the provider refused: {error}").into());
        }
        let code = callback.code.ok_or("the provider sent no code")?;
        let tokens = self.exchange(code, pending.pkce).await?;
        let raw = tokens.extra_fields().id_token.clone().ok_or("the provider sent no ID token")?;
        let id_token = self.id_tokens.verify(&raw, &pending.nonce).await?;
        let refresh_token = tokens.refresh_token().map(|token| token.secret().clone());
        Ok(SignedIn { id_token, tokens: Tokens { id_token: raw, refresh_token } })
    }

    async fn exchange(
        &self,
        code: String,
        pkce: String,
    ) -> Result<StandardTokenResponse<WithIdToken, BasicTokenType>, Failure> {
        let endpoint = self.metadata().await?.token_endpoint.clone().ok_or("no token endpoint")?;
        let mut client = OidcClient::new(ClientId::new(self.options.client_id.clone()))
            .set_token_uri(TokenUrl::new(endpoint)?)
            .set_redirect_uri(self.redirect_uri()?);
        if let Some(secret) = &self.options.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.clone()));
        }
        let exchange =
            client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(PkceCodeVerifier::new(pkce));
        let outbound = http_client(&self.options.issuer)?;
        let http = |request| send(outbound.clone(), request);
        Ok(exchange.request_async(&http).await?)
    }

    fn redirect_uri(&self) -> Result<RedirectUrl, Failure> {
        Ok(RedirectUrl::new(self.options.url("/callback"))?)
    }
}

async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let response = client.execute(request.try_into()?).await?;
    let mut answer = HttpResponse::default();
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await?.to_vec();
    Ok(answer)
}

/// Follows no redirect: the secret goes to the token endpoint and nowhere else.
#[expect(clippy::disallowed_methods, reason = "an application builds its own client")]
fn http_client(issuer: &str) -> reqwest::Result<reqwest::Client> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if issuer.starts_with("https:") {
        client.build()
    } else {
        // Works on machines without CA certificates.
        client.no_proxy().tls_certs_only(Vec::<reqwest::Certificate>::new()).build()
    }
}
