//! The clock of a real process, which a test sets while it runs, by the library of `faketime`. Its steady clock and the
//! times of its files stay the machine's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::slipway::Setup;

/// The name of the library for processes with many threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clock of one process, or of several that are to agree.
#[derive(Debug)]
pub struct SetClock(TempDir);

impl Default for SetClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SetClock {
    /// A clock that shows what the machine's does.
    ///
    /// # Panics
    /// When there is no temporary directory.
    #[must_use]
    pub fn new() -> Self {
        let clock = SetClock(tempfile::tempdir().expect("a temporary directory"));
        clock.set_by(0);
        clock
    }

    /// Sets it to so many seconds before the machine's clock, or behind it by a negative number.
    ///
    /// # Panics
    /// When that cannot be written.
    pub fn set_by(&self, seconds: i64) {
        let draft = self.0.path().join("draft");
        fs::write(&draft, format!("{seconds:+}")).expect("the draft");
        fs::rename(draft, self.file()).expect("the clock's file");
    }

    /// A server with this clock.
    #[must_use]
    pub fn of(&self, setup: Setup) -> Setup {
        self.variables().iter().fold(setup, |setup, (name, value)| setup.with(name, value))
    }

    /// What a process with this clock has in its environment.
    ///
    /// # Panics
    /// When `faketime` is not installed.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("clock")
    }
}

/// Debian keeps libraries in a folder for each kind of machine.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = [Path::new("/usr/lib").to_owned()].into_iter().chain(folders).map(|folder| folder.join(LIBRARY));
    found.find(|path| path.exists()).expect("libfaketime is missing: apt-get install faketime")
}
