//! `demo application`: what does one application do beside a real service?

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context as _;
use url::Url;

use super::application::{Application, Identity, LOGOUT_PATH, Trouble};
use super::stop::Stop;
use crate::cli::say;
use crate::shutdown::Shutdown;

/// `signoff demo application`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its client id at the issuer
    #[arg(long, value_name = "CLIENT_ID")]
    name: String,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// The issuer whose logout tokens it obeys, as it stands in them
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Where the issuer's keys are; signoff's own: <http://…/.well-known/jwks.json>
    #[arg(long, value_name = "URL")]
    jwks_uri: Url,
    /// Its session store fails so many times first
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    failures: u32,
}

/// Until somebody asks it to stop.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    let identity =
        Identity { name: args.name, issuer: args.issuer, jwks_uri: args.jwks_uri.to_string(), dev_login: true };
    let shutdown = Shutdown::new();
    let trouble = if args.failures == 0 { Trouble::None } else { Trouble::AtFirst(args.failures) };
    let application = Application::start(identity, trouble, listener, &shutdown)?;
    let (name, url) = (application.name(), application.url());
    say(std::io::stdout(), &format_args!("{name} at {url}, its logout tokens at {url}{}", &LOGOUT_PATH[1..]));
    stop.asked().await;
    application.stop().await;
    shutdown.finish().await;
    Ok(ExitCode::SUCCESS)
}
