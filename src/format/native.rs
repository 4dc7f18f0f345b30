//! What does a CloudEvents 1.0 body (structured JSON) say?

use serde_json::Value;
use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime};

use super::object::{MAX_CLIENT_ID, MAX_ID, MAX_ISSUER, Object};
use super::{Context, MAX_BATCH, MAX_BATCH_BODY, MAX_BODY, Malformed, Parsed, Reason};
use crate::model::{Cause, Closing, Event, EventKind, Issuer, LogoutRequest, NamedSession, Opening, Scope};

/// Most sessions a logout may name itself.
const MAX_SESSIONS: usize = 1000;
/// How far ahead of the store's clock an event may be.
const MAX_AHEAD: Duration = Duration::minutes(5);

/// Reads one event.
pub(super) fn parse(body: &[u8], ctx: &Context<'_>) -> Result<Parsed, Malformed> {
    if body.len() > MAX_BODY {
        return Err(Malformed::new(Reason::TooLarge, "$", &format!("is longer than {MAX_BODY} bytes")));
    }
    // `from_slice` of a `Value` describes the position of a mistake, never the text there.
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Malformed::at("$", &format!("is not JSON: {error}")))?;
    let envelope = Object::new(&value, "$".into())?;
    if envelope.text("specversion", MAX_ID)? != "1.0" {
        return Err(envelope.wrong("specversion", "must be \"1.0\""));
    }
    let id = envelope.text("id", MAX_ID)?;
    let source = envelope.text("source", MAX_ISSUER)?;
    let kind = envelope.text("type", MAX_ID)?;
    let time = happened(&envelope, ctx.now)?;
    json_content(&envelope)?;
    let issuer = ctx.issuer("$.source", source)?;
    let kind = match kind {
        "signoff.session.opened" => data(&envelope, issuer, opened).map(EventKind::Opened),
        "signoff.session.closed" => data(&envelope, issuer, closed).map(EventKind::Closed),
        "signoff.logout" => data(&envelope, issuer, |data, _| logout(data, ctx.allow_bulk)).map(EventKind::Logout),
        _ => return Ok(Parsed::Ignored(issuer.key)),
    }?;
    Ok(Parsed::Event(Event { issuer: issuer.key, id: id.into(), time, kind }))
}

/// Reads a batch: a JSON array of events, each within the limits of a single one.
pub(super) fn parse_batch(body: &[u8], ctx: &Context<'_>) -> Result<Vec<Parsed>, Malformed> {
    if body.len() > MAX_BATCH_BODY {
        return Err(Malformed::new(Reason::TooLarge, "$", &format!("is longer than {MAX_BATCH_BODY} bytes")));
    }
    let items: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| Malformed::at("$", &format!("is not an array of JSON objects: {}", position(&error))))?;
    if items.len() > MAX_BATCH {
        return Err(Malformed::new(Reason::TooLarge, "$", &format!("has more than {MAX_BATCH} events")));
    }
    items
        .iter()
        .enumerate()
        .map(|(index, item)| parse(item.get().as_bytes(), ctx).map_err(|refused| refused.in_batch(index)))
        .collect()
}

fn position(error: &serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

fn happened(envelope: &Object<'_>, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, Malformed> {
    let time = envelope.instant("time")?;
    if time.is_some_and(|time| time - now > MAX_AHEAD) {
        return Err(envelope.wrong("time", "is more than 5 minutes ahead"));
    }
    Ok(time)
}

fn json_content(envelope: &Object<'_>) -> Result<(), Malformed> {
    let Some(content) = envelope.optional_text("datacontenttype", MAX_ID)? else { return Ok(()) };
    let essence = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence.split_once('/').is_some_and(|(_, sub)| sub == "json" || sub.ends_with("+json"));
    if json { Ok(()) } else { Err(envelope.wrong("datacontenttype", "must be JSON")) }
}

/// Reads `data`; what is wrong there is wrong with an event of this issuer.
fn data<T>(
    envelope: &Object<'_>,
    issuer: &Issuer,
    read: impl FnOnce(&Object<'_>, &Issuer) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    envelope.object("data").and_then(|data| read(&data, issuer)).map_err(|refused| refused.of(issuer.key))
}

fn opened(data: &Object<'_>, issuer: &Issuer) -> Result<Opening, Malformed> {
    let session_id = data.text("session_id", MAX_ID)?;
    let subject = data.text("subject", MAX_ID)?;
    // `null` says that the client saw none; absence leaves it to the issuer's setting.
    let sid = match data.raw("sid") {
        None => issuer.sid_is_session_id.then_some(session_id),
        Some(_) => data.optional_text("sid", MAX_ID)?,
    };
    Ok(Opening {
        session_id: session_id.into(),
        subject: subject.into(),
        client_id: data.text("client_id", MAX_CLIENT_ID)?.into(),
        sid: sid.map(Into::into),
        sub: data.optional_text("sub", MAX_ID)?.unwrap_or(subject).into(),
        expires_at: data.instant("expires_at")?,
        offline: data.flag("offline")?,
    })
}

fn closed(data: &Object<'_>, _: &Issuer) -> Result<Closing, Malformed> {
    Ok(Closing {
        session_id: data.text("session_id", MAX_ID)?.into(),
        client_id: data.text("client_id", MAX_CLIENT_ID)?.into(),
    })
}

fn logout(data: &Object<'_>, allow_bulk: bool) -> Result<LogoutRequest, Malformed> {
    let cause = match data.optional_text("cause", MAX_ID)? {
        None => Cause::Unspecified,
        Some(name) => Cause::parse(name).ok_or_else(|| data.wrong("cause", "is not a known cause"))?,
    };
    Ok(LogoutRequest {
        scope: scope(data, allow_bulk)?,
        cause,
        initiator: data.optional_text("initiator", MAX_CLIENT_ID)?.map(Into::into),
        exclude_initiator: data.flag("exclude_initiator")?,
        sessions: sessions(data, allow_bulk)?,
    })
}

fn scope(data: &Object<'_>, allow_bulk: bool) -> Result<Scope, Malformed> {
    let session = data.optional_text("session_id", MAX_ID)?;
    let subject = data.optional_text("subject", MAX_ID)?;
    let client = data.optional_text("client_id", MAX_CLIENT_ID)?;
    match (session, subject, client, data.flag("all")?) {
        (Some(session), None, None, false) => Ok(Scope::Session { session_id: session.into() }),
        (None, Some(subject), client, false) => {
            Ok(Scope::Subject { subject: subject.into(), client_id: client.map(Into::into) })
        }
        (None, None, Some(client), false) => bulk(data, "client_id", Some(client), allow_bulk),
        (None, None, None, true) => bulk(data, "all", None, allow_bulk),
        (None, None, None, false) => {
            Err(Malformed::at("$.data", "has no scope: session_id, subject, client_id or all is missing"))
        }
        _ => Err(Malformed::at("$.data", "has more than one scope")),
    }
}

fn bulk(data: &Object<'_>, name: &str, client: Option<&str>, allowed: bool) -> Result<Scope, Malformed> {
    if !allowed {
        return Err(Malformed::new(Reason::BulkNotAllowed, &data.path(name), "alone is not allowed here"));
    }
    if data.raw("sessions").is_some() {
        return Err(data.wrong("sessions", "cannot be named where all are meant"));
    }
    Ok(Scope::Bulk { client_id: client.map(Into::into) })
}

fn sessions(data: &Object<'_>, allow_bulk: bool) -> Result<Vec<NamedSession>, Malformed> {
    let named = data.objects("sessions", MAX_SESSIONS)?;
    if !named.is_empty() && !allow_bulk {
        return Err(Malformed::new(Reason::BulkNotAllowed, &data.path("sessions"), "is not allowed here"));
    }
    named.iter().map(named_session).collect()
}

fn named_session(item: &Object<'_>) -> Result<NamedSession, Malformed> {
    let client_id = item.text("client_id", MAX_CLIENT_ID)?.to_owned();
    let sid = item.optional_text("sid", MAX_ID)?.map(Into::into);
    let sub = item.optional_text("sub", MAX_ID)?.map(Into::into);
    if sid.is_none() && sub.is_none() {
        return Err(item.wrong("sid", "and sub are both missing: a token needs one of them"));
    }
    Ok(NamedSession { client_id, sid, sub })
}

#[cfg(test)]
mod tests;
