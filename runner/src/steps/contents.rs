//! Reading files of an image, by a container of it that is never started.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::TryStreamExt as _;

use super::{Site, StepError};

/// The most bytes that are read of one path, and of all.
const MOST_OF_ONE: usize = 48 * 1024 * 1024;
const MOST: usize = 64 * 1024 * 1024;
/// The most files of one folder.
const MOST_FILES: usize = 5_000;

impl Site {
    /// The files of an image at these paths, and those in them where they are folders, by their names as the engine tells
    /// them. What is not there, is a link, or is too large is left out.
    pub(crate) async fn contents(
        &self,
        (index, app): (u32, &str),
        image: &str,
        paths: &[&'static str],
    ) -> Result<BTreeMap<String, Vec<u8>>, StepError> {
        let mut blueprint = self.blueprint(index, app, image);
        // An image without a command has no container otherwise. Nothing is run.
        blueprint.command = Some(vec!["nothing".to_owned()]);
        let container = self.create(blueprint).await?;
        let mut found = BTreeMap::new();
        let mut left = MOST;
        for &path in paths {
            let archive = self.archive(container.id(), path, left.min(MOST_OF_ONE)).await?;
            left -= archive.len();
            let reading = tokio::task::spawn_blocking(move || files(path, archive));
            found.extend(reading.await.unwrap_or_default());
        }
        Ok(found)
    }

    /// What the engine has at a path, as a tar archive; empty where there is nothing, or more than `most` bytes.
    async fn archive(&self, container: &str, path: &str, most: usize) -> Result<Vec<u8>, StepError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut stream = std::pin::pin!(self.engine.download_from_container(container, Some(options)));
        let mut archive = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(part)) if archive.len() + part.len() <= most => archive.extend_from_slice(&part),
                Ok(Some(_)) => return Ok(Vec::new()),
                Ok(None) => return Ok(archive),
                Err(error) => {
                    let error = self.engine.error(format!("read {path} of the image"), &error);
                    return if error.is_not_found() { Ok(Vec::new()) } else { Err(error.into()) };
                }
            }
        }
    }
}

/// The files of an archive of a path. Anybody may have written it: names are names and nothing more, and lengths are not
/// believed.
fn files(path: &str, archive: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let whole = archive.len();
    let mut archive = tar::Archive::new(Cursor::new(archive));
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut found = Vec::new();
    for entry in archive.entries().into_iter().flatten().take(MOST_FILES) {
        // What follows a broken entry cannot be told.
        let Ok(entry) = entry else { break };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = format!("{parent}/{}", String::from_utf8_lossy(&entry.path_bytes()));
        let (size, mut content) = (entry.size(), Vec::new());
        // What was cut off ends early, and without an error.
        let read = entry.take(whole as u64).read_to_end(&mut content);
        if read.is_ok_and(|read| read as u64 == size) {
            found.push((name, content));
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_links_and_ruins_are_not() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        builder.append_data(&mut header.clone(), "status.d/base", &b"ok"[..]).unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "status.d/link", "/etc/shadow").unwrap();
        let archive = builder.into_inner().unwrap();
        let found = files("/var/lib/dpkg/status.d", archive.clone());
        assert_eq!(found, [("/var/lib/dpkg/status.d/base".to_owned(), b"ok".to_vec())]);
        assert_eq!(files("/x", archive[..512].to_vec()), [], "it was cut off");
        assert_eq!(files("/x", b"no archive".to_vec()), []);
    }
}
