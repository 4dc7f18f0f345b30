//! Why was a submission not accepted? Plain data between the HTTP door and the API.

/// Why nothing of a submission was recorded. A batch is all or nothing; `index` counts from 0
/// and names the event that is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// An event cannot be read.
    #[error("event {index} is malformed ({reason}): {detail}")]
    Malformed {
        /// Which event.
        index: usize,
        /// A stable word.
        reason: String,
        /// For people: the JSON path and what is expected there, no values.
        detail: String,
    },
    /// The event's `source` is no configured issuer.
    #[error("event {index}: unknown issuer: {detail}")]
    UnknownIssuer {
        /// Which event.
        index: usize,
        /// For people.
        detail: String,
    },
    /// The caller may not speak for the event's issuer.
    #[error("event {index}: issuer not allowed: {detail}")]
    IssuerNotAllowed {
        /// Which event.
        index: usize,
        /// For people.
        detail: String,
    },
    /// The event needs the scope `bulk`.
    #[error("event {index}: bulk not allowed: {detail}")]
    BulkNotAllowed {
        /// Which event.
        index: usize,
        /// For people.
        detail: String,
    },
    /// The logout's scope is one this version does not carry out.
    #[error("event {index}: unsupported scope: {detail}")]
    UnsupportedScope {
        /// Which event.
        index: usize,
        /// For people.
        detail: String,
    },
    /// The store refuses the event's data.
    #[error("event {index} is refused: {detail}")]
    Refused {
        /// Which event.
        index: usize,
        /// For people.
        detail: String,
    },
    /// The content type is none this door reads.
    #[error("the content type is not supported")]
    UnsupportedMediaType,
    /// An event, or the batch, is too large.
    #[error("the body is too large")]
    TooLarge,
    /// The store cannot be reached: nothing is recorded, try again.
    #[error("the store is unavailable")]
    Unavailable,
}
