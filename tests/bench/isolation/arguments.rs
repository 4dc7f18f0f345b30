//! What is asked for?

use clap::Parser;
use jsonwebtoken::Algorithm;

/// How long do eighteen clients wait for their logouts when one of twenty hangs and one fails?
#[derive(Debug, Parser)]
#[command(name = "isolation")]
pub(crate) struct Arguments {
    /// How long logouts are published.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// Logouts a second, each owed to every client.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// How tokens are signed: RS256, ES256, …
    #[arg(long, default_value = "RS256", value_parser = algorithm)]
    pub(crate) alg: Algorithm,
    /// Instead: so many logouts wait in the queue for ten clients; how fast are they delivered?
    #[arg(long)]
    pub(crate) burst: Option<usize>,
    /// Instead: fifty of five hundred clients hang, with so many deliveries owed to them; 100,000 unless said.
    #[arg(long, num_args = 0..=1, default_missing_value = "100000")]
    pub(crate) crowd: Option<usize>,
    /// Instead: one logout of all, and a person's own in the midst of it.
    #[arg(long)]
    pub(crate) bulk: bool,
    /// With --bulk: so many sessions.
    #[arg(long, default_value_t = 1_000_000, requires = "bulk")]
    pub(crate) sessions: usize,
    /// With --bulk: `delivery.bulk_per_second`.
    #[arg(long, default_value_t = 5_000, requires = "bulk")]
    pub(crate) bulk_per_second: u32,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    pub(crate) fn alg_name(&self) -> &'static str {
        signoff::model::client::alg_name(self.alg)
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse().map_err(|_| "not an algorithm of JSON Web Signature".to_owned())
}
