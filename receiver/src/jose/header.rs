//! May a token with this header be a logout token?

use serde_json::{Map, Value};

use super::Algorithm;
use crate::Reason;

/// What the header's `typ` must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TypPolicy {
    /// Absent, `JWT` or `logout+jwt`: most deployments predate the type.
    #[default]
    Lenient,
    /// `logout+jwt` only.
    Strict,
}

/// The members we look at. `jwk`, `jku`, `x5u`, `x5c` are not among them, on purpose: a token does
/// not choose the key it is judged by.
#[derive(Debug)]
pub(super) struct Header {
    alg: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    crit: bool,
}

impl Header {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Reason> {
        let members: Map<String, Value> = serde_json::from_slice(json).map_err(|_| Reason::HeaderMalformed)?;
        Ok(Self {
            alg: text(&members, "alg")?,
            kid: text(&members, "kid")?,
            typ: text(&members, "typ")?,
            crit: members.contains_key("crit"),
        })
    }

    pub(super) fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Reason> {
        let name = self.alg.as_deref().ok_or(Reason::AlgorithmMissing)?;
        let algorithm = Algorithm::from_name(name).ok_or(Reason::AlgorithmNotAllowed)?;
        if allowed.contains(&algorithm) { Ok(algorithm) } else { Err(Reason::AlgorithmNotAllowed) }
    }

    /// Whether it is just this algorithm.
    pub(super) fn names(&self, algorithm: &str) -> Result<(), Reason> {
        let name = self.alg.as_deref().ok_or(Reason::AlgorithmMissing)?;
        if name == algorithm { Ok(()) } else { Err(Reason::AlgorithmNotAllowed) }
    }

    pub(super) fn check(&self, policy: TypPolicy) -> Result<(), Reason> {
        if self.crit {
            return Err(Reason::CriticalHeader);
        }
        let typ = self.typ.as_deref().map(str::to_ascii_lowercase);
        // RFC 7515, 4.1.9: "application/" may be left out.
        match (typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)), policy) {
            (Some("logout+jwt"), _) | (Some("jwt") | None, TypPolicy::Lenient) => Ok(()),
            _ => Err(Reason::TypeNotAllowed),
        }
    }
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Reason> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Reason::HeaderMalformed),
    }
}
