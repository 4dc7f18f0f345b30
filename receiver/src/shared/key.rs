//! Under what key does a shared store keep something?

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use crate::registry::Name;
use crate::replay::TokenId;
use crate::{Login, Registration};

/// 43 characters, whatever it stands for: a name may be longer than an index takes, and may hold
/// characters that a database refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn name(name: &Name) -> Self {
        Self::of(name.as_str())
    }

    /// Of a local session, and of its tombstone.
    pub(crate) fn local(local_id: &str) -> Self {
        Self::name(&Name::local(local_id))
    }

    pub(crate) fn session(session: &Registration) -> Self {
        Self::local(&session.local_id)
    }

    /// A local session has one login at each.
    pub(crate) fn client(login: &Login) -> Self {
        Self::client_of(&login.issuer, &login.client_id)
    }

    pub(crate) fn client_of(issuer: &str, client_id: &str) -> Self {
        Self::of(&json!(["client", issuer, client_id]).to_string())
    }

    pub(crate) fn token(token: &TokenId) -> Self {
        Self::of(&json!(["token", token.issuer, token.jti]).to_string())
    }

    fn of(text: &str) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are in the databases of applications: another version must find them.
    #[test]
    fn keys_stay_what_they_are() {
        assert_eq!(Key::local("l1").as_str(), "PO0bUl4xPrh5TYipgmot0_QGbnLMybyrM7I6QdbPCj4");
        let token = TokenId { issuer: "https://idp.example.com".into(), jti: "1".into() };
        assert_eq!(Key::token(&token).as_str(), "K0kvepOPZ-MDZTISpvFVi90TtCQQ8_uBIXrigbIDO8Q");
        assert_eq!(
            Key::client_of("https://idp.example.com", "shop").as_str(),
            "Ak3ChqGNwbZgVns4b9AYdH4qpZPJfrptlaFaKkyY2J0"
        );
    }
}
