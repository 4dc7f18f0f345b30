//! signoff: back-channel logout fan-out.

use std::process::ExitCode;

use clap::Parser as _;
use signoff::cli::Cli;

fn main() -> anyhow::Result<ExitCode> {
    // One provider for every TLS connection, whatever a dependency would choose.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.install_default().map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(Cli::parse().run());
    // Who is to end at once does not wait for a name that is still looked up.
    runtime.shutdown_background();
    Ok(code)
}
