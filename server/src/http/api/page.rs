//! Lists: a page at a time, each with the way to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::errors::Problem;

/// How many items a page has unless the request says otherwise.
const USUAL: u16 = 50;
/// The most items that a page has.
const MOST: u16 = 200;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(super) struct Page<T> {
    /// The items.
    items: Vec<T>,
    /// What to give as `cursor` for the next page; none on the last.
    next: Option<String>,
}

impl<T> Page<T> {
    /// The page with these items, of a list that says itself where the next begins.
    pub(super) fn new(items: Vec<T>, next: Option<String>) -> Self {
        Page { items, next }
    }
}

/// Which page is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// What the page before gave as `next`.
    pub(super) cursor: Option<String>,
    /// How many at most, from 1 to 200; 50 unless it is said.
    limit: Option<u16>,
}

impl Cursor {
    pub(super) fn new(cursor: Option<String>, limit: Option<u16>) -> Self {
        Cursor { cursor, limit }
    }

    /// How many items the page has at most.
    pub(super) fn most(&self) -> i64 {
        i64::from(self.limit())
    }

    /// How many rows to read: one more than the page holds, which tells whether there is another page.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.limit()) + 1
    }

    fn limit(&self) -> u16 {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }

    /// The cursor as what it stands for.
    pub(super) fn parsed<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        self.cursor
            .as_deref()
            .map(|text| text.parse().map_err(|_| Problem::bad_request("The cursor is not one that this list gave.")))
            .transpose()
    }

    /// The page of rows that were read, and where the next begins: behind the last row of this one.
    pub(super) fn page<Row, T>(
        &self,
        mut rows: Vec<Row>,
        cursor_of: impl Fn(&Row) -> String,
        view: impl FnMut(Row) -> T,
    ) -> Page<T> {
        let limit = usize::from(self.limit());
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor_of) } else { None };
        Page { items: rows.into_iter().map(view).collect(), next }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_has_no_next() {
        let cursor = Cursor { cursor: None, limit: Some(2) };
        assert_eq!(cursor.rows(), 3);
        let page = cursor.page(vec![9, 8, 7], i32::to_string, |row| row);
        assert_eq!((page.items, page.next.as_deref()), (vec![9, 8], Some("8")));
        let page = cursor.page(vec![7], i32::to_string, |row| row);
        assert_eq!((page.items, page.next), (vec![7], None));
    }

    #[test]
    fn limits_are_kept_in_bounds() {
        let asked = |limit| Cursor { cursor: None, limit }.rows();
        assert_eq!((asked(Some(0)), asked(None), asked(Some(u16::MAX))), (2, 51, 201));
        assert!(Cursor { cursor: Some("x".to_owned()), limit: None }.parsed::<i64>().is_err());
        assert_eq!(Cursor { cursor: Some("7".to_owned()), limit: None }.parsed::<i64>().unwrap(), Some(7));
    }
}
