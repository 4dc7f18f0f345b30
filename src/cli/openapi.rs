//! `signoff openapi`: what does the API look like to a program?

use std::io::Write;

/// Prints the OpenAPI document.
pub fn run() -> anyhow::Result<()> {
    let document = crate::admin::document().to_pretty_json()?;
    writeln!(std::io::stdout().lock(), "{document}")?;
    Ok(())
}
