//! When is the schema brought up to date?

use std::sync::Arc;

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
