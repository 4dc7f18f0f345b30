//! Is this string a logout token of an issuer we trust, for us, now?

mod builder;
mod id_token;
mod trusted;

use std::sync::Arc;

pub use builder::{BuildError, LogoutTokenVerifierBuilder};
pub use id_token::{IdToken, IdTokenVerifier, LoginError};
use trusted::{Keys, Trusted};

use crate::jose::Unverified;
use crate::{LogoutError, LogoutToken, Reason};

/// Verifies logout tokens: of one issuer for one client, or of [several](Self::any_of). Clones share the
/// issuers' keys.
#[derive(Debug, Clone)]
pub struct LogoutTokenVerifier {
    /// At least one.
    trusted: Vec<Arc<Trusted>>,
}

impl LogoutTokenVerifier {
    /// Starts with the defaults; issuer, client id and a source of keys have none.
    pub fn builder() -> LogoutTokenVerifierBuilder {
        LogoutTokenVerifierBuilder::new()
    }

    /// Accepts what any of these accepts: several issuers, or several clients of one issuer, behind one
    /// endpoint. `iss` chooses; each issuer's tokens are judged by its own keys, algorithms and policies.
    ///
    /// # Errors
    /// [`BuildError::NoIssuer`] if there is none, [`BuildError::Ambiguous`] if two are for the same
    /// issuer and client.
    pub fn any_of(verifiers: impl IntoIterator<Item = Self>) -> Result<Self, BuildError> {
        let trusted: Vec<Arc<Trusted>> = verifiers.into_iter().flat_map(|one| one.trusted).collect();
        if trusted.is_empty() {
            return Err(BuildError::NoIssuer);
        }
        let ambiguous = |(n, one): (usize, &Arc<Trusted>)| trusted[..n].iter().any(|other| one.overlaps(other));
        if trusted.iter().enumerate().any(ambiguous) {
            return Err(BuildError::Ambiguous);
        }
        Ok(Self { trusted })
    }

    /// Issuer and client id of those whose tokens are accepted.
    pub fn trusted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.trusted.iter().map(|one| (one.claims.issuer(), one.claims.client_id()))
    }

    /// Checks everything a logout token must be: steps 22 to 28.
    ///
    /// Form and claims come first, so that what is plainly not for us costs neither a signature
    /// check nor a look at the issuer's keys. Nothing of it is returned before the signature holds.
    pub async fn verify(&self, token: &str) -> Result<LogoutToken, LogoutError> {
        let unverified = Unverified::parse(token)?; // 22 encryption
        let (trusted, claimed) = self.judge(&unverified)?; // 23 alg, crit, typ, 24 to 28
        trusted.check_signature(&unverified).await?; // 23 signature
        Ok(claimed)
    }

    /// By those who are for the token's issuer. The reason is that of the one who came furthest.
    fn judge(&self, token: &Unverified<'_>) -> Result<(&Trusted, LogoutToken), Reason> {
        let iss = token.payload.get("iss").and_then(|iss| iss.as_str()).unwrap_or_default();
        let mut refusal = None;
        for trusted in self.trusted.iter().filter(|one| one.claims.is_from(iss)) {
            match trusted.judge(token) {
                Ok(claimed) => return Ok((trusted, claimed)),
                Err(reason) if matches!(refusal, None | Some(Reason::AudienceMismatch)) => refusal = Some(reason),
                Err(_) => {}
            }
        }
        match (refusal, self.trusted.first()) {
            (None, Some(first)) => Err(first.judge(token).err().unwrap_or(Reason::IssuerMismatch)),
            (refusal, _) => Err(refusal.unwrap_or(Reason::IssuerMismatch)),
        }
    }
}
