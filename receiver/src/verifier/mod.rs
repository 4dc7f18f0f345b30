//! Is this string a logout token of our issuer, for us, now?

mod builder;
mod id_token;

use std::sync::Arc;

pub use builder::{BuildError, LogoutTokenVerifierBuilder};
pub use id_token::{IdToken, IdTokenVerifier, LoginError};

use crate::claims::ClaimsPolicy;
use crate::jose::{JosePolicy, Unverified};
use crate::keys::{KeyCache, Verdict};
use crate::{Clock, LogoutError, LogoutToken};

/// Verifies the logout tokens of one issuer for one client. Clones share the issuer's keys.
#[derive(Debug, Clone)]
pub struct LogoutTokenVerifier {
    rules: Arc<Rules>,
    keys: Arc<KeyCache>,
}

#[derive(Debug)]
struct Rules {
    jose: JosePolicy,
    claims: ClaimsPolicy,
    clock: Arc<dyn Clock>,
}

impl LogoutTokenVerifier {
    /// Starts with the defaults; issuer, client id and a source of keys have none.
    pub fn builder() -> LogoutTokenVerifierBuilder {
        LogoutTokenVerifierBuilder::new()
    }

    /// The issuer whose tokens are accepted.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.rules.claims.issuer()
    }

    /// The client the tokens must be addressed to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.rules.claims.client_id()
    }

    /// Checks everything a logout token must be: steps 22 to 28.
    ///
    /// Form and claims come first, so that what is plainly not for us costs neither a signature
    /// check nor a look at the issuer's keys. Nothing of it is returned before the signature holds.
    pub async fn verify(&self, token: &str) -> Result<LogoutToken, LogoutError> {
        let unverified = Unverified::parse(token, &self.rules.jose)?; // 22, 23 encryption, alg, crit, typ
        let claimed = self.rules.claims.check(&unverified.payload, self.rules.clock.unix_seconds())?; // 24 to 28
        self.check_signature(&unverified).await?; // 23 signature
        Ok(claimed)
    }

    async fn check_signature(&self, token: &Unverified<'_>) -> Result<(), LogoutError> {
        let seen = self.keys.current().await?;
        let reason = match seen.set.verify(token) {
            Verdict::Valid => return Ok(()),
            Verdict::Refused(reason) => return Err(reason.into()),
            Verdict::NotByThese(reason) => reason,
        };
        match self.keys.newer(&seen).await?.map(|set| set.verify(token)) {
            Some(Verdict::Valid) => Ok(()),
            Some(Verdict::Refused(reason) | Verdict::NotByThese(reason)) => Err(reason.into()),
            None => Err(reason.into()),
        }
    }
}
