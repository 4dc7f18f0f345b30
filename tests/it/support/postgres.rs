//! Where does a test keep its rows? In a Postgres database of its own, copied from a migrated template.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;
use url::Url;

use super::{clean_up, required, unique};

/// Serialises the making of the template across test processes.
const TEMPLATE_LOCK: i64 = 0x7369_676e_6f66;

/// An empty, migrated database; dropped with this value.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    url: String,
    name: String,
    server: String,
}

impl TestDatabase {
    /// `None`: there is no Postgres, and skipping is allowed.
    pub(crate) async fn new() -> Option<Self> {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let server = required("SIGNOFF_TEST_DATABASE_URL")?;
        let template = TEMPLATE.get_or_init(|| migrated_template(&server)).await;
        Some(Self::copied(server, template).await)
    }

    /// One that nobody has migrated.
    pub(crate) async fn empty() -> Option<Self> {
        Some(Self::copied(required("SIGNOFF_TEST_DATABASE_URL")?, "template0").await)
    }

    async fn copied(server: String, template: &str) -> Self {
        let name = unique("t");
        let mut admin = connect(&server).await;
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await.expect("a database");
        admin.close().await.expect("a clean close");
        Self { url: with_database(&server, &name), name, server }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// For a look from outside the service.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url).await.expect("the test's database")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        clean_up(async move {
            let mut admin = connect(&server).await;
            execute(&mut admin, format!("DROP DATABASE {name} WITH (FORCE)")).await
        });
    }
}

/// Its name tells its migrations, so that a kept server serves every state of the source.
async fn migrated_template(server: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let migrator = Migrator::new(folder).await.expect("the migrations");
    let name = template_name(&migrator);
    let mut admin = connect(server).await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut admin).await.expect("the lock");
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("pg_database");
    if !known {
        make_template(&mut admin, server, &name, &migrator).await;
    }
    admin.close().await.expect("a clean close");
    name
}

/// Under a name of its own until it is complete: a process may be killed half-way.
async fn make_template(admin: &mut PgConnection, server: &str, name: &str, migrator: &Migrator) {
    let unfinished = format!("{name}_unfinished");
    execute(admin, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await.expect("no leftover");
    execute(admin, format!("CREATE DATABASE {unfinished}")).await.expect("a template");
    let mut template = connect(&with_database(server, &unfinished)).await;
    migrator.run(&mut template).await.expect("the migrations apply");
    template.close().await.expect("a clean close");
    execute(admin, format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await.expect("the template's name");
}

fn template_name(migrator: &Migrator) -> String {
    let sums: Vec<u8> = migrator.iter().flat_map(|migration| migration.checksum.to_vec()).collect();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sums);
    let digest = uuid::Builder::from_slice(&digest.as_ref()[..16]).expect("16 bytes").into_uuid();
    format!("signoff_template_{}", digest.simple())
}

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("SIGNOFF_TEST_DATABASE_URL");
    options.connect().await.expect("Postgres at SIGNOFF_TEST_DATABASE_URL")
}

async fn execute(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

fn with_database(server: &str, name: &str) -> String {
    let mut url = Url::parse(server).expect("SIGNOFF_TEST_DATABASE_URL");
    url.set_path(name);
    url.into()
}
