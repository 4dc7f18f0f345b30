//! Is this token signed with the secret we share with the issuer?

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key};

use super::Unverified;

/// A signature algorithm of RFC 7518, 3.2, with a secret that provider and client share. For clients
/// that are registered with it (`id_token_signed_response_alg`), and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the registered ones")]
pub enum HmacAlgorithm {
    HS256,
    HS384,
    HS512,
}

impl HmacAlgorithm {
    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// The size of a signature, and the least size of a secret, in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::HS256 => 32,
            Self::HS384 => 48,
            Self::HS512 => 64,
        }
    }

    const fn scheme(self) -> hmac::Algorithm {
        match self {
            Self::HS256 => HMAC_SHA256,
            Self::HS384 => HMAC_SHA384,
            Self::HS512 => HMAC_SHA512,
        }
    }
}

/// The shared secret. `Debug` does not show it.
pub(crate) struct Secret(Box<Key>);

impl Secret {
    /// `None` if it is shorter than RFC 7518 demands.
    pub(crate) fn new(algorithm: HmacAlgorithm, secret: &[u8]) -> Option<Self> {
        (secret.len() >= algorithm.size()).then(|| Self(Box::new(Key::new(algorithm.scheme(), secret))))
    }

    /// In constant time.
    pub(crate) fn verifies(&self, token: &Unverified<'_>) -> bool {
        hmac::verify(&self.0, token.signed, &token.signature).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
