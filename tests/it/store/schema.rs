//! When is the schema brought up to date?

use std::sync::Arc;

use futures_util::future::join_all;
use signoff::model::SystemClock;
use signoff::store::postgres::PostgresStore;
use signoff::store::{Options, Registry as _};

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
