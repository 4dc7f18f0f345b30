//! What is kept of a login in Redis?

use serde::{Deserialize, Serialize};

use crate::shared::Key;
use crate::{Login, Registration, SessionAge, StoreError};

/// Read by the scripts as well. Numbers are strings: a script would read them as floating point.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    id: String,
    /// JSON, compared as text.
    login: String,
    checks: Vec<(String, String)>,
    last: String,
}

impl Record {
    pub(super) fn new(session: &Registration, age: &SessionAge) -> Result<Self, StoreError> {
        let check = |check: crate::registry::Check| (Key::name(&check.name).into_string(), check.since.to_string());
        Ok(Self {
            id: session.local_id.clone(),
            login: text(&session.login)?,
            checks: session.login.checks().map(check).to_vec(),
            last: age.last_second(&session.login).to_string(),
        })
    }

    pub(super) fn to_text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(StoreError::new)
    }

    pub(super) fn read(text: &str) -> Result<Registration, StoreError> {
        let record: Self = serde_json::from_str(text).map_err(StoreError::new)?;
        let login = serde_json::from_str(&record.login).map_err(StoreError::new)?;
        Ok(Registration::new(record.id, login))
    }
}

pub(super) fn text(login: &Login) -> Result<String, StoreError> {
    serde_json::to_string(login).map_err(StoreError::new)
}
