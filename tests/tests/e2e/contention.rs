//! Changes that wait for each other: PostgreSQL ends one of them, and who asked for it does not notice.

use std::time::Duration;

use serde_json::json;
use slipway_tests::{
    databases::TestDatabase,
    pipeline::{Pipeline, digest},
    slipway::Setup,
    wait::until,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

const PATIENCE: Duration = Duration::from_secs(60);

/// A rollback locks the environment and then the rollout that it ends; the end of that rollout the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_that_meets_the_end_of_a_rollout_is_carried_out_again() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let mut ending = PgConnection::connect(&url).await.unwrap();
    // Of those who wait for each other, the server's statement looks first, with time for the other one to come.
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut ending).await.unwrap();
    ending.execute(AssertSqlSafe(format!("ALTER DATABASE {name} SET deadlock_timeout = '10s'"))).await.unwrap();
    ending.execute("SET deadlock_timeout = '1h'").await.unwrap();
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.queue(&pipeline.push("main", "b")).await;
    pipeline.succeed(&pipeline.claim().await.key, &digest("b")).await;
    let (rollout, _) = pipeline.claim_rollout().await;
    let slipway = Setup::new().with("SLIPWAY_DATABASE", &url).start().await;

    ending.execute("BEGIN").await.unwrap();
    let locked =
        sqlx::query("SELECT id FROM job WHERE id = $1 FOR UPDATE").bind(&rollout.job).execute(&mut ending).await;
    assert_eq!(locked.unwrap().rows_affected(), 1);
    let api = slipway.api();
    let asked = json!({});
    let rollback = api.post("/api/v1/repositories/acme/shop/environments/dev/rollbacks", &asked);
    let meeting = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut looking = PgConnection::connect(&url).await.unwrap();
        until("the rollback to wait for the rollout", PATIENCE, async || {
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&mut looking).await.unwrap();
            (count == 1).then_some(())
        })
        .await;
        ending.execute("UPDATE environment SET position = position WHERE name = 'dev'").await.unwrap();
        ending.execute("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(rollback, meeting);
    let made = answer.expect(202).json();
    assert_eq!((made["kind"].as_str(), made["number"].as_i64()), (Some("rollback"), Some(3)), "{made:#}");
    slipway.wait_for_output("it is carried out again").await;
    let audit = slipway.api().get("/api/v1/audit").await.expect(200).json();
    let rollbacks = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "release.rollback");
    assert_eq!(rollbacks.count(), 1, "{audit:#}");
}
