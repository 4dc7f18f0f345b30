//! Why was a submission not accepted? Plain data between the HTTP door and the API.

/// Why a request was not accepted. Nothing of it was recorded: a batch is all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// 400: the body is malformed.
    #[error("{detail}")]
    Malformed {
        /// Which event of the batch, from 0.
        index: Option<usize>,
        /// The code.
        reason: &'static str,
        /// The JSON path and what is wrong there.
        detail: String,
    },
    /// 422: understood and not accepted: unknown issuer, issuer or bulk not allowed, unsupported scope.
    #[error("{detail}")]
    Unprocessable {
        /// Which event of the batch, from 0.
        index: Option<usize>,
        /// The code.
        reason: &'static str,
        /// The JSON path and what is wrong there.
        detail: String,
    },
    /// 415: not a content type of events.
    #[error("the content type must be application/cloudevents+json or application/cloudevents-batch+json")]
    UnsupportedMediaType,
    /// 413: too long, or too many events.
    #[error("{detail}")]
    TooLarge {
        /// Which event of the batch, from 0.
        index: Option<usize>,
        /// What is too large.
        detail: String,
    },
    /// 503: not recorded now; try again.
    #[error("events cannot be recorded now")]
    Unavailable,
    /// 422: the store refuses this data.
    #[error("the store refuses this data")]
    Refused,
}

impl SubmitError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { reason, .. } | Self::Unprocessable { reason, .. } => reason,
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
        }
    }

    /// Which event of the batch is at fault, from 0.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        match self {
            Self::Malformed { index, .. } | Self::Unprocessable { index, .. } | Self::TooLarge { index, .. } => *index,
            Self::UnsupportedMediaType | Self::Unavailable | Self::Refused => None,
        }
    }
}
