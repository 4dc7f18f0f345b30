//! What does the document say? JSON members that are read one by one and collect every mistake.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{FieldError, IdFrom, Unknown};
use crate::model::Cause;

/// A document's members. What is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Fields {
    left: Map<String, Value>,
    known: BTreeSet<&'static str>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// The members of an object; anything else is a mistake.
    pub(super) fn of(value: &Value) -> Result<Self, Vec<FieldError>> {
        let Value::Object(members) = value else {
            let message = format!("must be an object with the client's metadata, not {}", kind(value));
            return Err(vec![FieldError { field: String::new(), message }]);
        };
        Ok(Self { left: members.clone(), known: BTreeSet::new(), errors: Vec::new() })
    }

    /// Something is wrong with this member.
    pub(super) fn wrong(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.into(), message: message.into() });
    }

    /// JSON `null` is absent, as registration documents have it.
    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.insert(field);
        self.left.remove(field).filter(|value| !value.is_null())
    }

    /// True or false.
    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        let value = self.take(field)?;
        if value.as_bool().is_none() {
            self.wrong(field, format!("must be true or false, not {}", kind(&value)));
        }
        value.as_bool()
    }

    /// A string that parses.
    pub(super) fn parsed<T>(&mut self, field: &'static str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.take(field)?;
        self.parse_one(field, &value, parse)
    }

    fn parse_one<T>(&mut self, field: &str, value: &Value, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let parsed = match value.as_str() {
            Some(text) => parse(text),
            None => Err(format!("must be a string, not {}", kind(value))),
        };
        parsed.map_err(|message| self.wrong(field, message)).ok()
    }

    /// A list of strings that parse.
    pub(super) fn list<T>(&mut self, field: &'static str, parse: fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let value = self.take(field)?;
        let Some(items) = value.as_array() else {
            self.wrong(field, format!("must be a list of strings, not {}", kind(&value)));
            return None;
        };
        Some(items.iter().enumerate().filter_map(|(i, v)| self.parse_one(&format!("{field}[{i}]"), v, parse)).collect())
    }

    /// Causes, each once. An empty list is a mistake: such a client would never be told anything.
    pub(super) fn causes(&mut self, field: &'static str) -> Option<Vec<Cause>> {
        let before = self.errors.len();
        let mut causes = self.list(field, super::check::cause)?;
        if causes.is_empty() && self.errors.len() == before {
            self.wrong(field, "is empty, so the client would never be told; leave it out for all causes");
        }
        causes.sort_by_key(|cause| cause.as_str());
        causes.dedup();
        Some(causes)
    }

    /// The client's id.
    pub(super) fn client_id(&mut self, from: IdFrom<'_>) -> String {
        const FIELD: &str = "client_id";
        let said = self.left.get(FIELD).is_some_and(|value| !value.is_null());
        let id = self.parsed(FIELD, super::check::client_id);
        match (id, from) {
            (Some(id), IdFrom::Exactly(expected)) if id != expected => {
                self.wrong(FIELD, format!("is {id:?}, and the address says {expected:?}; make them the same"));
                id
            }
            (Some(id), _) => id,
            (None, _) if said => String::new(),
            (None, IdFrom::Default(id) | IdFrom::Exactly(id)) => match super::check::client_id(id) {
                Ok(id) => id,
                Err(message) => {
                    self.wrong(FIELD, message);
                    String::new()
                }
            },
            (None, IdFrom::Document) => {
                self.wrong(FIELD, "is missing; write the client's id at the issuer");
                String::new()
            }
        }
    }

    /// Whether all was well.
    pub(super) fn finish(mut self, unknown: Unknown) -> Result<(), Vec<FieldError>> {
        for field in std::mem::take(&mut self.left).into_iter().map(|(field, _)| field) {
            let near = nearest(&field, &self.known);
            match (unknown, near) {
                (Unknown::Ignore, _) | (Unknown::RefuseNearMisses, None) => {}
                (_, Some(near)) => self.wrong(field, format!("is not a key; did you mean `{near}`?")),
                (Unknown::Refuse, None) => {
                    let known = self.known.iter().copied().collect::<Vec<_>>().join(", ");
                    self.wrong(field, format!("is not a key; known here: {known}"));
                }
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

/// The member this one was probably meant to be. Two edits: registered names that resemble ours
/// (`client_uri`, `frontchannel_logout_uri`) are further away.
fn nearest(field: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    let field = field.to_lowercase().replace('-', "_");
    let scored = known.iter().map(|known| (strsim::osa_distance(&field, known), *known));
    scored.filter(|(edits, _)| *edits <= 2).min().map(|(_, known)| known)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
