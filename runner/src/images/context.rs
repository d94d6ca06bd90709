//! A build's context as a tar stream, made while it is sent.

use std::{
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::{ImageError, ImageRequest, dockerignore::DockerIgnore, from};
use crate::workspace::{Entry, EntryKind, Links, Walker, Workspace, WorkspaceError};

/// The largest Dockerfile or .dockerignore, in bytes.
const TEXT_LIMIT: u64 = 4 * 1024 * 1024;
/// How much of the stream waits in memory, in pieces of [`PIECE`] bytes.
const PIECES_WAITING: usize = 4;
const PIECE: usize = 64 * 1024;

/// Bounds of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContextLimits {
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// How many files and folders it may have.
    pub(crate) entries: u64,
}

impl Default for ContextLimits {
    fn default() -> Self {
        ContextLimits { bytes: 16 * 1024 * 1024 * 1024, entries: 2_000_000 }
    }
}

/// A context that is ready to be sent.
#[derive(Debug)]
pub(super) struct Context {
    walker: Walker,
    ignore: DockerIgnore,
    limits: ContextLimits,
    dockerfile: Vec<u8>,
    /// The Dockerfile's name within the stream.
    pub(super) dockerfile_name: String,
    /// What must be in the stream even if it is ignored.
    always: Vec<String>,
    /// The Dockerfile lies outside the context, is reached by a link, or was changed: it is added under a name of its own.
    added: bool,
}

impl Context {
    /// Finds the Dockerfile and the context in the workspace.
    pub(super) fn open(request: &ImageRequest, limits: ContextLimits) -> Result<Self, ImageError> {
        let workspace = &request.workspace;
        let folder = request.context.trim_matches('/');
        let folder = if folder.is_empty() { "." } else { folder };
        let dockerfile = workspace
            .read(&request.dockerfile, Links::Within, TEXT_LIMIT)?
            .ok_or_else(|| ImageError::NoDockerfile { path: request.dockerfile.clone(), app: request.app.clone() })?;
        let text = String::from_utf8_lossy(&dockerfile);
        let changed = from::replace(&text, &request.build_args, &request.bases);
        let walker = workspace
            .walker(folder)?
            .ok_or_else(|| ImageError::NoContext { path: folder.to_owned(), app: request.app.clone() })?;
        let ignore = ignore_file(workspace, folder, &request.dockerfile)?;
        let within = within(folder, &request.dockerfile);
        let plain = workspace.read(&request.dockerfile, Links::Refused, TEXT_LIMIT).is_ok();
        let (dockerfile_name, added) = match within {
            Some(path) if plain && changed.is_none() => (path, false),
            _ => (format!(".slipway-{}.dockerfile", ulid::Ulid::generate().to_string().to_ascii_lowercase()), true),
        };
        let always = vec![dockerfile_name.clone(), ".dockerignore".to_owned()];
        let dockerfile = changed.map_or(dockerfile, String::into_bytes);
        Ok(Context { walker, ignore, limits, dockerfile, dockerfile_name, always, added })
    }

    /// The context as a tar stream. A failure ends it with an error, which fails the build.
    pub(super) fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (sender, mut receiver) = mpsc::channel(PIECES_WAITING);
        tokio::task::spawn_blocking(move || {
            let failures = sender.clone();
            if let Err(error) = self.write(Pieces { sender, piece: Vec::with_capacity(PIECE) }) {
                // Nobody listens any more when the build was stopped.
                let _ = failures.blocking_send(Err(error));
            }
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
    }

    fn write(self, out: Pieces) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        archive.follow_symlinks(false);
        if self.added {
            let mut header = tar::Header::new_gnu();
            header.set_size(self.dockerfile.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, &self.dockerfile_name, self.dockerfile.as_slice())?;
        }
        let stopped = archive.get_ref().sender.clone();
        self.each(|| stopped.is_closed(), |entry| append(&mut archive, entry))?;
        archive.into_inner()?.flush()
    }

    /// The Dockerfile's text, as it would be sent.
    pub(super) fn dockerfile(&self) -> &[u8] {
        &self.dockerfile
    }

    /// Hands out every entry that belongs to the context, in the order of their names, until there is nobody to take them.
    pub(super) fn each(
        mut self,
        is_stopped: impl Fn() -> bool,
        mut take: impl FnMut(Entry) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut entries, mut bytes) = (0, 0);
        let whole_folders = self.ignore.leaves_out_whole_folders();
        let kept = |path: &Path| {
            let path = path.to_string_lossy();
            !self.ignore.ignores(&path) || is_or_holds(&self.always, &path)
        };
        // A folder in which everything is ignored is walked through without a word to whoever has stopped listening.
        let mut wanted = |path: &Path, is_folder: bool| !is_stopped() && ((is_folder && !whole_folders) || kept(path));
        while let Some(entry) = self.walker.next(&mut wanted)? {
            if matches!(entry.kind, EntryKind::Folder) && !kept(&entry.path) {
                continue;
            }
            entries += 1;
            if let EntryKind::File(_, size) = &entry.kind {
                bytes += size;
            }
            if entries > self.limits.entries || bytes > self.limits.bytes {
                return Err(io::Error::other(ImageError::ContextTooLarge { limit: self.limits.to_string() }));
            }
            take(entry)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for ContextLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB or {} files", self.bytes / (1024 * 1024), self.entries)
    }
}

fn is_or_holds(always: &[String], path: &str) -> bool {
    always.iter().any(|name| name == path || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

/// Owners are not kept, as `docker build` does not keep them either: the runner's users mean nothing in an image.
fn append(archive: &mut tar::Builder<Pieces>, entry: Entry) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_mtime(u64::try_from(entry.modified).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    match entry.kind {
        EntryKind::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            archive.append_data(&mut header, entry.path, io::empty())
        }
        EntryKind::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, entry.path, target)
        }
        EntryKind::File(file, size) => {
            header.set_size(size);
            // A file that shrinks or grows while it is read must not shift what follows it.
            let exact = io::Read::take(io::Read::chain(file, io::repeat(0)), size);
            archive.append_data(&mut header, entry.path, exact)
        }
    }
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, or `.dockerignore` in the context's root.
fn ignore_file(workspace: &Workspace, folder: &str, dockerfile: &str) -> Result<DockerIgnore, WorkspaceError> {
    for path in [format!("{dockerfile}.dockerignore"), format!("{folder}/.dockerignore")] {
        if let Some(bytes) = workspace.read(&path, Links::Within, TEXT_LIMIT)? {
            return Ok(DockerIgnore::parse(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(DockerIgnore::default())
}

/// The Dockerfile's path within the context, if it lies there.
fn within(folder: &str, dockerfile: &str) -> Option<String> {
    let dockerfile = dockerfile.trim_start_matches("./");
    let folder = folder.trim_start_matches("./");
    let rest = if folder == "." || folder.is_empty() {
        dockerfile
    } else {
        dockerfile.strip_prefix(folder)?.strip_prefix('/')?
    };
    (!rest.split('/').any(|part| part == "..")).then(|| rest.to_owned())
}

/// Cuts what is written into pieces and waits while enough of them are unsent.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(Bytes::from(piece))).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::{collections::BTreeMap, io::Read, os::unix::fs::symlink};

    use futures_util::TryStreamExt;

    use super::*;

    fn request(root: &Path, dockerfile: &str, context: &str) -> ImageRequest {
        ImageRequest {
            app: "web".to_owned(),
            dockerfile: dockerfile.to_owned(),
            context: context.to_owned(),
            ..ImageRequest::of(Workspace::open(root.to_owned()).unwrap())
        }
    }

    async fn sent(context: Context) -> BTreeMap<String, String> {
        let bytes: Vec<Bytes> = context.stream().try_collect().await.unwrap();
        let mut archive = tar::Archive::new(io::Cursor::new(bytes.concat()));
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            if let Some(target) = entry.link_name().unwrap() {
                text = format!("-> {}", target.display());
            }
            files.insert(path, text);
        }
        files
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("web/Dockerfile", "FROM scratch\n");
        write("web/src/main.js", "serve()");
        write("web/node_modules/big", "x");
        write("web/.dockerignore", "node_modules\nDockerfile\n");
        write("other/secret", "not in the context");
        symlink("../other", root.path().join("web/other")).unwrap();
        root
    }

    #[tokio::test]
    async fn the_context_is_sent_without_what_is_ignored_and_links_are_not_followed() {
        let root = tree();
        let context = Context::open(&request(root.path(), "web/Dockerfile", "web"), ContextLimits::default()).unwrap();
        assert_eq!(context.dockerfile_name, "Dockerfile");
        let files = sent(context).await;
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(names, [".dockerignore", "Dockerfile", "other", "src", "src/main.js"]);
        assert_eq!(files["other"], "-> ../other");
        assert_eq!(files["src/main.js"], "serve()");
    }

    #[tokio::test]
    async fn a_dockerfile_outside_the_context_is_sent_along() {
        let root = tree();
        let context =
            Context::open(&request(root.path(), "web/Dockerfile", "other"), ContextLimits::default()).unwrap();
        let name = context.dockerfile_name.clone();
        let files = sent(context).await;
        assert_eq!(files[&name], "FROM scratch\n");
        assert_eq!(files["secret"], "not in the context");
    }

    #[tokio::test]
    async fn what_is_missing_or_outside_is_named() {
        let root = tree();
        let open = |dockerfile, context| {
            Context::open(&request(root.path(), dockerfile, context), ContextLimits::default()).unwrap_err().to_string()
        };
        assert_eq!(
            open("web/Dockerfile.prod", "web"),
            "there is no Dockerfile at `web/Dockerfile.prod` in this commit: correct `build` of the app `web` in captain.yml"
        );
        assert_eq!(
            open("web/Dockerfile", "nowhere"),
            "there is no folder `nowhere` in this commit to build the app `web` from"
        );
        assert!(open("../Dockerfile", "web").contains("leads out of the checkout"));
        assert!(open("web/Dockerfile", "..").contains("leads out of the checkout"));
    }

    #[tokio::test]
    async fn a_context_beyond_its_bounds_fails_the_stream() {
        let root = tree();
        let limits = ContextLimits { bytes: 5, entries: 100 };
        let context = Context::open(&request(root.path(), "web/Dockerfile", "web"), limits).unwrap();
        let error = context.stream().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains("leave out what the image does not need"), "{error}");
    }
}
