//! How are tokens made, good and bad? By the testkit, under one name and with keys made once per run.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use signoff_receiver::testkit::{self, TestIssuer};
use signoff_receiver::{Algorithm, Clock as _, SystemClock};

pub(crate) use signoff_receiver::testkit::SigningKey as Key;

pub(crate) const ISS: &str = "https://idp.example.com";
pub(crate) const CLIENT: &str = "shop";

macro_rules! keys {
    ($($name:ident: $algorithm:ident;)*) => {
        $(pub(crate) fn $name() -> &'static Key {
            static KEY: OnceLock<Key> = OnceLock::new();
            KEY.get_or_init(|| Key::generate(Algorithm::$algorithm))
        })*
    };
}

keys! {
    rsa: RS256;
    other_rsa: RS256;
    p256: ES256;
    other_p256: ES256;
    p384: ES384;
    p521: ES512;
    ed: EdDSA;
}

/// The issuer of all tokens here, which signs none of them by itself.
pub(crate) fn keys_of() -> &'static TestIssuer {
    static ISSUER: OnceLock<TestIssuer> = OnceLock::new();
    ISSUER.get_or_init(|| TestIssuer::new(ISS, CLIENT))
}

/// A token in the making. Starts good; tests spoil it.
#[derive(Clone)]
pub(crate) struct Mint(testkit::Mint);

impl Deref for Mint {
    type Target = testkit::Mint;

    fn deref(&self) -> &testkit::Mint {
        &self.0
    }
}

impl DerefMut for Mint {
    fn deref_mut(&mut self) -> &mut testkit::Mint {
        &mut self.0
    }
}

impl Mint {
    /// A good RS256 token under the kid `k1`, for alice's provider session `s1`.
    pub(crate) fn good() -> Self {
        let token = keys_of().logout_token("alice", Some("s1"));
        Self(token.header("kid", "k1").claim("jti", "jti-1"))
    }

    /// One header member replaced.
    pub(crate) fn header(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.header(name, value))
    }

    /// One claim replaced.
    pub(crate) fn claim(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.claim(name, value))
    }

    /// Header members and claims of this name are gone.
    pub(crate) fn without(self, name: &str) -> Self {
        Self(self.0.without(name))
    }

    /// Signed as the header says.
    pub(crate) fn sign(&self, key: &Key) -> String {
        self.0.sign_by(key)
    }
}

/// A good token signed by [`rsa`].
pub(crate) fn good_token() -> String {
    Mint::good().sign(rsa())
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn now() -> i64 {
    SystemClock.unix_seconds()
}
