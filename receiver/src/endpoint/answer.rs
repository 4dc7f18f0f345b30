//! What does the sender hear?

use serde_json::json;

use crate::LogoutError;

/// An HTTP answer, for any framework to send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// 200, 400, 405 or 503; 304 too for the script of the feature `events`.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, &'static str)>,
    /// JSON, or empty.
    pub body: String,
}

/// 33: on every answer.
const NO_STORE: (&str, &str) = ("Cache-Control", "no-store");

impl Answer {
    /// 31: the sessions are gone, or were gone before.
    #[must_use]
    pub fn done() -> Self {
        Self { status: 200, headers: vec![NO_STORE], body: String::new() }
    }

    /// 29, 31, 32: refused for good with 400, or not possible now with 503. The body has the members
    /// `error` and `error_description` of the specification, and `reason`, the stable code.
    #[must_use]
    pub fn error(error: &LogoutError) -> Self {
        let (status, name, reason, description) = match error {
            LogoutError::Rejected(reason) => (400, "invalid_request", reason.code(), reason.description()),
            LogoutError::Unavailable(cause) => (503, "temporarily_unavailable", cause.code(), cause.description()),
        };
        let body = json!({"error": name, "error_description": description, "reason": reason});
        Self { status, headers: vec![NO_STORE, ("Content-Type", "application/json")], body: body.to_string() }
    }

    /// Anything but POST.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self { status: 405, headers: vec![NO_STORE, ("Allow", "POST")], body: String::new() }
    }
}
