//! `ready`: is a running service ready? For health checks where there is no shell and no curl.

use std::process::ExitCode;

use anyhow::bail;

use super::api::Where;
use super::{Given, say};
use crate::deliver::Verb;

/// `signoff ready`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    service: Where,
}

/// Asks once; what it lacks is what `/readyz` says.
pub(super) async fn run(args: Args, given: &Given) -> anyhow::Result<ExitCode> {
    let api = args.service.api(given)?;
    let answer = api.ask(Verb::Get, &api.url(&["readyz"], &[]), None).await?;
    if answer.status != 200 {
        bail!("not ready: {} {}", answer.status, String::from_utf8_lossy(&answer.body).trim());
    }
    say(std::io::stdout(), &"ready");
    Ok(ExitCode::SUCCESS)
}
