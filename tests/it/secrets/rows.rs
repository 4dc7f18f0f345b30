//! What does the store say of a row that the database refuses? Which rule it breaks, never the row.

use std::sync::Arc;

use signoff::model::{Event, EventKind, Opening, SystemClock};
use signoff::store::postgres::PostgresStore;
use signoff::store::{Options, Outbox as _, Registry as _, StoreError};
use sqlx::AssertSqlSafe;

use super::world::random;
use crate::store::fixture::{LEASE, Lanes, Rules};
use crate::support::postgres::TestDatabase;

#[tokio::test]
async fn a_refused_row_is_not_quoted_even_by_debug() {
    let Some(database) = TestDatabase::new().await else { return };
    let store =
        PostgresStore::connect(database.url(), Options::default(), Arc::new(SystemClock)).await.expect("a store");
    let (issuer, subject) = (store.issuer_key("https://idp.example.com").await.expect("a key"), random());
    let constraint = format!("ALTER TABLE sessions ADD CONSTRAINT not_this CHECK (subject <> '{subject}')");
    let pool = database.pool().await;
    sqlx::raw_sql(AssertSqlSafe(constraint)).execute(&pool).await.expect("a constraint");
    let opening = Opening {
        session_id: "s1".into(),
        subject: subject.clone(),
        client_id: "shop".into(),
        sid: None,
        sub: subject.clone(),
        expires_at: None,
        offline: false,
    };
    let event = Event { issuer, id: "e1".into(), time: None, kind: EventKind::Opened(opening) };

    let refused = store.record(&[event], &Rules::default(), &Lanes::default(), LEASE).await.expect_err("refused");
    let StoreError::Poison(cause) = &refused else { panic!("{refused:?}") };
    assert!(format!("{cause:#}").contains("23514") && format!("{cause:#}").contains("not_this"), "{cause:#}");
    assert!(!format!("{refused:?} {cause:?} {cause:#}").contains(&subject), "{refused:?}");
}
