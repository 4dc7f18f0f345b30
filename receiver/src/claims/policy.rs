//! What does a relying party insist on in the claims?

use std::time::Duration;

/// Whether a token must say when it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpPolicy {
    /// `exp` is required, as the specification says since its first errata.
    #[default]
    Required,
    /// For older providers: checked where it is there; the maximum age alone bounds the others.
    IfPresent,
}

/// What to do with a token that is addressed to several clients and has no `azp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MultiAudience {
    /// Accept it if we are among them.
    #[default]
    Accept,
    /// Refuse it.
    RequireAzp,
}

/// Whether a token must have an id of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JtiPolicy {
    /// `jti` is required, as the specification says.
    #[default]
    Required,
    /// For providers that leave it out: a hash of the token stands in for it, so that the same token sent
    /// again is still known.
    HashIfAbsent,
}

/// What [`check`](ClaimsPolicy::check) insists on.
#[derive(Debug, Clone)]
pub struct ClaimsPolicy {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(super) exp: ExpPolicy,
    pub(super) multi_audience: MultiAudience,
    pub(super) max_age: Option<i64>,
    pub(super) skew: i64,
    pub(super) require_sid: bool,
    pub(super) ignore_trailing_slash: bool,
}

impl ClaimsPolicy {
    /// The defaults: `exp` required, 60 s of clock skew, at most 10 minutes old.
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            exp: ExpPolicy::default(),
            multi_audience: MultiAudience::default(),
            max_age: Some(600),
            skew: 60,
            require_sid: false,
            ignore_trailing_slash: false,
        }
    }

    /// Whether `exp` must be there.
    #[must_use]
    pub fn exp(mut self, policy: ExpPolicy) -> Self {
        self.exp = policy;
        self
    }

    /// What to do with several audiences and no `azp`.
    #[must_use]
    pub fn multi_audience(mut self, policy: MultiAudience) -> Self {
        self.multi_audience = policy;
        self
    }

    /// How old `iat` may be, on top of the skew; `None` switches the check off.
    #[must_use]
    pub fn max_age(mut self, age: Option<Duration>) -> Self {
        self.max_age = age.map(seconds);
        self
    }

    /// How far the provider's clock and ours may be apart, either way.
    #[must_use]
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = seconds(skew);
        self
    }

    /// Refuse tokens without `sid`: for clients registered with
    /// `backchannel_logout_session_required`.
    #[must_use]
    pub fn require_sid(mut self, required: bool) -> Self {
        self.require_sid = required;
        self
    }

    /// Take `https://idp.example.com` and `https://idp.example.com/` for the same issuer.
    #[must_use]
    pub fn ignore_trailing_slash(mut self, ignore: bool) -> Self {
        self.ignore_trailing_slash = ignore;
        self
    }

    /// Whether a token with this `iss` is from the issuer.
    pub(crate) fn is_from(&self, iss: &str) -> bool {
        if self.ignore_trailing_slash {
            iss.strip_suffix('/').unwrap_or(iss) == self.issuer.strip_suffix('/').unwrap_or(&self.issuer)
        } else {
            iss == self.issuer
        }
    }

    /// The issuer whose tokens pass.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The client the tokens must be addressed to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Whether anything bounds how long a token can be used.
    #[must_use]
    pub fn bounds_lifetime(&self) -> bool {
        self.max_age.is_some() || self.exp == ExpPolicy::Required
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
