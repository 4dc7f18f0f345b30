//! How do our tables come into the application's database?

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Not the application's `_sqlx_migrations`: neither migrator may stumble over what the other applied.
const APPLIED: &str = "signoff_receiver_migrations";

/// The migrations, in order; each once and for all.
pub(crate) fn migrator(sql: &[&'static str]) -> Migrator {
    let migrations = (1..).zip(sql).map(|(version, sql)| {
        Migration::new(version, "signoff-receiver".into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(APPLIED);
    migrator
}
