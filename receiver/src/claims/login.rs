//! Is this payload an ID token for us, now? Pure, by the rules that are the same for logout tokens.

use serde_json::{Map, Value};

use super::{ClaimsPolicy, read};
use crate::{Login, Reason};

impl ClaimsPolicy {
    /// Checks the claims of an ID token, but for `nonce` (OpenID Connect Core 1.0, section 3.1.3.7).
    pub(crate) fn check_login(&self, payload: &Map<String, Value>, now: i64) -> Result<Login, Reason> {
        self.check_issuer(payload)?;
        self.check_audience(payload)?;
        let at = self.check_issued_at(payload, now)?;
        self.check_expiry(payload, at, now)?.ok_or(Reason::ExpiryMissing)?;
        self.check_not_before(payload, now)?;
        let sub = read::text(payload, "sub").ok().flatten().ok_or(Reason::SubjectMalformed)?;
        let sid = read::text(payload, "sid").map_err(|read::WrongType| Reason::SessionIdMalformed)?;
        let (issuer, client_id) = (self.issuer.clone(), self.client_id.clone());
        Ok(Login { issuer, client_id, sub: sub.to_owned(), sid: sid.map(str::to_owned), at })
    }
}
