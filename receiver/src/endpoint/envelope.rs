//! What must be known of a request before its body is read, and how long may the body take?

use std::future::Future;
use std::time::Duration;

use super::{Answer, BODY_LIMIT, BackchannelLogout, form};
use crate::{LogoutError, LogoutToken, Reason};

/// How long a sender may take to deliver its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The headers that matter. Owned, because frameworks keep theirs in different crates.
pub(crate) struct Envelope {
    content_type: Option<String>,
    too_large: bool,
}

impl Envelope {
    pub(crate) fn new(content_type: Option<&str>, content_length: Option<&str>) -> Self {
        let length = content_length.and_then(|length| length.parse::<u64>().ok());
        Self {
            content_type: content_type.map(str::to_owned),
            too_large: length.is_some_and(|length| length > BODY_LIMIT as u64),
        }
    }

    /// The body, unless it is too large as declared, too large as read, or too slow.
    async fn token<B: AsRef<[u8]>>(self, body: impl Future<Output = Result<B, Reason>>) -> Result<String, Reason> {
        if self.too_large {
            return Err(Reason::BodyTooLarge);
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, body).await.unwrap_or(Err(Reason::BodyUnreadable))?;
        form::logout_token(self.content_type.as_deref(), body.as_ref())
    }
}

impl BackchannelLogout {
    /// The whole endpoint; the body is read when its turn comes, bounded by the caller.
    pub(crate) async fn answer<B: AsRef<[u8]>>(
        &self,
        envelope: Envelope,
        body: impl Future<Output = Result<B, Reason>>,
    ) -> Answer {
        match envelope.token(body).await {
            Ok(token) => self.tell(&self.logout(&token).await),
            Err(reason) => self.reject(reason),
        }
    }

    /// The verified token, and nothing done yet.
    pub(crate) async fn open_envelope<B: AsRef<[u8]>>(
        &self,
        envelope: Envelope,
        body: impl Future<Output = Result<B, Reason>>,
    ) -> Result<LogoutToken, LogoutError> {
        let opened = match envelope.token(body).await {
            Ok(token) => self.verifier.verify(&token).await,
            Err(reason) => Err(reason.into()),
        };
        opened.inspect_err(|error| drop(self.tell(&Err(error.clone()))))
    }
}
