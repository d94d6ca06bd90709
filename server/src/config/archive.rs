//! The keys of `[archive]`.

use std::path::PathBuf;

use url::Url;

use super::{ConfigError, file::ArchiveSection, resolve::web_address};
use crate::secrets::Secret;

/// Where finished logs are kept outside of the database.
#[derive(Debug, Clone, Default)]
pub struct ArchiveSettings {
    /// Where; none where they stay in the database.
    pub place: Option<ArchivePlace>,
    /// The address of the bucket's store; none for that of Amazon's region.
    pub endpoint: Option<Url>,
    /// The bucket's region.
    pub region: Option<String>,
    /// The access key's id, and the secret of it; none where the machine has a role of its own.
    pub key: Option<(String, Secret)>,
}

/// Kinds of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePlace {
    /// A folder, by its absolute path.
    Folder(PathBuf),
    /// A bucket of Amazon S3, or of a store that speaks its protocol.
    Bucket {
        /// The bucket's name.
        name: String,
        /// What the names of all objects begin with; empty for nothing.
        prefix: String,
    },
}

/// What goes over the file.
pub(super) struct Overrides {
    pub(super) url: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) access_key_id: Option<String>,
    pub(super) secret_access_key: Option<Secret>,
}

pub(super) fn resolve(file: ArchiveSection, over: Overrides) -> Result<ArchiveSettings, ConfigError> {
    let place = over.url.or(file.url).map(|url| place(&url)).transpose()?;
    let endpoint = web_address("archive.endpoint", over.endpoint.or(file.endpoint))?;
    let id = over.access_key_id.or(file.access_key_id);
    let key = match (id, over.secret_access_key) {
        (Some(id), Some(secret)) => Some((id, secret)),
        (None, None) => None,
        (Some(_), None) => return Err(half("archive.access_key_id", "SLIPWAY_ARCHIVE_SECRET_ACCESS_KEY")),
        (None, Some(_)) => return Err(half("SLIPWAY_ARCHIVE_SECRET_ACCESS_KEY", "archive.access_key_id")),
    };
    Ok(ArchiveSettings { place, endpoint, region: over.region.or(file.region), key })
}

fn half(given: &'static str, missing: &'static str) -> ConfigError {
    let remedy = "an access key has both parts, as docs/operations.md shows under “The archive of logs”";
    ConfigError::Incomplete { given, missing, remedy }
}

fn place(text: &str) -> Result<ArchivePlace, ConfigError> {
    let invalid = |reason: &str| ConfigError::Invalid {
        key: "archive.url",
        value: text.to_owned(),
        reason: format!("{reason}; expected file:///FOLDER or s3://BUCKET/PREFIX"),
    };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(ConfigError::Invalid {
            key: "archive.url",
            value: "…".to_owned(),
            reason: "it holds more than a place; keys have settings of their own".to_owned(),
        });
    }
    match (url.scheme(), url.host_str()) {
        ("file", None) => {
            let folder = url.to_file_path().map_err(|()| invalid("it names no folder"))?;
            Ok(ArchivePlace::Folder(folder))
        }
        ("s3", Some(bucket)) => {
            Ok(ArchivePlace::Bucket { name: bucket.to_owned(), prefix: url.path().trim_matches('/').to_owned() })
        }
        _ => Err(invalid("no such place is known")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn resolved(url: &str, id: Option<&str>, secret: Option<&str>) -> Result<ArchiveSettings, String> {
        let over = Overrides {
            url: Some(url.to_owned()),
            endpoint: None,
            region: None,
            access_key_id: id.map(str::to_owned),
            secret_access_key: secret.map(Secret::new),
        };
        resolve(ArchiveSection::default(), over).map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        let place = |url| resolved(url, None, None).unwrap().place.unwrap();
        assert_eq!(place("file:///var/lib/logs"), ArchivePlace::Folder("/var/lib/logs".into()));
        let bucket = |prefix: &str| ArchivePlace::Bucket { name: "logs".to_owned(), prefix: prefix.to_owned() };
        assert_eq!((place("s3://logs"), place("s3://logs/slipway/one/")), (bucket(""), bucket("slipway/one")));
        for odd in ["logs", "file://server/logs", "gs://logs", "s3:///logs"] {
            assert!(resolved(odd, None, None).unwrap_err().contains("expected file:///FOLDER"), "{odd}");
        }
    }

    #[test]
    fn no_key_is_shown_and_none_is_halved() {
        let said = resolved("s3://id:hunter2@logs", None, None).unwrap_err();
        assert!(said.contains("keys have settings of their own") && !said.contains("hunter2"), "{said}");
        let said = resolved("s3://logs", Some("id"), None).unwrap_err();
        assert!(
            said.starts_with("archive.access_key_id is set, but SLIPWAY_ARCHIVE_SECRET_ACCESS_KEY is not"),
            "{said}"
        );
        let whole = resolved("s3://logs", Some("id"), Some("hunter2")).unwrap();
        assert!(!format!("{whole:?}").contains("hunter2"));
    }
}
