//! What had not been settled when the process was killed? A look into the store, past the program.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::support::eventually;
use crate::support::ledger::Owed;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::setup::SQLITE;

const UNSETTLED: &str =
    "SELECT c.client_id, d.sid FROM deliveries d JOIN clients c ON c.id = d.client WHERE d.state = 0";

/// The store of the program that is killed.
#[derive(Debug)]
pub(super) enum Kept {
    Postgres(TestDatabase),
    Sqlite,
}

impl Kept {
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Postgres(database) => database.url(),
            Self::Sqlite => SQLITE,
        }
    }

    /// The deliveries that are still owed. The program must be dead.
    pub(super) async fn unsettled(&self, dead: &Service) -> BTreeSet<Owed> {
        match self {
            Self::Postgres(database) => in_postgres(database).await,
            Self::Sqlite => in_sqlite(dead).await,
        }
    }
}

/// Once the server has noticed: a commit that was under way may still succeed.
async fn in_postgres(database: &TestDatabase) -> BTreeSet<Owed> {
    let pool = database.pool().await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                  AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    eventually("the dead program's connections are gone", Duration::from_secs(10), async || {
        let count: i64 = sqlx::query_scalar(others).fetch_one(&pool).await.expect("pg_stat_activity");
        (count == 0).then_some(())
    })
    .await;
    let rows = sqlx::query_as(UNSETTLED).fetch_all(&pool).await.expect("the deliveries");
    pool.close().await;
    rows.into_iter().collect()
}

/// In a copy: to open the file itself would recover it, and that is the program's to do.
async fn in_sqlite(dead: &Service) -> BTreeSet<Owed> {
    let copy = tempfile::tempdir().expect("a directory");
    for file in ["signoff.db", "signoff.db-wal"] {
        let from = dead.directory().join(file);
        if from.exists() {
            fs::copy(from, copy.path().join(file)).expect("a copy");
        }
    }
    let options = SqliteConnectOptions::new().filename(copy.path().join("signoff.db"));
    let mut connection: SqliteConnection = options.connect().await.expect("the copy");
    let rows = sqlx::query_as(UNSETTLED).fetch_all(&mut connection).await.expect("the deliveries");
    rows.into_iter().collect()
}
