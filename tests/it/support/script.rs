//! What does a scripted receiver do with a request? Steps, one per request, the last one for ever.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What becomes of one request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// An answer, after a while.
    Answer(Answer),
    /// This status, and the request's own body.
    Echo(u16),
    /// Read, and never answered.
    Hang,
    /// Read, and the connection is closed.
    Close,
    /// Read, and the connection is reset.
    Reset,
    /// Headers that drip, a byte each time, and never end.
    DripsHeaders,
    /// This status, and a body that drips.
    DripsBody(u16),
    /// This status, and a body without an end.
    Endless(u16),
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) delay: RangeInclusive<Duration>,
}

/// The steps of a receiver.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    first: Vec<Step>,
    then: Step,
}

/// Answers with this status.
pub(crate) fn answer(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: String::new(), delay: Duration::ZERO..=Duration::ZERO }
}

impl Answer {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        self.after_some(delay..=delay)
    }

    /// After a random while.
    pub(crate) fn after_some(mut self, delay: RangeInclusive<Duration>) -> Self {
        self.delay = delay;
        self
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        format!("{head}\r\n{}", self.body).into_bytes()
    }
}

impl Script {
    /// The same for every request.
    pub(crate) fn always(step: impl Into<Step>) -> Self {
        Self { first: Vec::new(), then: step.into() }
    }

    /// This for the first so many requests, then what the script did so far.
    pub(crate) fn after_first(mut self, times: usize, step: impl Into<Step>) -> Self {
        self.first.splice(0..0, vec![step.into(); times]);
        self
    }

    /// The step of the next request.
    pub(crate) fn next(&mut self) -> Step {
        if self.first.is_empty() { self.then.clone() } else { self.first.remove(0) }
    }
}

impl From<Answer> for Step {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<Answer> for Script {
    fn from(answer: Answer) -> Self {
        Self::always(answer)
    }
}

impl From<Step> for Script {
    fn from(step: Step) -> Self {
        Self::always(step)
    }
}
