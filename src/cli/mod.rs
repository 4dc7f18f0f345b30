//! What was asked on the command line? One file per verb.
//!
//! To add a verb: a variant of `Verb`, its file here with `run`, and its line in [`Cli::run`].

mod check_config;
pub mod keys;
pub mod openapi;
mod serve;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Parser, Subcommand};

use crate::config::Config;

/// OpenID Connect back-channel logout fan-out.
#[derive(Debug, Parser)]
#[command(name = "signoff", version)]
pub struct Cli {
    /// The configuration file; without one: SQLite and a generated key under ./signoff-data.
    #[arg(long, global = true, value_name = "FILE", env = "SIGNOFF_CONFIG",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the service (the default).
    Serve,
    /// Report every mistake of the configuration, or what it comes to.
    CheckConfig,
}

/// The exit code of a configuration with mistakes.
const MISTAKEN: u8 = 2;

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        // An empty variable is how a deployment template says "none".
        let file = self.config.filter(|file| !file.as_os_str().is_empty());
        match self.verb.unwrap_or(Verb::Serve) {
            Verb::Serve => match configuration(file.as_deref()) {
                Ok(config) => serve::run(config).await,
                Err(mistaken) => Ok(mistaken),
            },
            Verb::CheckConfig => {
                Ok(configuration(file.as_deref()).map_or_else(|mistaken| mistaken, |config| check_config::run(&config)))
            }
        }
    }
}

/// The configuration, for the verbs that need one; its mistakes are told here.
fn configuration(file: Option<&Path>) -> Result<Config, ExitCode> {
    Config::load(file).map_err(|mistakes| {
        say(std::io::stderr(), &mistakes);
        ExitCode::from(MISTAKEN)
    })
}

/// Writes a line to a person; a reader that went away is no error.
fn say(mut to: impl std::io::Write, line: &impl std::fmt::Display) {
    let _gone = writeln!(to, "{line}");
}
