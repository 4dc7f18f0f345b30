//! Who logged in? The ID token of a login, judged by the rules and keys that judge logout tokens.

use serde_json::{Map, Value};

use super::LogoutTokenVerifier;
use crate::claims::LOGOUT_EVENT;
use crate::jose::{JosePolicy, TypPolicy, Unverified};
use crate::{Login, LogoutError, Reason, Unavailable};

/// An ID token whose every check has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdToken {
    /// The login it tells of: what a session carries, and the registry is told.
    pub login: Login,
    /// All its claims, such as `name` and `email`.
    pub claims: Map<String, Value>,
}

/// Why a login did not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The token is wrong in a way that a logout token could be wrong as well.
    #[error("ID token refused: {0}")]
    Rejected(Reason),
    /// The `nonce` is missing, or not the one of this login: the token was made for another.
    #[error("ID token refused: it does not carry the nonce of this login")]
    Nonce,
    /// It is a logout token: a sender of those must not be able to log anybody in.
    #[error("ID token refused: it is a logout token")]
    LogoutToken,
    /// The issuer's keys are out of reach.
    #[error("ID token cannot be judged now: {0}")]
    Unavailable(#[from] Unavailable),
}

/// Verifies the ID tokens of a code flow (OpenID Connect Core 1.0, section 3.1.3.7), for applications
/// that do not have a library for it. Shares rules and keys with the [`LogoutTokenVerifier`] it is made of.
#[derive(Debug, Clone)]
pub struct IdTokenVerifier(LogoutTokenVerifier);

impl LogoutTokenVerifier {
    /// A verifier for the ID tokens of the same issuer and client. With [several](Self::any_of) of them it
    /// is for the first: a login knows which provider it went to, and must not take another's word.
    #[must_use]
    pub fn id_tokens(&self) -> IdTokenVerifier {
        IdTokenVerifier(self.clone())
    }
}

impl IdTokenVerifier {
    /// Checks an ID token that the token endpoint has just answered with. `nonce` is what this login sent
    /// to the authorization endpoint.
    ///
    /// `at_hash` is not looked at: token and ID token came in one answer from the provider itself.
    pub async fn verify(&self, token: &str, nonce: &str) -> Result<IdToken, LoginError> {
        let trusted = self.0.trusted.first().ok_or(Reason::IssuerMismatch)?;
        let unverified = Unverified::parse(token)?;
        not_a_logout_token(&unverified)?;
        unverified.judge(&JosePolicy { typ: TypPolicy::Lenient, ..trusted.jose.clone() })?;
        let login = trusted.claims.check_login(&unverified.payload, trusted.clock.unix_seconds())?;
        if unverified.payload.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(LoginError::Nonce);
        }
        trusted.check_signature(&unverified).await?;
        Ok(IdToken { login, claims: unverified.payload })
    }
}

fn not_a_logout_token(token: &Unverified<'_>) -> Result<(), LoginError> {
    let typ = token.typ().unwrap_or_default().to_ascii_lowercase();
    let event = token.payload.get("events").is_some_and(|events| events.get(LOGOUT_EVENT).is_some());
    if event || typ.ends_with("logout+jwt") { Err(LoginError::LogoutToken) } else { Ok(()) }
}

impl From<Reason> for LoginError {
    fn from(reason: Reason) -> Self {
        Self::Rejected(reason)
    }
}

impl From<LogoutError> for LoginError {
    fn from(error: LogoutError) -> Self {
        match error {
            LogoutError::Rejected(reason) => Self::Rejected(reason),
            LogoutError::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}
