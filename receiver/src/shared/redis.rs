//! How is a Redis reached?

use std::time::Duration;

use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::StoreError;

/// How long an answer may take: a busy server is not a broken one, and the sender of a logout
/// waits about ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that comes back whenever it breaks.
pub(crate) async fn connect(url: &str) -> Result<ConnectionManager, StoreError> {
    let patient =
        ConnectionManagerConfig::new().set_response_timeout(Some(PATIENCE)).set_connection_timeout(Some(PATIENCE));
    Ok(ConnectionManager::new_with_config(Client::open(url)?, patient).await?)
}
