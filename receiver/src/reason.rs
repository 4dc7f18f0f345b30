//! Why was a request refused? Every reason, its stable code and its words.

use std::fmt;

/// Lists each reason once: variant, code, words. The words never quote the token.
macro_rules! reasons {
    ($($variant:ident $code:literal $words:literal)*) => {
        /// Why a logout request was refused: HTTP 400, and the same request will be refused again.
        ///
        /// The code is stable: dashboards and tests may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: ", $words)] $variant,)*
        }

        impl Reason {
            /// All reasons, in the order in which a request meets them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code, such as `iss_mismatch`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// One sentence for the person who debugs; contains nothing from the token.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

reasons! {
    ContentType "content_type" "the body must be application/x-www-form-urlencoded"
    BodyTooLarge "body_too_large" "the body is larger than a logout request can be"
    BodyUnreadable "body_unreadable" "the body could not be read to its end"
    TokenMissing "logout_token_missing" "the body carries no logout_token"
    TokenRepeated "logout_token_repeated" "the body carries logout_token more than once"
    TokenMalformed "token_malformed" "the logout token is not a signed JWT in compact form"
    TokenEncrypted "token_encrypted" "encrypted logout tokens are not accepted here"
    HeaderMalformed "header_malformed" "the header of the logout token is not a JOSE header"
    AlgorithmMissing "alg_missing" "the header names no signature algorithm"
    AlgorithmNotAllowed "alg_not_allowed" "the signature algorithm is not one this client accepts"
    CriticalHeader "crit_not_supported" "the header demands an extension that is not understood"
    TypeNotAllowed "typ_not_allowed" "the header says that this is not a logout token"
    PayloadMalformed "payload_malformed" "the payload of the logout token is not a JSON object"
    IssuerMissing "iss_missing" "iss is missing or not a string"
    IssuerMismatch "iss_mismatch" "iss is not the issuer this client trusts"
    AudienceMissing "aud_missing" "aud is missing, empty, or not made of strings"
    AudienceMismatch "aud_mismatch" "aud does not name this client"
    AuthorizedPartyMissing "azp_missing" "aud names several clients and azp is missing"
    AuthorizedPartyMismatch "azp_mismatch" "azp names another client"
    IssuedAtMissing "iat_missing" "iat is missing or not a date"
    IssuedInFuture "iat_in_future" "iat lies in the future: compare the clocks"
    IssuedTooLongAgo "iat_too_old" "iat lies too far in the past"
    ExpiryMissing "exp_missing" "exp is missing or not a date"
    ExpiryBeforeIssue "exp_not_after_iat" "exp is not later than iat"
    Expired "expired" "exp has passed: compare the clocks"
    NotBeforeMalformed "nbf_malformed" "nbf is not a date"
    NotYetValid "not_yet_valid" "nbf lies in the future: compare the clocks"
    SubjectMalformed "sub_malformed" "sub is not a string, or empty"
    SessionIdMalformed "sid_malformed" "sid is not a string, or empty"
    NobodyNamed "sub_and_sid_missing" "neither sub nor sid is there"
    SessionIdMissing "sid_missing" "this client requires sid"
    EventsMissing "events_missing" "events is missing or not an object"
    EventMissing "logout_event_missing" "events has no back-channel logout member that is an object"
    NoncePresent "nonce_present" "nonce is forbidden in a logout token"
    TokenIdMissing "jti_missing" "jti is missing, empty, or not a string"
    KeyUnknown "key_unknown" "the issuer publishes no key for this token"
    KeyMismatch "key_mismatch" "the key the token names is not for its algorithm"
    KeyTooWeak "key_too_weak" "the key is an RSA key of less than 2048 bits"
    SignatureInvalid "signature_invalid" "the signature is not valid"
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl std::error::Error for Reason {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_fit_a_label() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '_')), "{codes:?}");
    }
}
