//! Where does the application keep its sessions? In memory, or in a database that replicas share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::AsyncCommands as _;
use redis::aio::ConnectionManager;
use signoff_receiver::{
    MemoryRegistry, MemoryReplayGuard, PostgresRegistry, PostgresReplayGuard, RedisRegistry, RedisReplayGuard,
    ReplayGuard, SessionRegistry,
};
use sqlx::PgPool;

use super::Failure;

/// In seconds: as long as the registry's greatest age of a session.
const MAX_AGE: u64 = 14 * 24 * 3600;

/// Sessions by their id, each a JSON text. Clones share what they hold.
#[derive(Debug, Clone)]
pub(crate) enum Sessions {
    Memory(Arc<Mutex<HashMap<String, String>>>),
    Postgres(PgPool),
    Redis(ConnectionManager),
}

/// The sessions, and beside them what the logout needs.
pub(crate) struct Opened {
    pub(crate) sessions: Sessions,
    pub(crate) registry: Arc<dyn SessionRegistry>,
    pub(crate) replay: Arc<dyn ReplayGuard>,
}

pub(crate) async fn open(store: &str) -> Result<Opened, Failure> {
    match store.split_once(':').map_or(store, |(scheme, _)| scheme) {
        "memory" => Ok(Opened {
            sessions: Sessions::Memory(Arc::default()),
            registry: Arc::new(MemoryRegistry::new()),
            replay: Arc::new(MemoryReplayGuard::new()),
        }),
        "postgres" | "postgresql" => open_postgres(store).await,
        "redis" | "rediss" => open_redis(store).await,
        _ => Err("--store is neither memory nor postgres://… nor redis://…".into()),
    }
}

async fn open_postgres(url: &str) -> Result<Opened, Failure> {
    let pool = PgPool::connect(url).await?;
    PostgresRegistry::migrate(&pool).await?;
    let table = "CREATE TABLE IF NOT EXISTS site_sessions (id text PRIMARY KEY, session text NOT NULL)";
    // Two that start at once may both find it missing; one of them then fails, and it is there.
    if sqlx::query(table).execute(&pool).await.is_err() {
        sqlx::query("SELECT FROM site_sessions LIMIT 0").execute(&pool).await?;
    }
    Ok(Opened {
        sessions: Sessions::Postgres(pool.clone()),
        registry: Arc::new(PostgresRegistry::new(pool.clone())),
        replay: Arc::new(PostgresReplayGuard::new(pool)),
    })
}

async fn open_redis(url: &str) -> Result<Opened, Failure> {
    let connection = redis::Client::open(url)?.get_connection_manager().await?;
    Ok(Opened {
        sessions: Sessions::Redis(connection.clone()),
        registry: Arc::new(RedisRegistry::new(connection.clone())),
        replay: Arc::new(RedisReplayGuard::new(connection)),
    })
}

impl Sessions {
    pub(crate) async fn get(&self, id: &str) -> Result<Option<String>, Failure> {
        match self {
            Self::Memory(map) => Ok(lock(map).get(id).cloned()),
            Self::Postgres(pool) => {
                let select = sqlx::query_scalar("SELECT session FROM site_sessions WHERE id = $1");
                Ok(select.bind(id).fetch_optional(pool).await?)
            }
            Self::Redis(connection) => Ok(connection.clone().get(key(id)).await?),
        }
    }

    pub(crate) async fn put(&self, id: &str, session: String) -> Result<(), Failure> {
        match self {
            Self::Memory(map) => {
                lock(map).insert(id.to_owned(), session);
            }
            Self::Postgres(pool) => {
                let upsert = "INSERT INTO site_sessions VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET session = $2";
                sqlx::query(upsert).bind(id).bind(session).execute(pool).await?;
            }
            Self::Redis(connection) => {
                let () = connection.clone().set_ex(key(id), session, MAX_AGE).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Failure> {
        match self {
            Self::Memory(map) => {
                lock(map).remove(id);
            }
            Self::Postgres(pool) => {
                sqlx::query("DELETE FROM site_sessions WHERE id = $1").bind(id).execute(pool).await?;
            }
            Self::Redis(connection) => {
                let () = connection.clone().del(key(id)).await?;
            }
        }
        Ok(())
    }
}

fn lock(map: &Mutex<HashMap<String, String>>) -> MutexGuard<'_, HashMap<String, String>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(id: &str) -> String {
    format!("site:session:{id}")
}
