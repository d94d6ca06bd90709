//! Lists of the server, for people.

use std::io::{self, Write as _};

use reqwest::Method;
use serde_json::Value;

use super::{Client, ClientError};

/// The most that a page of the API holds.
const PAGE: usize = 200;

impl Client {
    /// The items of a list, from as many of its pages as it takes to have `most` of them.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) async fn items(
        &self,
        path: &[&str],
        wanted: &[(&str, &str)],
        most: usize,
    ) -> Result<Vec<Value>, ClientError> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor = None;
        while items.len() < most {
            let limit = (most - items.len()).min(PAGE).to_string();
            let mut query = wanted.to_vec();
            query.push(("limit", &limit));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page: Value = self.clone().asking(&query).call(Method::GET, path, None::<&Value>).await?;
            items.extend(page["items"].as_array().into_iter().flatten().cloned());
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        items.truncate(most);
        Ok(items)
    }
}

/// Says beside the output what a program that reads it does not want: it goes to standard error.
pub(super) fn note(line: impl std::fmt::Display) {
    // Where standard error is gone, nobody waits for it.
    drop(writeln!(io::stderr(), "{line}"));
}

/// Says so where a list is empty, so that nobody wonders whether anything was asked.
pub(super) fn note_if_empty(items: &Value, line: &str) {
    if items.as_array().is_none_or(Vec::is_empty) {
        note(line);
    }
}
