//! Is this payload a logout token for us, now? Pure: no I/O, the time is an argument.
//!
//! The numbers are the steps of OpenID Connect Back-Channel Logout 1.0, section 2.6, as the crate
//! counts them: 23 signature and algorithm (the `verifier` feature), 24 `iss`, `aud`, `iat`, `exp`
//! as in ID tokens, 25 `sub` or `sid`, 26 `events`, 27 no `nonce`, 28 `jti`, 29 what fails is
//! refused, 30 act, 31 answer.

#[cfg(feature = "verifier")]
mod login;
mod policy;
mod read;
#[cfg(test)]
mod tests;

pub use policy::{ClaimsPolicy, ExpPolicy, JtiPolicy, MultiAudience};
use serde_json::{Map, Value};

use crate::{LogoutTarget, LogoutToken, Reason};

/// The member of `events` that makes a token a logout token.
pub const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl ClaimsPolicy {
    /// Checks the claims of a logout token; `now` is in seconds since the Unix epoch.
    ///
    /// The signature is somebody else's matter: a payload that passes here is not yet to be believed.
    pub fn check(&self, payload: &Map<String, Value>, now: i64) -> Result<LogoutToken, Reason> {
        self.check_with_id(payload, now, None)
    }

    /// The same, with an id for tokens that have no `jti` of their own: a hash of the token, say. It must
    /// not be something that a `jti` can be by chance.
    pub fn check_with_id(
        &self,
        payload: &Map<String, Value>,
        now: i64,
        otherwise: Option<&str>,
    ) -> Result<LogoutToken, Reason> {
        self.check_issuer(payload)?; // 24 iss
        let aud = self.check_audience(payload)?; // 24 aud
        let iat = self.check_issued_at(payload, now)?; // 24 iat
        let exp = self.check_expiry(payload, iat, now)?; // 24 exp
        self.check_not_before(payload, now)?; // 24 as in ID tokens: nbf, where there is one
        let target = self.check_target(payload)?; // 25 sub or sid
        logout_event(payload)?; // 26 events
        no_nonce(payload)?; // 27 nonce
        let jti = read::text(payload, "jti").ok().flatten().or(otherwise).ok_or(Reason::TokenIdMissing)?; // 28 jti
        Ok(LogoutToken {
            iss: self.issuer.clone(),
            aud,
            client_id: self.client_id.clone(),
            target,
            jti: jti.to_owned(),
            iat,
            exp,
            valid_until: self.valid_until(iat, exp),
        })
    }

    /// The same bounds as in the checks of `iat` and `exp`.
    fn valid_until(&self, iat: i64, exp: Option<i64>) -> i64 {
        let by_age = self.max_age.map(|age| iat.saturating_add(age).saturating_add(self.skew));
        let by_exp = exp.map(|exp| exp.saturating_add(self.skew).saturating_sub(1));
        by_age.into_iter().chain(by_exp).min().unwrap_or(i64::MAX)
    }

    fn check_issuer(&self, payload: &Map<String, Value>) -> Result<(), Reason> {
        let iss = read::text(payload, "iss").ok().flatten().ok_or(Reason::IssuerMissing)?;
        self.is_from(iss).then_some(()).ok_or(Reason::IssuerMismatch)
    }

    fn check_audience(&self, payload: &Map<String, Value>) -> Result<Vec<String>, Reason> {
        let aud = read::audience(payload).ok_or(Reason::AudienceMissing)?;
        if !aud.contains(&self.client_id) {
            return Err(Reason::AudienceMismatch);
        }
        match payload.get("azp") {
            Some(azp) if azp.as_str() != Some(&self.client_id) => Err(Reason::AuthorizedPartyMismatch),
            None if aud.len() > 1 && self.multi_audience == MultiAudience::RequireAzp => {
                Err(Reason::AuthorizedPartyMissing)
            }
            _ => Ok(aud),
        }
    }

    fn check_issued_at(&self, payload: &Map<String, Value>, now: i64) -> Result<i64, Reason> {
        let iat = read::date(payload, "iat").ok().flatten().ok_or(Reason::IssuedAtMissing)?;
        if iat > now.saturating_add(self.skew) {
            return Err(Reason::IssuedInFuture);
        }
        match self.max_age {
            Some(age) if iat < now.saturating_sub(age).saturating_sub(self.skew) => Err(Reason::IssuedTooLongAgo),
            _ => Ok(iat),
        }
    }

    fn check_expiry(&self, payload: &Map<String, Value>, iat: i64, now: i64) -> Result<Option<i64>, Reason> {
        match read::date(payload, "exp").map_err(|read::WrongType| Reason::ExpiryMissing)? {
            None if self.exp == ExpPolicy::IfPresent => Ok(None),
            None => Err(Reason::ExpiryMissing),
            Some(exp) if exp <= iat => Err(Reason::ExpiryBeforeIssue),
            // RFC 7519, 4.1.4: on or after exp the token is dead.
            Some(exp) if now >= exp.saturating_add(self.skew) => Err(Reason::Expired),
            some => Ok(some),
        }
    }

    fn check_not_before(&self, payload: &Map<String, Value>, now: i64) -> Result<(), Reason> {
        match read::date(payload, "nbf").map_err(|read::WrongType| Reason::NotBeforeMalformed)? {
            Some(nbf) if nbf > now.saturating_add(self.skew) => Err(Reason::NotYetValid),
            _ => Ok(()),
        }
    }

    fn check_target(&self, payload: &Map<String, Value>) -> Result<LogoutTarget, Reason> {
        let sub = read::text(payload, "sub").map_err(|read::WrongType| Reason::SubjectMalformed)?;
        let sid = read::text(payload, "sid").map_err(|read::WrongType| Reason::SessionIdMalformed)?;
        if self.require_sid && sid.is_none() && sub.is_some() {
            return Err(Reason::SessionIdMissing);
        }
        LogoutTarget::from_claims(sid.map(str::to_owned), sub.map(str::to_owned)).ok_or(Reason::NobodyNamed)
    }
}

fn logout_event(payload: &Map<String, Value>) -> Result<(), Reason> {
    let events = payload.get("events").and_then(Value::as_object).ok_or(Reason::EventsMissing)?;
    match events.get(LOGOUT_EVENT) {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(Reason::EventMissing),
    }
}

fn no_nonce(payload: &Map<String, Value>) -> Result<(), Reason> {
    if payload.contains_key("nonce") { Err(Reason::NoncePresent) } else { Ok(()) }
}
