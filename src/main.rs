//! signoff: back-channel logout fan-out.

use std::process::ExitCode;

use clap::Parser as _;
use signoff::cli::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // One provider for every TLS connection, whatever a dependency would choose.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.install_default().map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    Ok(Cli::parse().run().await)
}
