//! What was promised, and what arrived? A book kept outside the service.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::receiver::Post;

/// A client's session: the `aud` and `sid` of its token.
pub(crate) type Owed = (String, String);

/// One side: promises the service acknowledged. The other: tokens that clients accepted.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    promised: BTreeMap<Owed, String>,
    arrived: BTreeMap<Owed, usize>,
    jtis: BTreeSet<String>,
}

/// What a token says, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) aud: String,
    pub(crate) sid: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) jti: String,
    pub(crate) kid: Option<String>,
}

impl Ledger {
    /// The service has acknowledged this event, which owes tokens to these sessions.
    pub(crate) fn promise(&mut self, event: &str, owed: impl IntoIterator<Item = Owed>) {
        for session in owed {
            self.promised.insert(session, event.to_owned());
        }
    }

    /// What a client was sent and answered with 2xx. Fails on a `jti` seen before.
    pub(crate) fn arrive(&mut self, posts: &[Post]) {
        for post in posts {
            let token = Token::read(&post.token);
            assert!(self.jtis.insert(token.jti.clone()), "a jti was used twice: {}", token.jti);
            if (200..300).contains(&post.status) {
                *self.arrived.entry((token.aud, token.sid.unwrap_or_default())).or_default() += 1;
            }
        }
    }

    /// How many deliveries were promised.
    pub(crate) fn promised(&self) -> usize {
        self.promised.len()
    }

    /// How many of the promised are not in these posts, whatever has arrived before.
    pub(crate) fn missing(&self, posts: &[Post]) -> usize {
        let accepted =
            posts.iter().filter(|post| (200..300).contains(&post.status)).map(|post| Token::read(&post.token));
        let arrived: BTreeSet<Owed> = accepted.map(|token| (token.aud, token.sid.unwrap_or_default())).collect();
        self.promised.keys().filter(|owed| !arrived.contains(*owed)).count()
    }

    /// Promised and not arrived, with the event.
    pub(crate) fn lost(&self) -> Vec<(&Owed, &str)> {
        let missing = self.promised.iter().filter(|(session, _)| !self.arrived.contains_key(*session));
        missing.map(|(session, event)| (session, event.as_str())).collect()
    }

    /// Tokens accepted beyond the first of each session.
    pub(crate) fn duplicates(&self) -> usize {
        self.arrived.values().map(|times| times - 1).sum()
    }

    /// Arrived without a promise: the service may have recorded what it could not acknowledge.
    pub(crate) fn unpromised(&self) -> Vec<&Owed> {
        self.arrived.keys().filter(|session| !self.promised.contains_key(*session)).collect()
    }
}

impl Token {
    pub(crate) fn read(compact: &str) -> Self {
        let part = |index: usize| -> Value {
            let part = compact.split('.').nth(index).unwrap_or_else(|| panic!("not a token: {compact}"));
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
        };
        let (header, claims) = (part(0), part(1));
        let kid = header["kid"].as_str().map(str::to_owned);
        let claim = |name: &str| claims[name].as_str().map(str::to_owned);
        Self {
            aud: claim("aud").expect("aud"),
            sid: claim("sid"),
            sub: claim("sub"),
            jti: claim("jti").expect("jti"),
            kid,
        }
    }
}
