//! Is the claim there, and of the right type? Absent and wrong are different answers.

use serde_json::{Map, Value};

/// The last second of the year 9999; what lies beyond is no date.
const LAST_SECOND: i64 = 253_402_300_799;

/// The claim is there, but is not what it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongType;

/// A string that is not empty.
pub(super) fn text<'a>(payload: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, WrongType> {
    match payload.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(WrongType),
    }
}

/// A `NumericDate` of RFC 7519 in whole seconds; fractions are legal and cut off.
pub(super) fn date(payload: &Map<String, Value>, name: &str) -> Result<Option<i64>, WrongType> {
    let Some(value) = payload.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| value.as_f64().and_then(whole)).ok_or(WrongType)?;
    if (0..=LAST_SECOND).contains(&seconds) { Ok(Some(seconds)) } else { Err(WrongType) }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked, the fraction is meant to go")]
fn whole(seconds: f64) -> Option<i64> {
    (0.0..1e12).contains(&seconds).then_some(seconds as i64)
}

/// A string or a list of strings, at least one.
pub(super) fn audience(payload: &Map<String, Value>) -> Option<Vec<String>> {
    match payload.get("aud")? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) if !many.is_empty() => many.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
