//! Why did the session end?

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a logout happened (DESIGN: causes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The user signed out.
    UserLogout,
    /// The provider ended the session on the user's behalf.
    IdpLogout,
    /// The provider session reached its end.
    SessionExpired,
    /// Somebody revoked the session.
    SessionRevoked,
    /// The password changed.
    PasswordChanged,
    /// The login name or address changed.
    IdentifierChanged,
    /// A second factor changed.
    MfaChanged,
    /// The account was disabled.
    AccountDisabled,
    /// The account was deleted.
    AccountDeleted,
    /// A risk engine ended the session.
    Risk,
    /// Not said.
    #[default]
    Unspecified,
}

impl Cause {
    /// Every cause, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::UserLogout,
        Self::IdpLogout,
        Self::SessionExpired,
        Self::SessionRevoked,
        Self::PasswordChanged,
        Self::IdentifierChanged,
        Self::MfaChanged,
        Self::AccountDisabled,
        Self::AccountDeleted,
        Self::Risk,
        Self::Unspecified,
    ];

    /// The name used in events, the API and `logout_reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserLogout => "user_logout",
            Self::IdpLogout => "idp_logout",
            Self::SessionExpired => "session_expired",
            Self::SessionRevoked => "session_revoked",
            Self::PasswordChanged => "password_changed",
            Self::IdentifierChanged => "identifier_changed",
            Self::MfaChanged => "mfa_changed",
            Self::AccountDisabled => "account_disabled",
            Self::AccountDeleted => "account_deleted",
            Self::Risk => "risk",
            Self::Unspecified => "unspecified",
        }
    }

    /// The cause of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    /// Whether `offline` sessions outlive a logout of this cause by default.
    #[must_use]
    pub const fn spares_offline(self) -> bool {
        matches!(self, Self::UserLogout | Self::IdpLogout | Self::SessionExpired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_found_by_its_name() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        assert_eq!(Cause::parse("User_Logout"), None);
    }
}
