//! `demo`: what does the service do? The whole way on this machine, with nothing installed: three
//! applications built on the receiver, two users, one logout.

mod alone;
mod application;
mod config;
mod directory;
mod door;
mod follow;
mod page;
mod report;
mod sessions;
mod stop;
mod story;
mod verdict;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use application::Trouble;
use stop::Stop;
use world::World;

/// The applications, by their client ids.
const APPLICATIONS: [&str; 3] = ["shop", "forum", "wiki"];
/// The one whose session store fails at first.
const FLAKY: &str = "wiki";
/// How often it fails.
const FAILURES: u32 = 2;

/// `signoff demo`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// End after the logout: with 0 if exactly the right sessions are dead, else with 1
    #[arg(long)]
    exit: bool,
    /// Send the events through a queue at this RabbitMQ; the queue is deleted at the end
    #[arg(long, value_name = "URL", env = "SIGNOFF_DEMO_AMQP", hide_env_values = true)]
    amqp: Option<String>,
    /// Keep everything in this store instead of a temporary SQLite file; its rows stay there
    #[arg(long, value_name = "URL", env = "SIGNOFF_DEMO_STORE", hide_env_values = true)]
    store: Option<String>,
    /// Show what a failure looks like: this application's session store fails every time
    #[arg(long, value_name = "APPLICATION", value_parser = APPLICATIONS)]
    r#break: Option<String>,
    /// How long the logout may take
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    within: Duration,
    /// Show the service's log from this level on: error, warn, info, debug
    #[arg(long, value_name = "LEVEL")]
    log: Option<LevelFilter>,
}

/// A part of the demo by itself.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// One application, beside a real service; `/dev-login?sid=…&sub=…` starts a session
    Application(alone::Args),
}

impl Args {
    /// What is the matter with this application.
    fn trouble(&self, application: &str) -> Trouble {
        if self.r#break.as_deref() == Some(application) {
            Trouble::Always
        } else if application == FLAKY {
            Trouble::AtFirst(FAILURES)
        } else {
            Trouble::None
        }
    }
}

/// Until the logout is over, or somebody asks it to stop.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(Part::Application(application)) = args.part {
        return alone::run(application).await;
    }
    let mut stop = Stop::listen()?;
    let started = tokio::select! {
        started = World::start(&args) => started,
        () = stop.asked() => return Ok(ExitCode::FAILURE),
    };
    let world = started?;
    let told = tokio::select! {
        told = story::tell(&world, args.within) => told,
        () = stop.asked() => Ok(None),
    };
    if let (Ok(Some(told)), false) = (&told, args.exit) {
        report::addresses(&world, told);
        stop.asked().await;
    }
    world.stop().await;
    let right = told?.is_some_and(|told| told.is_right());
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
