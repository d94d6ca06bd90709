//! `slipway detect`.

use clap::Args;
use slipway_pipelines::{detect::captain_yml, parse::FILE_NAME};

use crate::cli::{Failure, say, tree::WorkingTree};

/// Prints the captain.yml that auto-detection implies.
#[derive(Debug, Args)]
pub(in crate::cli) struct Detect {
    /// Writes it to captain.yml, unless there is one.
    #[arg(long)]
    write: bool,
}

impl Detect {
    pub(in crate::cli) fn run(&self, namespace: &str) -> Result<(), Failure> {
        let tree = WorkingTree::open(&std::env::current_dir()?, namespace)?;
        let text = captain_yml(&tree.detected()?);
        if !self.write {
            return Ok(say(text.trim_end())?);
        }
        let path = tree.root.join(FILE_NAME);
        let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::new(format!("there is a captain.yml already, and it stays: {}", path.display()))
            }
            _ => Failure::new(format!("{}: {error}", path.display())),
        })?;
        Ok(say(format_args!("wrote {}", path.display()))?)
    }
}
