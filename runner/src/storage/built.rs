//! The images that builds have pushed from here. The engine keeps each under the tag that it was pushed as, and a record says
//! so: no label would do, as whatever a person builds on such an image has its labels, too.

use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{InUse, Records, records::Record};

/// The names that builds of this runner have given to images.
#[derive(Debug, Clone)]
pub(crate) struct BuiltImages(Records);

/// What is known of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BuiltImage {
    /// Whose it is: the repository's id and the app.
    pub(super) of: String,
    /// The name with its tag.
    pub(super) name: String,
    /// The image's id when it got the name.
    pub(super) id: String,
}

impl BuiltImages {
    pub(crate) fn new(records: Records) -> Self {
        BuiltImages(records)
    }

    /// Notes that an image is about to get a name, and keeps it until this is dropped.
    pub(crate) fn begin(&self, repository: &str, app: &str, name: &str, id: &str) -> InUse {
        let image = BuiltImage { of: format!("{repository}/{app}"), name: name.to_owned(), id: id.to_owned() };
        // A note that cannot be written is none that can be read: then the image is nobody's, and stays.
        self.0.begin(&key(name), &serde_json::to_string(&image).unwrap_or_default())
    }

    /// Every one of them, with its record.
    pub(super) fn all(&self) -> io::Result<Vec<(BuiltImage, Record)>> {
        let noted = |record: Record| Some((serde_json::from_str(&record.note).ok()?, record));
        Ok(self.0.all()?.into_iter().filter_map(noted).collect())
    }

    /// Whether a build uses the name now.
    pub(super) fn is_in_use(&self, name: &str) -> bool {
        self.0.is_in_use(&key(name))
    }

    /// Forgets a name that is gone, or means something else.
    pub(super) fn forget(&self, name: &str) {
        self.0.forget(&key(name));
    }
}

/// The name of a record: a file's, whatever the image is called.
fn key(name: &str) -> String {
    Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}
