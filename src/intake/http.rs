//! What does `POST /v1/events` do with a body? The route itself, tokens and problems are the API's.

use std::sync::Arc;

use super::group::Group;
use super::{AcceptError, Intake};
use crate::format::{self, Format, MAX_BATCH_BODY, MAX_BODY, Malformed, Parsed, Reason};
use crate::model::{Receipt, ReceiptStatus};
use crate::shutdown::Shutdown;

/// The `intake` label.
pub const NAME: &str = "http";

/// The HTTP door.
#[derive(Debug)]
pub struct Http {
    intake: Arc<Intake>,
    group: Group,
}

/// Why a request was not accepted. Nothing of it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// 400: the body is malformed. `index`: of the event in its batch.
    #[error("{detail}")]
    Malformed {
        /// Which event of the batch, from 0.
        index: Option<usize>,
        /// The code.
        reason: Reason,
        /// The JSON path and what is wrong there.
        detail: String,
    },
    /// 422: understood and not accepted: unknown issuer, issuer or bulk not allowed, unsupported scope.
    #[error("{detail}")]
    Unprocessable {
        /// Which event of the batch, from 0.
        index: Option<usize>,
        /// The code.
        reason: Reason,
        /// The JSON path and what is wrong there.
        detail: String,
    },
    /// 415: not a content type of events.
    #[error("the content type must be application/cloudevents+json or application/cloudevents-batch+json")]
    UnsupportedMediaType,
    /// 413: too long, or too many events. `index`: of the event in its batch.
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
    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::TooLarge { .. } => 413,
            Self::UnsupportedMediaType => 415,
            Self::Unprocessable { .. } | Self::Refused => 422,
            Self::Unavailable => 503,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { reason, .. } | Self::Unprocessable { reason, .. } => reason.code(),
            Self::TooLarge { .. } => Reason::TooLarge.code(),
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

impl From<Malformed> for SubmitError {
    fn from(refused: Malformed) -> Self {
        let Malformed { reason, index, detail, .. } = refused;
        match reason {
            Reason::Malformed => Self::Malformed { index, reason, detail },
            Reason::TooLarge => Self::TooLarge { index, detail },
            _ => Self::Unprocessable { index, reason, detail },
        }
    }
}

/// One event or an array of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    Batch,
}

impl Http {
    /// Opens the door; its flusher runs until the service stops.
    #[must_use]
    pub fn start(intake: Arc<Intake>, shutdown: &Shutdown) -> Self {
        let group = Group::start(Arc::clone(&intake), NAME, shutdown);
        Self { intake, group }
    }

    /// Longest body worth reading for this content type, in bytes.
    pub fn body_limit(content_type: &str) -> Result<usize, SubmitError> {
        Ok(match shape(content_type)? {
            Shape::One => MAX_BODY,
            Shape::Batch => MAX_BATCH_BODY,
        })
    }

    /// Records the events of one request, all or none; one receipt per event after the commit.
    ///
    /// `allowed_issuers`: short names the caller may speak for; `None`: all, an empty list: none.
    /// `allow_bulk`: whether logouts may name their sessions themselves.
    pub async fn submit(
        &self,
        content_type: &str,
        body: &[u8],
        allowed_issuers: Option<&[String]>,
        allow_bulk: bool,
    ) -> Result<Vec<Receipt>, SubmitError> {
        let shape = shape(content_type)?;
        let read = self.intake.read(allowed_issuers, allow_bulk, |ctx| match shape {
            Shape::One => format::parse(Format::Native, body, ctx).map(|parsed| vec![parsed]),
            Shape::Batch => format::parse_batch(Format::Native, body, ctx),
        });
        let parsed = read.await.map_err(|_| SubmitError::Unavailable)?.inspect_err(|refused| {
            self.intake.count_malformed(NAME, refused);
        })?;
        self.record(parsed, body.len()).await
    }

    async fn record(&self, parsed: Vec<Parsed>, body: usize) -> Result<Vec<Receipt>, SubmitError> {
        let mut ignored = Vec::with_capacity(parsed.len());
        let mut unit = Vec::with_capacity(parsed.len());
        for one in parsed {
            ignored.push(match one {
                Parsed::Event(event) => {
                    unit.push(event);
                    None
                }
                Parsed::Ignored(issuer) => Some(issuer),
            });
        }
        let recorded = if unit.is_empty() { Ok(Vec::new()) } else { self.group.submit(unit, body).await };
        let mut recorded = recorded
            .map_err(|error| match error {
                AcceptError::Refused => SubmitError::Refused,
                AcceptError::Unavailable => SubmitError::Unavailable,
            })?
            .into_iter();
        let receipts = ignored.into_iter().filter_map(|ignored| match ignored {
            None => recorded.next(),
            Some(issuer) => {
                self.intake.count_ignored(NAME, issuer);
                Some(Receipt { status: ReceiptStatus::Ignored, logout: None, owed: 0, skipped: 0, expanding: false })
            }
        });
        Ok(receipts.collect())
    }
}

fn shape(content_type: &str) -> Result<Shape, SubmitError> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents+json" | "application/json" => Ok(Shape::One),
        "application/cloudevents-batch+json" => Ok(Shape::Batch),
        _ => Err(SubmitError::UnsupportedMediaType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_how_much_to_read() {
        let table = [
            ("application/cloudevents+json", Ok(MAX_BODY)),
            ("application/json", Ok(MAX_BODY)),
            ("Application/CloudEvents+JSON; charset=UTF-8", Ok(MAX_BODY)),
            ("application/cloudevents-batch+json", Ok(MAX_BATCH_BODY)),
            ("text/plain", Err(SubmitError::UnsupportedMediaType)),
            ("", Err(SubmitError::UnsupportedMediaType)),
            ("application/cloudevents", Err(SubmitError::UnsupportedMediaType)),
        ];
        for (content_type, expected) in table {
            assert_eq!(Http::body_limit(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let table = [
            (Reason::Malformed, 400, "malformed"),
            (Reason::TooLarge, 413, "too_large"),
            (Reason::UnknownIssuer, 422, "unknown_issuer"),
            (Reason::IssuerNotAllowed, 422, "issuer_not_allowed"),
            (Reason::BulkNotAllowed, 422, "bulk_not_allowed"),
        ];
        for (reason, status, code) in table {
            let mut refused = Malformed::new(reason, "$.x", "is wrong");
            refused.index = Some(3);
            let error = SubmitError::from(refused);
            assert_eq!((error.status(), error.code(), error.index()), (status, code, Some(3)));
        }
    }
}
