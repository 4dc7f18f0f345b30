//! How do the rooms work together? Everything is wired here.

use crate::config::Config;

/// Runs until it is asked to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    tracing::info!(configuration = config.summary(), "starting");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
