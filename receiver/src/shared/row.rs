//! What is kept of a login in a table?

use super::Key;
use crate::{Registration, SessionAge, StoreError};

/// One login of a local session.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) session: String,
    pub(crate) client: String,
    pub(crate) by_sub: String,
    pub(crate) by_other: String,
    /// JSON: a NUL in it is escaped, which Postgres would refuse.
    pub(crate) registration: String,
    pub(crate) last_second: i64,
}

impl Row {
    pub(crate) fn new(session: &Registration, age: &SessionAge) -> Result<Self, StoreError> {
        let [by_sub, by_other] = session.login.names().map(|name| Key::name(&name).into_string());
        Ok(Self {
            session: Key::session(session).into_string(),
            client: Key::client(&session.login).into_string(),
            by_sub,
            by_other,
            registration: serde_json::to_string(session).map_err(StoreError::new)?,
            last_second: age.last_second(&session.login),
        })
    }
}

pub(crate) fn read(registration: &str) -> Result<Registration, StoreError> {
    serde_json::from_str(registration).map_err(StoreError::new)
}
