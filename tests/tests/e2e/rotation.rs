//! The key of the secrets is rotated while the server runs, and whenever it is killed.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use slipway_server::secrets::{Keyring, Place, Sealed, Sealer};
use slipway_tests::{
    api::Api,
    databases::TestDatabase,
    slipway::{Setup, Slipway},
    wait::until,
};
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};

const LONG: Duration = Duration::from_secs(60);
const KEY: &str = "/api/v1/secret-key";

async fn key(api: &Api) -> Value {
    api.get(KEY).await.expect(200).json()
}

/// Everything sealed is opened by this; the plain values by their places.
async fn opened(data: &Path, sealer: &Sealer) -> BTreeMap<String, Option<String>> {
    let mut database =
        SqliteConnection::connect(&format!("sqlite:{}", data.join("slipway.db").display())).await.unwrap();
    let mut found = BTreeMap::new();
    let hooks = "SELECT id, hook_secret AS sealed FROM repository";
    let logins = "SELECT host AS id, password AS sealed FROM registry_credential";
    let channels = "SELECT id, address AS sealed FROM channel";
    let forges = "SELECT name AS id, secret AS sealed FROM forge_credential";
    let answers = "SELECT lower(hex(key_hash)) AS id, sealed FROM kept_answer";
    let secrets =
        "SELECT repository_id || '/' || environment || '/' || name AS id, value AS sealed, version FROM secret_version";
    let instance = "SELECT name AS id, value AS sealed FROM instance_secret";
    let kinds = [
        (instance, Sealed::InstanceSecret),
        ("SELECT id, private_key AS sealed FROM signing_key", Sealed::SigningKey),
        (hooks, Sealed::HookSecret),
        (logins, Sealed::RegistryPassword),
        (channels, Sealed::Channel),
        (forges, Sealed::ForgeCredential),
        (answers, Sealed::Answer),
        (secrets, Sealed::Secret),
    ];
    for (select, kind) in kinds {
        let rows = sqlx::query(select).fetch_all(&mut database).await.unwrap();
        assert!(!rows.is_empty(), "{select}: the test seals some of everything");
        for row in rows {
            let (id, sealed): (String, Vec<u8>) = (row.get("id"), row.get("sealed"));
            let version = |row: &SqliteRow| row.try_get::<i64, _>("version").unwrap_or_default();
            let value = sealer.open(Place::of(kind, &id), &sealed).ok().map(|value| value.reveal().to_owned());
            found.insert(format!("{kind:?} {id} {}", version(&row)), value);
        }
    }
    database.close().await.unwrap();
    found
}

/// Something of every kind, and two repositories full of secrets with earlier values.
async fn seal_everything(slipway: &Slipway) {
    let api = slipway.api();
    for repository in ["shop/web", "shop/mail"] {
        slipway.connect(repository, &format!("https://git.example/{repository}.git")).await;
        for number in 0..30 {
            for value in ["first", "second"] {
                let path = format!("/api/v1/repositories/{repository}/secrets/KEY_{number}");
                api.put(&path, &json!({"value": format!("{value} {number}")})).await.expect(200);
            }
        }
    }
    let login = json!({"username": "u", "password": "p", "all_repositories": true});
    api.put("/api/v1/registries/registry.example", &login).await.expect(200);
    let channel = json!({"to": {"kind": "webhook", "url": "https://hooks.example/secret"}});
    api.put("/api/v1/channels/ops", &channel).await.expect(200);
    let forge = json!({"token": "ghp_x", "all_repositories": true});
    api.put("/api/v1/forges/ours", &forge).await.expect(200);
    let shared = json!({"value": "shared", "all_repositories": true});
    api.put("/api/v1/secrets/SHARED", &shared).await.expect(200);
    api.post("/api/v1/signing", &json!({})).await.expect(200);
    let keyed = api.clone().with("idempotency-key", "once");
    keyed.post("/api/v1/tokens", &json!({"name": "robot", "role": "administrator"})).await.expect(201);
}

async fn until_alone(slipway: &Slipway) -> Value {
    let api = slipway.api();
    until("the rotation to end", LONG, async || Some(key(&api).await).filter(|key| !key["alone_since"].is_null())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_killed_again_and_again_loses_nothing_and_the_old_keys_open_nothing() {
    let mut slipway = Setup::new().start().await;
    seal_everything(&slipway).await;
    let data = slipway.data_dir();
    let file = data.join("secret.key");
    slipway.kill().await;
    let known = || Keyring::load_or_create(&data, None, None).unwrap();
    let everything = opened(&data, &known().sealer()).await;
    assert!(everything.len() > 120 && everything.values().all(Option::is_some), "{everything:#?}");

    let mut earlier: Vec<(Sealer, [u8; 5])> = Vec::new();
    let mut interrupted = 0;
    for resealed in [0, 60, 110] {
        slipway.restart().await;
        let held = known();
        let id = u32::from_str_radix(&held.ids()[0].to_string(), 16).unwrap().to_be_bytes();
        earlier.push((held.sealer(), [2, id[0], id[1], id[2], id[3]]));
        let api = slipway.api();
        api.post(&format!("{KEY}/rotate"), &json!({})).await.expect(200);
        until("some values to be sealed anew", LONG, async || {
            (key(&api).await["resealed"].as_i64() >= Some(resealed)).then_some(())
        })
        .await;
        slipway.kill().await;
        interrupted += usize::from(fs::read_to_string(&file).unwrap().lines().count() == 2);
        assert_eq!(opened(&data, &known().sealer()).await, everything, "killed after {resealed}");
        slipway.restart().await;
        until_alone(&slipway).await;
        until("the old key to go from the file", LONG, async || {
            (fs::read_to_string(&file).unwrap().lines().count() == 1).then_some(())
        })
        .await;
        slipway.kill().await;
    }
    assert!(interrupted > 0, "no kill hit a rotation");
    assert_eq!(opened(&data, &known().sealer()).await, everything);

    slipway.restart().await;
    let output = slipway.command(&["secrets", "rotate"], "").await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.starts_with("Everything is sealed with the key "), "{said}");
    let audit = slipway.api().get("/api/v1/audit?action=secret_key.rotate").await.expect(200).json();
    assert_eq!(audit["items"].as_array().unwrap().len(), 4, "{audit:#}");
    slipway.terminate().await;
    let bytes = fs::read(data.join("slipway.db")).unwrap();
    for (old, header) in &earlier {
        let still = opened(&data, old).await;
        assert!(still.values().all(Option::is_none), "{still:#?}");
        assert!(!bytes.windows(header.len()).any(|window| window == header), "something of it is left in the file");
    }

    // Whoever starts it without the key is told which one is missing.
    fs::remove_file(&file).unwrap();
    let id = said.split(' ').nth(6).unwrap().trim_end_matches(':').to_owned();
    let refused = slipway.refused().await;
    assert!(refused.contains(&format!("are sealed with the key {id}, and ")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_lost_and_is_found_opens_everything_again() {
    let setup = Setup::new();
    let data = setup.data_dir();
    let file = data.join("secret.key");
    fs::create_dir_all(&data).unwrap();
    let known = || Keyring::load_or_create(&data, None, None).unwrap();
    let lost = known().ids()[0].to_string();
    let key_lost = fs::read_to_string(&file).unwrap();
    let mut slipway = setup.with("SLIPWAY_SECRET_KEY_LOST", &lost).start().await;
    seal_everything(&slipway).await;
    slipway.kill().await;
    let everything = opened(&data, &known().sealer()).await;

    fs::remove_file(&file).unwrap();
    slipway.restart().await;
    let without = until_alone(&slipway).await;
    assert!(without["unopened"].as_i64() > Some(120), "{without:#}");
    slipway.terminate().await;

    let key_new = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{}\n{key_lost}", key_new.trim_end())).unwrap();
    slipway.restart().await;
    until("the found key to be of no more use", LONG, async || {
        (fs::read_to_string(&file).unwrap().trim_end() == key_new.trim_end()).then_some(())
    })
    .await;
    assert_eq!(until_alone(&slipway).await["unopened"], 0);
    slipway.terminate().await;
    assert_eq!(opened(&data, &known().sealer()).await, everything);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_one_database_rotate_together_and_only_when_each_has_the_new_key() {
    let database = TestDatabase::postgres().await;
    let [old, new] = [STANDARD.encode([7; 32]), STANDARD.encode([8; 32])];
    let on = |key: &str, previous: &str| {
        let setup = Setup::new().with("SLIPWAY_DATABASE", database.url());
        setup.with("SLIPWAY_SECRET_KEY", key).with("SLIPWAY_SECRET_KEY_PREVIOUS", previous)
    };
    let mut one = on(&old, "").start().await;
    let token = one.token().to_owned();
    let refused = one.api().post(&format!("{KEY}/rotate"), &json!({})).await.expect(409);
    assert!(refused.detail().contains("openssl rand -base64 32"), "{}", refused.detail());
    one.connect("shop/web", "https://git.example/shop/web.git").await;
    let secret = "/api/v1/repositories/shop/web/secrets/TOKEN";
    one.api().put(secret, &json!({"value": "long enough"})).await.expect(200);
    let before = key(&one.api()).await["id"].clone();

    let mut two = on(&new, &old).start().await;
    let api = |server: &Slipway| Api::new(server.url()).bearing(&token);
    assert_eq!(key(&api(&two)).await["id"], before, "to have a new key is not to use it");
    let refused = api(&two).post(&format!("{KEY}/rotate"), &json!({})).await.expect(409);
    assert!(refused.detail().starts_with("1 other server of this database does not have the key"), "{refused:?}");

    one.terminate().await;
    let mut one = on(&new, &old).start().await;
    let begun = api(&two).post(&format!("{KEY}/rotate"), &json!({})).await.expect(200).json();
    assert_ne!(begun["id"], before);
    api(&one).put(secret, &json!({"value": "while it goes on"})).await.expect(200);
    let done = until("the rotation to end", LONG, async || {
        Some(key(&api(&one)).await).filter(|key| !key["alone_since"].is_null())
    })
    .await;
    assert!(done["resealed"].as_i64() >= Some(2), "{done:#}");
    assert_eq!(done["unopened"], 0);
    one.terminate().await;
    two.terminate().await;
    let missing = on(&old, "").fail().await;
    assert!(missing.contains(&format!("are sealed with the key {}", begun["id"].as_str().unwrap())), "{missing}");
    on(&new, "").start().await;
}
