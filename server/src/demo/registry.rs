//! The demo's image registry, distribution's in either case: Debian's program where it is installed, and otherwise a
//! container, for which the engine fetches the image.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use slipway_runner::engine::{Engine, EngineError, Helper};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use ulid::Ulid;

use super::{
    DemoError,
    parts::{self, Part},
    terminal::Terminal,
};

/// The program, as Debian's package has it.
const PROGRAM: &str = "docker-registry";
/// How long the container may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile, and how long one answer may take.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Where distribution's image listens and keeps its data inside.
const PORT: u16 = 5000;
const DATA: &str = "/var/lib/registry";
/// Settings of the image's own configuration file are changed by variables named for their places in it.
const SETTINGS: [(&str, &str); 4] = [
    ("REGISTRY_HTTP_ADDR", ":5000"),
    ("REGISTRY_LOG_LEVEL", "warn"),
    ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
    ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", DATA),
];

/// How the registry is going to run. Nothing was started yet.
pub(super) enum Plan {
    /// As the installed program.
    Program,
    /// As a container of an image that the engine holds.
    Container {
        /// The engine.
        engine: Engine,
        /// The image.
        image: String,
    },
}

/// A running registry.
pub(super) struct Registry {
    address: SocketAddr,
    form: Form,
}

enum Form {
    /// Dropped, it ends.
    Program { _part: Part },
    /// It stays until it is removed.
    Container(Container),
}

/// A container that is on the engine, or about to be. While this process lives, its lock says that it is wanted.
struct Container {
    engine: Engine,
    name: String,
    lock: PathBuf,
    _held: File,
}

impl Plan {
    /// Decides, and lets the engine fetch `image` if it is needed. It may be given up at any time, and leaves nothing.
    pub(super) async fn make(engine: Engine, image: &str, terminal: &Terminal) -> Result<Self, DemoError> {
        let tried = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        if !tried.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(Plan::Program);
        }
        if !engine.has_image(image).await? {
            terminal.running(&format!("{PROGRAM} is not installed: fetching the image {image}"));
            let pulled = engine.pull(image, None).await;
            pulled.map_err(|failure| DemoError::NoRegistry { image: image.to_owned(), failure })?;
        }
        Ok(Plan::Container { engine, image: image.to_owned() })
    }

    /// Starts the registry, with its files in `folder`. When it does not start, nothing of it stays.
    pub(super) async fn start(self, folder: &Path) -> Result<Registry, DemoError> {
        match self {
            Plan::Program => start_program(folder).await,
            Plan::Container { engine, image } => {
                let container = Container::named(engine, folder)?;
                match container.start(&image).await {
                    Ok(address) => Ok(Registry { address, form: Form::Container(container) }),
                    Err(error) => {
                        container.remove().await?;
                        Err(error)
                    }
                }
            }
        }
    }
}

impl Registry {
    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is, in a few words.
    pub(super) fn described(&self) -> String {
        match &self.form {
            Form::Program { .. } => format!("the installed {PROGRAM}"),
            Form::Container(container) => format!("the container {}", container.name),
        }
    }

    /// Ends it, and removes its data.
    pub(super) async fn end(self) -> Result<(), DemoError> {
        match self.form {
            Form::Program { .. } => Ok(()),
            Form::Container(container) => Ok(container.remove().await?),
        }
    }
}

async fn start_program(folder: &Path) -> Result<Registry, DemoError> {
    let address = parts::free_address()?;
    let config = format!(
        "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp: {{addr: \"{address}\"}}\n",
        folder.join("images").display()
    );
    let file = parts::write(folder, "registry.yml", &config)?;
    let arguments = ["serve".into(), file.display().to_string()];
    let part = Part::start(PROGRAM, Path::new(PROGRAM), &arguments, folder, address).await?;
    Ok(Registry { address, form: Form::Program { _part: part } })
}

impl Container {
    /// One of its own; it is on the engine only once it is started.
    fn named(engine: Engine, folder: &Path) -> io::Result<Self> {
        let name = format!("slipway-demo-registry-{}", Ulid::generate().to_string().to_ascii_lowercase());
        let lock = folder.join(format!("{name}.lock"));
        let held = File::create_new(&lock)?;
        held.lock()?;
        Ok(Container { engine, name, lock, _held: held })
    }

    async fn start(&self, image: &str) -> Result<SocketAddr, DemoError> {
        let Container { engine, name, lock, .. } = self;
        let helper = Helper { name, image, port: PORT, env: &SETTINGS, data: DATA, lock };
        let address = engine.start_helper(helper).await?;
        let url = format!("http://{address}/v2/");
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build()?;
        let failed = |reason| DemoError::Part { part: "the registry's container", reason };
        let deadline = Instant::now() + START_LIMIT;
        // The engine accepts connections to a published port before anybody listens inside.
        while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            if let Some(end) = engine.helper_end(name).await? {
                return Err(failed(end));
            }
            if Instant::now() > deadline {
                let said = engine.helper_says(name).await;
                return Err(failed(format!("{image} does not answer at {url}: {said}")));
            }
            sleep(ASK_EVERY).await;
        }
        Ok(address)
    }

    /// Nobody takes it for abandoned before it is gone: the lock is held until then.
    async fn remove(self) -> Result<(), EngineError> {
        self.engine.remove_helper(&self.name).await
    }
}

/// Removes the containers of demos that were killed.
pub(super) async fn remove_abandoned(engine: &Engine) -> Result<(), EngineError> {
    for (id, lock) in engine.helpers().await? {
        // Held until it is gone, so that no other demo removes it at the same time.
        let Some(_held) = abandoned(&lock) else { continue };
        match engine.remove_helper(&id).await {
            Err(error) if error.is_conflict() => {}
            done => done?,
        }
    }
    Ok(())
}

/// What tells that nobody holds the lock any more. A file that may not be opened belongs to somebody else.
enum Abandoned {
    Unlocked { _held: File },
    Missing,
}

fn abandoned(lock: &Path) -> Option<Abandoned> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) => return (error.kind() == ErrorKind::NotFound).then_some(Abandoned::Missing),
    };
    match file.try_lock() {
        Ok(()) => Some(Abandoned::Unlocked { _held: file }),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::{Abandoned, File, abandoned};

    #[test]
    fn a_container_is_abandoned_once_nobody_holds_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(matches!(abandoned(&path), Some(Abandoned::Missing)));
        let held = File::create_new(&path).unwrap();
        held.lock().unwrap();
        assert!(abandoned(&path).is_none());
        drop(held);
        assert!(matches!(abandoned(&path), Some(Abandoned::Unlocked { .. })));
    }
}
