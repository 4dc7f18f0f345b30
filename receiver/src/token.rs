//! What does a valid logout token say?

/// A logout token whose every check has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutToken {
    /// The issuer, as configured.
    pub iss: String,
    /// Everyone the token is addressed to; our own client id is among them.
    pub aud: Vec<String>,
    /// The one of them that is us.
    pub client_id: String,
    /// Whose sessions end.
    pub target: LogoutTarget,
    /// The token's own id: fresh for every attempt of a good sender.
    pub jti: String,
    /// Issued at, in seconds since the Unix epoch.
    pub iat: i64,
    /// Expires at, in seconds since the Unix epoch; absent only under [`ExpPolicy::IfPresent`](crate::claims::ExpPolicy).
    pub exp: Option<i64>,
    /// The last second at which the token passes the checks, by our clock, since the Unix epoch.
    pub valid_until: i64,
}

impl LogoutToken {
    /// The provider session, if the token names one.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.target.sid()
    }

    /// The user, if the token names one.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.target.sub()
    }
}

/// Whose sessions end; a token that names nobody cannot be expressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogoutTarget {
    /// One provider session.
    Session {
        /// The `sid` that this client saw in its ID token.
        sid: String,
    },
    /// One provider session, whose user is named as well. The session decides; the user only finds
    /// sessions that were stored without a `sid`.
    SessionOfSubject {
        /// The `sid` that this client saw in its ID token.
        sid: String,
        /// The `sub` that this client saw in its ID token.
        sub: String,
    },
    /// All sessions of a user at this client.
    Subject {
        /// The `sub` that this client saw in its ID token.
        sub: String,
    },
}

impl LogoutTarget {
    /// From the two claims; `None` if neither is there.
    #[must_use]
    pub fn from_claims(sid: Option<String>, sub: Option<String>) -> Option<Self> {
        match (sid, sub) {
            (Some(sid), Some(sub)) => Some(Self::SessionOfSubject { sid, sub }),
            (Some(sid), None) => Some(Self::Session { sid }),
            (None, Some(sub)) => Some(Self::Subject { sub }),
            (None, None) => None,
        }
    }

    /// The provider session, if it is named.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        match self {
            Self::Session { sid } | Self::SessionOfSubject { sid, .. } => Some(sid),
            Self::Subject { .. } => None,
        }
    }

    /// The user, if named.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        match self {
            Self::Subject { sub } | Self::SessionOfSubject { sub, .. } => Some(sub),
            Self::Session { .. } => None,
        }
    }
}
