//! What do we do about it? Exactly three answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an outcome leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The client has it.
    Delivered,
    /// Due again after this delay.
    RetryIn(Duration),
    /// Given up.
    Abandon(AbandonReason),
}

/// Why a delivery was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AbandonReason {
    /// The client refused every fresh token.
    Refused,
    /// The URI is not a back-channel logout endpoint.
    Misdirected,
    /// The client answers 5xx to this while it accepts others.
    Failing,
    /// Not reached within the retry window.
    Exhausted,
    /// The address stayed forbidden.
    Blocked,
    /// No key for the client's algorithm turned up.
    Unsignable,
}

impl AbandonReason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::Misdirected, Self::Failing, Self::Exhausted, Self::Blocked, Self::Unsignable];

    /// The name used in metrics and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Misdirected => "misdirected",
            Self::Failing => "failing",
            Self::Exhausted => "exhausted",
            Self::Blocked => "blocked",
            Self::Unsignable => "unsignable",
        }
    }
}

/// Why a session that a logout covers is not sent a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The client is not registered; due when it gets a URI.
    UnknownClient,
    /// The client has no `backchannel_logout_uri`; due when it gets one.
    NoLogoutUri,
    /// The client requires a `sid` and the session has none.
    NoSid,
    /// The client does not want this cause.
    CauseNotWanted,
    /// The client started the logout and asked to be left out.
    InitiatorExcluded,
    /// The session is offline and this cause spares it.
    Offline,
    /// Another delivery of the same logout tells the client about all of the user's sessions.
    Covered,
}

impl SkipReason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::UnknownClient,
        Self::NoLogoutUri,
        Self::NoSid,
        Self::CauseNotWanted,
        Self::InitiatorExcluded,
        Self::Offline,
        Self::Covered,
    ];

    /// The name used in metrics and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::NoLogoutUri => "no_logout_uri",
            Self::NoSid => "no_sid",
            Self::CauseNotWanted => "cause_not_wanted",
            Self::InitiatorExcluded => "initiator_excluded",
            Self::Offline => "offline",
            Self::Covered => "covered",
        }
    }

    /// Whether the session stays in the registry, so that a later logout still finds it.
    #[must_use]
    pub const fn keeps_session(self) -> bool {
        matches!(self, Self::CauseNotWanted | Self::InitiatorExcluded | Self::Offline)
    }

    /// Whether the delivery becomes due once the client has a URI.
    #[must_use]
    pub const fn waits_for_uri(self) -> bool {
        matches!(self, Self::UnknownClient | Self::NoLogoutUri)
    }
}
