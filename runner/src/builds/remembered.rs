//! What the last build of each ref began with, so that the next one may have it ready before it knows its plan.
//!
//! Pull requests and branches remember apart from each other, as everything does that one of them could leave to another.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use crate::{checkout::Mirrors, coordinator::BuildWork, steps::Beginning};

/// How many refs of a repository are remembered, the newest first.
const MOST_REFS: usize = 32;
/// The largest file that is read, in bytes. Nobody but the runner writes it.
const LARGEST: u64 = 1024 * 1024;

/// Where the beginning of one ref's builds is remembered.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    path: PathBuf,
    of: String,
}

impl Remembered {
    /// For builds like this one.
    pub(super) fn like(work: &BuildWork, mirrors: &Mirrors) -> Self {
        let whose = work.caches();
        Remembered { path: mirrors.notes(&work.repository), of: format!("{whose}\n{}", work.git_ref) }
    }

    /// How the last one began; nothing where that is not known.
    pub(super) async fn beginning(&self) -> Beginning {
        let this = self.clone();
        let found = spawn_blocking(move || read(&this.path).into_iter().find(|(of, _)| *of == this.of)).await;
        found.ok().flatten().map(|(_, beginning)| beginning).unwrap_or_default()
    }

    /// Notes how this one begins. What cannot be noted is not prepared next time.
    pub(super) async fn note(&self, beginning: &Beginning) {
        let (this, beginning) = (self.clone(), beginning.clone());
        let noted = spawn_blocking(move || {
            let mut all = read(&this.path);
            all.retain(|(of, _)| *of != this.of);
            all.insert(0, (this.of, beginning));
            all.truncate(MOST_REFS);
            write(&this.path, &all)
        });
        if let Ok(Err(error)) = noted.await {
            tracing::debug!(%error, "how a build begins was not noted");
        }
    }
}

fn read(path: &Path) -> Vec<(String, Beginning)> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
    read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Another build that writes at the same time has the lock; what a life of the runner that was killed left of one goes when
/// the next begins, as all locks in a mirror do.
fn write(path: &Path, all: &[(String, Beginning)]) -> io::Result<()> {
    let draft = path.with_extension("lock");
    let mut file = File::create_new(&draft)?;
    let text = serde_json::to_vec(all).map_err(io::Error::other);
    let written = text.and_then(|text| file.write_all(&text)).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn beginning(image: &str) -> Beginning {
        serde_json::from_value(serde_json::json!({"shell": null, "images": [image]})).unwrap()
    }

    #[tokio::test]
    async fn each_ref_has_its_own_memory_and_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| Remembered { path: folder.path().join("notes"), of: name.to_owned() };
        assert_eq!(of("main").beginning().await, Beginning::default());
        of("main").note(&beginning("a:1")).await;
        of("other").note(&beginning("b:1")).await;
        of("main").note(&beginning("a:2")).await;
        assert_eq!(of("main").beginning().await, beginning("a:2"));
        assert_eq!(of("other").beginning().await, beginning("b:1"));
        for number in 1..MOST_REFS {
            of(&format!("feature/{number}")).note(&beginning("c:1")).await;
        }
        assert_eq!(of("other").beginning().await, Beginning::default(), "the oldest is forgotten");
        assert_eq!(of("main").beginning().await, beginning("a:2"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_another_writes_or_nobody_can_read_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let main = Remembered { path: folder.path().join("notes"), of: "main".to_owned() };
        fs::write(folder.path().join("notes.lock"), "").unwrap();
        main.note(&beginning("a:1")).await;
        assert_eq!(main.beginning().await, Beginning::default());
        fs::remove_file(folder.path().join("notes.lock")).unwrap();
        fs::write(folder.path().join("notes"), "[[").unwrap();
        assert_eq!(main.beginning().await, Beginning::default());
        main.note(&beginning("a:1")).await;
        assert_eq!(main.beginning().await, beginning("a:1"));
        let gone = Remembered { path: folder.path().join("no mirror/notes"), ..main };
        gone.note(&beginning("a:1")).await;
        assert_eq!(gone.beginning().await, Beginning::default());
    }
}
