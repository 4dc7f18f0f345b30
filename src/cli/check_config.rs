//! `check-config`: is the configuration right, and what does it come to?

use std::process::ExitCode;

use super::say;
use crate::config::Config;

/// Mistakes were reported before; what is left is what it comes to.
pub(super) fn run(config: &Config) -> ExitCode {
    for warning in &config.warnings {
        say(std::io::stderr(), &format_args!("warning: {warning}"));
    }
    say(std::io::stdout(), &format_args!("ok: {}", config.summary()));
    ExitCode::SUCCESS
}
