//! What does the provider say about itself? OpenID Connect Discovery 1.0.

use std::time::Duration;

use serde::Deserialize;

use crate::outbound::{BadRemote, GetError, Remote};

const TIMEOUT: Duration = Duration::from_secs(5);

/// The parts of a provider's discovery document that a relying party needs for login and logout.
///
/// Read at `<issuer>/.well-known/openid-configuration`; its `issuer` has been compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ProviderMetadata {
    /// The issuer, as in `iss`.
    pub issuer: String,
    /// Where it publishes its keys.
    pub jwks_uri: String,
    /// Where the login starts.
    pub authorization_endpoint: Option<String>,
    /// Where codes are exchanged for tokens.
    pub token_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Where a logout that the user asks for starts (RP-Initiated Logout 1.0).
    pub end_session_endpoint: Option<String>,
    /// Whether it sends logout tokens (Back-Channel Logout 1.0, section 2.1).
    #[serde(default)]
    pub backchannel_logout_supported: bool,
    /// Whether they carry `sid`.
    #[serde(default)]
    pub backchannel_logout_session_supported: bool,
}

/// Why a provider's metadata could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the provider's metadata could not be read")]
pub struct DiscoveryError(#[source] pub(crate) Cause);

/// What was wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("the issuer's address")]
    Address(#[source] BadRemote),
    #[error("no answer within {TIMEOUT:?}")]
    TimedOut,
    #[error("the discovery document")]
    Get(#[source] GetError),
    #[error("the discovery document does not have the form it should")]
    Malformed(#[source] serde_json::Error),
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
}

impl ProviderMetadata {
    /// Asks the provider, over https or on this machine; 5 s at most.
    pub async fn discover(issuer: &str) -> Result<Self, DiscoveryError> {
        let document = well_known(issuer, false).map_err(Cause::Address).map_err(DiscoveryError)?;
        let read = tokio::time::timeout(TIMEOUT, Self::read(issuer, &document)).await;
        read.unwrap_or(Err(Cause::TimedOut)).map_err(DiscoveryError)
    }

    /// Reads the document. The caller bounds the time.
    pub(crate) async fn read(issuer: &str, document: &Remote) -> Result<Self, Cause> {
        let json = document.get("application/json").await.map_err(Cause::Get)?;
        let metadata: Self = serde_json::from_slice(&json).map_err(Cause::Malformed)?;
        // Discovery 1.0, 4.3: MUST be identical, or somebody speaks for another issuer.
        if metadata.issuer == issuer { Ok(metadata) } else { Err(Cause::OtherIssuer) }
    }
}

/// Where the document is. Discovery 1.0, 4.1: a slash at the end of the issuer goes.
pub(crate) fn well_known(issuer: &str, plain_http: bool) -> Result<Remote, BadRemote> {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    Remote::new(&format!("{issuer}/.well-known/openid-configuration"), plain_http)
}
