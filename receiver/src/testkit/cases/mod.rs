//! Which tokens must a receiver take, and which must it refuse? One row each, by the id of the case
//! catalogue.
//!
//! To add a case: one row in the file of its kind.

mod claims;
mod jose;
mod keys;

use super::TestIssuer;
use crate::Reason;

/// One token of the catalogue. Several rows may have the same id.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Such as `J07`: `J` structure and header, `K` keys, `C` claims.
    pub id: &'static str,
    /// What is special about it.
    pub what: &'static str,
    /// What a verifier says to it that has nothing set but issuer, client id and keys.
    pub expected: Expected,
    make: fn(&TestIssuer) -> String,
}

/// What a receiver says to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// 200.
    Accepted,
    /// 400, for this reason.
    Refused(Reason),
}

impl Case {
    /// The token, dated now, with a `jti` of its own. It concerns the user `alice` and, if any, the provider
    /// session `s1`.
    #[must_use]
    pub fn mint(&self, issuer: &TestIssuer) -> String {
        (self.make)(issuer)
    }

    const fn accepted(id: &'static str, what: &'static str, make: fn(&TestIssuer) -> String) -> Self {
        Self { id, what, expected: Expected::Accepted, make }
    }

    const fn refused(id: &'static str, what: &'static str, reason: Reason, make: fn(&TestIssuer) -> String) -> Self {
        Self { id, what, expected: Expected::Refused(reason), make }
    }
}

/// All of them.
pub const CASES: &[Case] = &ALL;

const ALL: [Case; jose::CASES.len() + keys::CASES.len() + claims::CASES.len()] = {
    let mut all = [jose::CASES[0]; jose::CASES.len() + keys::CASES.len() + claims::CASES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < jose::CASES.len() {
            jose::CASES[at]
        } else if at < jose::CASES.len() + keys::CASES.len() {
            keys::CASES[at - jose::CASES.len()]
        } else {
            claims::CASES[at - jose::CASES.len() - keys::CASES.len()]
        };
        at += 1;
    }
    all
};
