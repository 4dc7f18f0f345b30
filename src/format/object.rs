//! How is a member read? Typed access to a JSON object; every refusal names its path.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Malformed;

/// Longest id (event, session, sid, sub, subject), in bytes.
pub(super) const MAX_ID: usize = 255;
/// Longest `client_id`, in bytes.
pub(super) const MAX_CLIENT_ID: usize = 512;
/// Longest issuer, in bytes.
pub(super) const MAX_ISSUER: usize = 512;

/// A JSON object and where it is. Optional members may be `null`, which means absent.
#[derive(Debug, Clone)]
pub(super) struct Object<'a> {
    members: &'a Map<String, Value>,
    path: String,
}

impl<'a> Object<'a> {
    /// The object at this path.
    pub(super) fn new(value: &'a Value, path: String) -> Result<Self, Malformed> {
        match value {
            Value::Object(members) => Ok(Self { members, path }),
            _ => Err(Malformed::at(&path, "must be an object")),
        }
    }

    /// The path of this member.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A refusal of this member.
    pub(super) fn wrong(&self, name: &str, what: &str) -> Malformed {
        Malformed::at(&self.path(name), what)
    }

    /// The member as it is, `null` included.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    /// The member unless it is absent or `null`.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.raw(name).filter(|value| !value.is_null())
    }

    /// A required text.
    pub(super) fn text(&self, name: &str, max: usize) -> Result<&'a str, Malformed> {
        self.optional_text(name, max)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// An optional text: not empty, not too long, no control characters.
    pub(super) fn optional_text(&self, name: &str, max: usize) -> Result<Option<&'a str>, Malformed> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(self.wrong(name, "must be a string")),
        };
        if text.is_empty() {
            return Err(self.wrong(name, "must not be empty"));
        }
        if text.len() > max {
            return Err(self.wrong(name, &format!("is longer than {max} bytes")));
        }
        if text.chars().any(char::is_control) {
            return Err(self.wrong(name, "contains a control character"));
        }
        Ok(Some(text))
    }

    /// An optional truth value, false where absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Malformed> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(name, "must be true or false")),
        }
    }

    /// An optional RFC 3339 instant in the years 2000 to 2200, in UTC and whole microseconds: what
    /// every store keeps without rounding.
    pub(super) fn instant(&self, name: &str) -> Result<Option<OffsetDateTime>, Malformed> {
        let Some(text) = self.optional_text(name, 64)? else { return Ok(None) };
        let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| self.wrong(name, "must be RFC 3339"))?;
        instant
            .checked_to_offset(time::UtcOffset::UTC)
            .filter(|utc| (2000..=2200).contains(&utc.year()))
            .and_then(|utc| utc.replace_microsecond(utc.microsecond()).ok())
            .map(Some)
            .ok_or_else(|| self.wrong(name, "must be in the years 2000 to 2200"))
    }

    /// A required object.
    pub(super) fn object(&self, name: &str) -> Result<Self, Malformed> {
        let value = self.get(name).ok_or_else(|| self.wrong(name, "is missing"))?;
        Self::new(value, self.path(name))
    }

    /// An optional list of objects, empty where absent.
    pub(super) fn objects(&self, name: &str, max: usize) -> Result<Vec<Self>, Malformed> {
        let items = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong(name, "must be an array")),
        };
        if items.len() > max {
            return Err(self.wrong(name, &format!("has more than {max} items")));
        }
        items.iter().enumerate().map(|(i, item)| Self::new(item, format!("{}[{i}]", self.path(name)))).collect()
    }
}
