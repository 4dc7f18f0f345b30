//! When is the schema brought up to date?

use std::sync::Arc;

use futures_util::future::join_all;
use signoff::model::SystemClock;
use signoff::store::postgres::PostgresStore;
use signoff::store::{Options, Registry as _, StoreError};
use sqlx::{Connection as _, SqliteConnection};

use crate::support::postgres::TestDatabase;

/// The migrator would write, and hold a lock that a pooler hands to others.
#[tokio::test]
async fn a_current_schema_is_left_alone() {
    let Some(database) = TestDatabase::new().await else { return };
    let read_only = format!("{}?options=-c%20default_transaction_read_only%3Don", database.url());
    let store = PostgresStore::connect(&read_only, Options::default(), Arc::new(SystemClock)).await.unwrap();
    store.ping().await.unwrap();

    sqlx::query("UPDATE _sqlx_migrations SET version = -version").execute(&database.pool().await).await.unwrap();
    let other = PostgresStore::connect(&read_only, Options::default(), Arc::new(SystemClock)).await;
    assert!(other.is_err(), "another schema is not taken for ours");
}

/// As the replicas of a first roll-out do.
#[tokio::test]
async fn stores_that_start_together_on_an_empty_database_migrate_it_once() {
    let Some(database) = TestDatabase::empty().await else { return };
    let start = || PostgresStore::connect(database.url(), Options::default(), Arc::new(SystemClock));
    for store in join_all((0..6).map(|_| start())).await {
        store.expect("a store").ping().await.expect("a table");
    }
    let applied: Vec<(i64, bool)> = sqlx::query_as("SELECT version, success FROM _sqlx_migrations ORDER BY version")
        .fetch_all(&database.pool().await)
        .await
        .expect("the migrations");
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres")).expect("the migrations");
    let scripts = files.filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some()));
    assert_eq!(applied.len(), scripts.count());
    assert!(applied.iter().all(|(_, success)| *success), "{applied:?}");
}

/// As after an upgrade that is taken back: it says so and ends, and does not wait for ever.
async fn is_refused(url: &str) {
    let store = signoff::store::open(url, Options::default(), Arc::new(SystemClock)).await;
    let Err(StoreError::Internal(error)) = store else { panic!("it is opened, or waited for") };
    assert!(error.to_string().contains("its schema is newer") && error.to_string().contains("9999"), "{error}");
}

const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    SELECT 9999, description, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1";

#[tokio::test]
async fn a_newer_schema_on_postgres_is_refused() {
    let Some(database) = TestDatabase::new().await else { return };
    sqlx::query(NEWER).execute(&database.pool().await).await.expect("a newer migration");
    is_refused(database.url()).await;
}

#[tokio::test]
async fn a_newer_schema_on_sqlite_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}/signoff.db", directory.path().display());
    drop(signoff::store::open(&url, Options::default(), Arc::new(SystemClock)).await.expect("a store"));
    let mut file = SqliteConnection::connect(&url).await.expect("the file");
    sqlx::query(NEWER).execute(&mut file).await.expect("a newer migration");
    is_refused(&url).await;
}
