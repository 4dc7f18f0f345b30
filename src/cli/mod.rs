//! What was asked on the command line? One file per verb.
//!
//! To add a verb: a variant of `Verb`, its file here with `run`, and its line in [`Cli::run`]. Verbs
//! that ask a running service do it through `api.rs`.
//!
//! It ends with 0 when what was asked is done, 1 when it failed, 2 when the configuration or the
//! command line is wrong.

mod api;
mod check_config;
mod clients;
mod deliveries;
mod demo;
mod issuer;
pub mod keys;
mod logout;
mod migrate;
pub mod openapi;
mod ready;
mod serve;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Parser, Subcommand};

use crate::config::{Config, Mistakes};

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
    /// Show the whole way on this machine: three applications, two users, one logout. Reads no configuration.
    Demo(demo::Args),
    /// Report every mistake of the configuration, or what it comes to.
    CheckConfig,
    /// Bring the store's schema up to date, and end.
    Migrate,
    /// Make signing keys, or show those there are.
    Keys(keys::Args),
    /// Register clients at a running service, or list them.
    Clients(clients::Args),
    /// Sign a user out at every client.
    Logout(logout::Args),
    /// What is owed to whom; make due again what was given up.
    Deliveries(deliveries::Args),
    /// Ask a running service whether it is ready, as a container's health check does.
    Ready(ready::Args),
    /// Print the API's OpenAPI document.
    Openapi,
}

/// The exit code of a wrong configuration or command line.
const MISTAKEN: u8 = 2;

/// What is wrong with the command line, where only more than its grammar tells.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// The configuration that was named, for the verbs that need one.
#[derive(Debug)]
struct Given {
    file: Option<PathBuf>,
}

impl Given {
    fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.file.as_deref())?)
    }
}

impl Cli {
    /// Does what was asked; what went wrong is told here.
    pub async fn run(self) -> ExitCode {
        self.answer().await.unwrap_or_else(|error| {
            if let Some(mistakes) = error.downcast_ref::<Mistakes>() {
                say(std::io::stderr(), mistakes);
                return ExitCode::from(MISTAKEN);
            }
            say(std::io::stderr(), &format_args!("error: {error:#}"));
            if error.is::<Usage>() { ExitCode::from(MISTAKEN) } else { ExitCode::FAILURE }
        })
    }

    async fn answer(self) -> anyhow::Result<ExitCode> {
        // An empty variable is how a deployment template says "none".
        let given = Given { file: self.config.filter(|file| !file.as_os_str().is_empty()) };
        match self.verb.unwrap_or(Verb::Serve) {
            Verb::Serve => serve::run(given.config()?).await,
            Verb::Demo(args) => demo::run(args).await,
            Verb::CheckConfig => Ok(check_config::run(&given.config()?)),
            Verb::Migrate => migrate::run(&given.config()?).await,
            Verb::Keys(args) => {
                keys::run(args, || Ok(given.config()?.issuers.into_iter().map(|i| (i.name, i.keys)).collect())).await?;
                Ok(ExitCode::SUCCESS)
            }
            Verb::Clients(args) => clients::run(args, &given).await,
            Verb::Logout(args) => logout::run(args, &given).await,
            Verb::Deliveries(args) => deliveries::run(args, &given).await,
            Verb::Ready(args) => ready::run(args, &given).await,
            Verb::Openapi => openapi::run().map(|()| ExitCode::SUCCESS),
        }
    }
}

/// Writes a line to a person; a reader that went away is no error.
fn say(mut to: impl std::io::Write, line: &impl std::fmt::Display) {
    let _gone = writeln!(to, "{line}");
}
