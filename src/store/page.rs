//! Where does a page start and end? Cursors, and one row more than asked for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::StoreError;
use super::rows::{SessionRow, code};
use super::views::{Page, PageOf};
use crate::model::SkipReason;

/// Deliveries shown with one logout.
pub(super) const DETAIL: i64 = 1000;

/// The last session of a page: (issuer, session id, client, sid).
pub(super) struct SessionCursor(pub(super) i32, pub(super) String, pub(super) i32, pub(super) String);

impl SessionCursor {
    pub(super) fn of(row: &SessionRow) -> Self {
        Self(row.issuer, row.session_id.clone(), row.client, row.sid.clone())
    }

    pub(super) fn text(&self) -> String {
        let parts = serde_json::json!([self.0, self.1, self.2, self.3]);
        URL_SAFE_NO_PAD.encode(parts.to_string())
    }

    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| bad(error.into()))?;
        let (issuer, session_id, client, sid) =
            serde_json::from_slice(&bytes).map_err(|error: serde_json::Error| bad(error.into()))?;
        Ok(Self(issuer, session_id, client, sid))
    }
}

fn bad(error: anyhow::Error) -> StoreError {
    StoreError::Poison(error.context("this is not a cursor of ours"))
}

/// The id that the next page stays below.
pub(super) fn before_id(page: &Page) -> Result<Option<i64>, StoreError> {
    page.after
        .as_deref()
        .map(|text| text.parse().map_err(|error: std::num::ParseIntError| bad(error.into())))
        .transpose()
}

/// One row more than the page holds tells whether there is another.
pub(super) fn ask(page: &Page) -> i64 {
    i64::from(page.limit) + 1
}

/// Cuts the extra row off and says where the next page starts.
pub(super) fn cut<T>(mut rows: Vec<T>, page: &Page, cursor: impl Fn(&T) -> String) -> PageOf<T> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(cursor) } else { None };
    PageOf { rows, next }
}

impl<T> PageOf<T> {
    pub(super) fn map<U>(self, each: impl FnMut(T) -> U) -> PageOf<U> {
        PageOf { rows: self.rows.into_iter().map(each).collect(), next: self.next }
    }
}

/// The code of the skip reason that no count shows.
pub(super) fn covered() -> i16 {
    code(&SkipReason::ALL, &SkipReason::Covered)
}
