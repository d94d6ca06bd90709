//! Real databases, one for each test: a SQLite file, or a database on a PostgreSQL server of the test process's own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness that cannot start its parts ends the test")]

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// A database of one test, gone when it is dropped (PostgreSQL: when the test process ends).
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A SQLite file in a folder of its own.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("slipway.db").display());
        TestDatabase { url, _folder: Some(folder) }
    }

    /// A SQLite file in this folder.
    #[must_use]
    pub fn sqlite_in(folder: &Path) -> Self {
        TestDatabase { url: format!("sqlite:{}", folder.join("slipway.db").display()), _folder: None }
    }

    /// An empty database on the process's PostgreSQL server.
    pub async fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = Server::shared();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        TestDatabase { url: server.url(&name), _folder: None }
    }

    /// The address to open it by.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Defines, for each async function named, one test on SQLite and one on PostgreSQL. The function takes the
/// [`TestDatabase`].
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$test($crate::databases::TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$test($crate::databases::TestDatabase::postgres().await).await;
            }
        })+
    };
}

/// The PostgreSQL server of this process: made on first use, reached by a socket in its folder, and stopped and
/// removed by a warden, who notices this process's end by the pipe between them, however it ends.
struct Server {
    folder: PathBuf,
    /// Never waited for: it outlives this process, to clean up after it.
    _warden: Child,
}

/// Ends when its input does; then stops the server and removes its folder.
const WARDEN: &str =
    r#"trap '' INT TERM; read -r _; "$1" -D "$2/data" -m immediate -w stop >"$2/stop.log" 2>&1; rm -rf "$2""#;

impl Server {
    fn shared() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Server::start)
    }

    fn start() -> Server {
        let programs = programs();
        let folder =
            PathBuf::from(output(&mut unprivileged("mktemp", &["-d", "-t", "slipway-postgres-XXXXXX"])).trim());
        let pg_ctl = programs.join("pg_ctl");
        let warden = unprivileged("sh", &["-c", WARDEN, "warden", &text(&pg_ctl), &text(&folder)])
            .stdin(Stdio::piped())
            .spawn()
            .expect("cannot start the warden of the test server");
        let data = text(&folder.join("data"));
        output(&mut unprivileged(
            &text(&programs.join("initdb")),
            &["-D", &data, "-U", "slipway", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
        ));
        let mut settings = std::fs::OpenOptions::new().append(true).open(folder.join("data/postgresql.conf")).unwrap();
        writeln!(
            settings,
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nfull_page_writes = off\n\
             synchronous_commit = off\nmax_connections = 500\nshared_buffers = 32MB",
            folder.display()
        )
        .unwrap();
        output(&mut unprivileged(
            &text(&pg_ctl),
            &["-D", &data, "-l", &text(&folder.join("server.log")), "-w", "start"],
        ));
        Server { folder, _warden: warden }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=slipway", self.folder.display())
    }
}

/// Where Debian keeps the server's programs: those of the newest version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is missing: apt-get install postgresql");
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is missing: apt-get install postgresql")
}

/// PostgreSQL refuses to run as root: then its commands run as its own user.
fn unprivileged(program: &str, arguments: &[&str]) -> Command {
    let root = output(Command::new("id").arg("-u")).trim() == "0";
    let mut command = if root { Command::new("runuser") } else { Command::new(program) };
    if root {
        command.args(["-u", "postgres", "--", program]);
    }
    command.args(arguments).current_dir("/").stdin(Stdio::null());
    command
}

/// Runs a command to its end. Its errors go to the same file as its output: a server that it leaves running must not
/// hold a pipe of ours.
fn output(command: &mut Command) -> String {
    let mut file = tempfile::tempfile().unwrap();
    let status =
        command.stdout(file.try_clone().unwrap()).stderr(file.try_clone().unwrap()).status().expect("cannot start it");
    std::io::Seek::rewind(&mut file).unwrap();
    let mut said = String::new();
    file.read_to_string(&mut said).unwrap();
    assert!(status.success(), "{command:?} failed: {said}");
    said
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
