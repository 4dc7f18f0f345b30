//! How is a token made, good or bad?

use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::Value;

use super::{SigningKey, b64};

/// A token in the making: starts good, and is spoiled one member at a time.
#[derive(Debug, Clone)]
pub struct Mint {
    /// The JOSE header, a JSON object.
    pub header: Value,
    /// The claims, a JSON object.
    pub claims: Value,
    pub(super) key: Arc<SigningKey>,
}

impl Mint {
    /// One header member replaced.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// One claim replaced.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// The header member and the claim of this name are gone.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        for part in [&mut self.header, &mut self.claims] {
            if let Some(members) = part.as_object_mut() {
                members.remove(name);
            }
        }
        self
    }

    /// Another key to sign with; the header stays as it is.
    #[must_use]
    pub fn key(mut self, key: &Arc<SigningKey>) -> Self {
        self.key = Arc::clone(key);
        self
    }

    /// The token in compact form, signed as the header says.
    #[must_use]
    pub fn sign(&self) -> String {
        self.sign_by(&self.key)
    }

    /// The same, signed by this key.
    #[must_use]
    pub fn sign_by(&self, key: &SigningKey) -> String {
        let signed = self.signed_part();
        let signature = key.sign(self.header["alg"].as_str().unwrap_or_default(), signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// The token with an HMAC (SHA-256) under this secret; the header stays as it is.
    #[must_use]
    pub fn sign_with_secret(&self, secret: &[u8]) -> String {
        let signed = self.signed_part();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", b64(tag))
    }

    /// The token with an empty signature.
    #[must_use]
    pub fn unsigned(&self) -> String {
        self.signed_part() + "."
    }

    /// Header and payload with the dot between them: what is signed.
    #[must_use]
    pub fn signed_part(&self) -> String {
        format!("{}.{}", b64(self.header.to_string()), b64(self.claims.to_string()))
    }
}
