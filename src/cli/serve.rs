//! `serve`: run the service.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::config::Config;
use crate::{service, telemetry};

/// Until it is asked to stop.
pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::init(&config.log).context("cannot log")?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    config.prepare()?;
    service::run(config).await?;
    Ok(ExitCode::SUCCESS)
}
