//! What does a revocation request look like, and what does its answer mean? RFC 7009.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::RefreshToken;
use crate::outbound::Remote;

/// How a client proves who it is (OpenID Connect Core 1.0, section 9). `Debug` does not show secrets.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuth {
    /// A public client: `client_id` alone.
    None,
    /// `client_secret_basic`.
    ClientSecretBasic(String),
    /// `client_secret_post`.
    ClientSecretPost(String),
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::ClientSecretBasic(_) => "ClientSecretBasic",
            Self::ClientSecretPost(_) => "ClientSecretPost",
        })
    }
}

/// Where, and as whom.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) remote: Remote,
    pub(super) client_id: String,
    pub(super) auth: ClientAuth,
}

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Revoked,
    Refused(u16),
    /// Not before this time, if the provider says so.
    Again(Option<Duration>),
}

impl Endpoint {
    /// One request. The caller bounds the time.
    pub(super) async fn revoke(&self, token: &RefreshToken) -> Attempt {
        let mut post = self.remote.client.post(self.remote.uri.clone());
        post = post.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(self.form(token));
        if let Some(credentials) = self.basic() {
            post = post.header(AUTHORIZATION, credentials);
        }
        match post.send().await {
            Ok(response) => judge(response.status().as_u16(), response.headers()),
            Err(error) => {
                tracing::debug!(error = %error.without_url(), "revocation endpoint out of reach");
                Attempt::Again(None)
            }
        }
    }

    fn form(&self, token: &RefreshToken) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.secret()).append_pair("token_type_hint", "refresh_token");
        match &self.auth {
            ClientAuth::ClientSecretBasic(_) => {}
            ClientAuth::None => {
                form.append_pair("client_id", &self.client_id);
            }
            ClientAuth::ClientSecretPost(secret) => {
                form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret);
            }
        }
        form.finish()
    }

    /// RFC 6749, 2.3.1: both are form-encoded before they are joined.
    fn basic(&self) -> Option<String> {
        let ClientAuth::ClientSecretBasic(secret) = &self.auth else { return None };
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let joined = format!("{}:{}", encode(&self.client_id), encode(secret));
        Some(format!("Basic {}", STANDARD.encode(joined)))
    }
}

fn judge(status: u16, headers: &HeaderMap) -> Attempt {
    match status {
        200..=299 => Attempt::Revoked,
        408 | 429 | 500..=599 => {
            let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Attempt::Again(seconds.map(Duration::from_secs))
        }
        _ => Attempt::Refused(status),
    }
}
