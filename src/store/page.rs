//! Where does a page start and end? Below the last row's number, and one row more than asked for.

use super::StoreError;
use super::rows::code;
use super::views::{Page, PageOf};
use crate::model::SkipReason;

/// Deliveries shown with one logout.
pub(super) const DETAIL: i64 = 1000;

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
