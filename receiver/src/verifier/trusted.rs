//! Does one issuer, for one client, stand behind this token?

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims::{ClaimsPolicy, JtiPolicy};
use crate::jose::{JosePolicy, Secret, Unverified};
use crate::keys::{KeyCache, Verdict};
use crate::{Clock, LogoutError, LogoutToken, Reason};

/// One issuer and one client.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) jose: JosePolicy,
    pub(super) claims: ClaimsPolicy,
    pub(super) jti: JtiPolicy,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Keys,
}

/// What its signatures are checked with.
#[derive(Debug)]
pub(super) enum Keys {
    Published(Arc<KeyCache>),
    Shared(Secret),
}

impl Trusted {
    /// Whether a token could be meant for both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let same_issuer = self.claims.is_from(other.claims.issuer()) || other.claims.is_from(self.claims.issuer());
        same_issuer && self.claims.client_id() == other.claims.client_id()
    }

    /// Everything but the signature.
    pub(super) fn judge(&self, token: &Unverified<'_>) -> Result<LogoutToken, Reason> {
        token.judge(&self.jose)?;
        let hash = (self.jti == JtiPolicy::HashIfAbsent).then(|| hash(token));
        self.claims.check_with_id(&token.payload, self.clock.unix_seconds(), hash.as_deref())
    }

    pub(super) async fn check_signature(&self, token: &Unverified<'_>) -> Result<(), LogoutError> {
        match &self.keys {
            Keys::Published(cache) => check_published(cache, token).await,
            Keys::Shared(secret) if secret.verifies(token) => Ok(()),
            Keys::Shared(_) => Err(Reason::SignatureInvalid.into()),
        }
    }
}

async fn check_published(cache: &Arc<KeyCache>, token: &Unverified<'_>) -> Result<(), LogoutError> {
    let algorithm = token.algorithm(cache.algorithms())?;
    let seen = cache.current().await?;
    let reason = match seen.set.verify(token, algorithm) {
        Verdict::Valid => return Ok(()),
        Verdict::Refused(reason) => return Err(reason.into()),
        Verdict::NotByThese(reason) => reason,
    };
    match cache.newer(&seen).await?.map(|set| set.verify(token, algorithm)) {
        Some(Verdict::Valid) => Ok(()),
        Some(Verdict::Refused(reason) | Verdict::NotByThese(reason)) => Err(reason.into()),
        None => Err(reason.into()),
    }
}

/// Of what was signed: one signature has several forms in some schemes.
fn hash(token: &Unverified<'_>) -> String {
    format!("sha-256:{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, token.signed)))
}
