//! Every SQL text of the server's, as both engines see it: each can be prepared, and none reads a whole table that grows.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use slipway_server::{
    clock::SystemClock,
    store::{Db, Store},
};
use slipway_tests::databases::TestDatabase;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqlSafeStr};

/// Tables that a whole read of costs nothing: they grow with what people set up, not with what happens.
const SMALL: &[&str] = &[
    "registry_credential",
    "runner",
    "access_token",
    "session",
    "schedule",
    "environment",
    "channel",
    "notified",
    "forge_credential",
    "forge_seen",
    "log_question",
    "signing_key",
    "user_account",
    "sealing_key",
    "sealing_server",
    "instance_secret",
];
/// What a statement itself has limited to a few rows, or was given, before it reads all of them.
const LIMITED: &[&str] = &["counted", "offered", "newest", "listed", "json_each"];
/// Indexes of which a statement reads one end alone.
const ENDS: &[&str] = &["job_turn", "forge_report_ended"];
/// Indexes over what is live, waits, is under way or is wrong alone.
const PARTIAL: &[&str] = &[
    "job_waiting",
    "job_leased",
    "job_held",
    "repository_let_go",
    "build_approval_asked",
    "job_line",
    "schedule_due",
    "release_held",
    "release_live",
    "release_unsettled",
    "alert_open",
    "notification_waiting",
    "forge_report_waiting",
];

/// The server's SQL: every string of its sources that begins like a statement.
fn statements() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../server/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(statements_of(&path));
            }
        }
    }
    found
}

fn statements_of(path: &Path) -> Vec<String> {
    let source = fs::read_to_string(path).unwrap();
    let strings = source.split('"').skip(1);
    let is_statement = |text: &&str| {
        ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "].iter().any(|beginning| text.starts_with(beginning))
    };
    strings.filter(is_statement).map(str::to_owned).collect()
}

/// What only PostgreSQL understands.
fn is_postgres_only(statement: &str) -> bool {
    ["FOR UPDATE", "pg_", "clock_timestamp"].iter().any(|word| statement.contains(word))
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_postgresql() {
    let database = TestDatabase::postgres().await;
    Store::open(database.url(), Arc::new(SystemClock)).await.unwrap().close().await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let statements = statements();
    assert!(statements.len() > 90, "{statements:#?}");
    for statement in statements {
        if let Err(error) = connection.prepare(AssertSqlSafe(statement.clone()).into_sql_str()).await {
            panic!("{error}: {statement}");
        }
    }
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_sqlite_and_none_reads_a_whole_table() {
    let database = TestDatabase::sqlite();
    let store = Store::open(database.url(), Arc::new(SystemClock)).await.unwrap();
    let Db::Sqlite { read, .. } = store.db() else { panic!("not SQLite") };
    for statement in statements().into_iter().filter(|statement| !is_postgres_only(statement)) {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(read).await;
        let plan = plan.unwrap_or_else(|error| panic!("{error}: {statement}"));
        for row in plan {
            let detail: String = row.get("detail");
            let is_newest = statement.ends_with("ORDER BY id DESC LIMIT 1");
            let is_scan = detail.starts_with("SCAN ") && !detail.starts_with("SCAN CONSTANT");
            let is_small = SMALL.iter().chain(LIMITED).any(|table| detail.starts_with(&format!("SCAN {table}")))
                || PARTIAL.iter().chain(ENDS).any(|index| detail.ends_with(&format!(" INDEX {index}")));
            assert!(!is_scan || is_small || is_newest, "{detail}: {statement}");
        }
    }
}
