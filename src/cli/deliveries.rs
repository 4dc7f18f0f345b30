//! `deliveries`: what is owed to whom, and how does what was given up become due again?

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::{Api, Body, Paged, Where};
use super::table::table;
use super::{Given, say};
use crate::model::{AbandonReason, DeliveryState};

/// The API's longest page.
const PAGE: usize = 500;

/// `signoff deliveries …`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show deliveries, newest first
    List(List),
    /// Make abandoned deliveries due again
    Redeliver(Redeliver),
}

/// Which deliveries.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Those of this client; with several issuers, name the issuer as well
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Those of this logout
    #[arg(long, value_name = "ID")]
    logout: Option<i64>,
    #[arg(long, value_name = "WHY", help = reasons(), value_parser = reason)]
    abandoned: Option<AbandonReason>,
    /// Those of this issuer (its short name)
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    #[arg(long, help = states(), value_parser = state)]
    state: Option<DeliveryState>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    service: Where,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
          .args(["ids", "client", "logout", "abandoned", "issuer", "all"]))]
struct Redeliver {
    /// These deliveries
    #[arg(value_name = "ID", conflicts_with_all = ["client", "logout", "abandoned", "issuer", "all"])]
    ids: Vec<i64>,
    /// Every abandoned delivery
    #[arg(long, conflicts_with_all = ["client", "logout", "abandoned", "issuer"])]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    service: Where,
}

fn states() -> String {
    format!("Where they stand: {}", DeliveryState::ALL.map(DeliveryState::as_str).join(", "))
}

fn state(name: &str) -> Result<DeliveryState, String> {
    DeliveryState::ALL.into_iter().find(|state| state.as_str() == name).ok_or_else(states)
}

fn reasons() -> String {
    format!("Those given up for this: {}", AbandonReason::ALL.map(AbandonReason::as_str).join(", "))
}

fn reason(name: &str) -> Result<AbandonReason, String> {
    AbandonReason::ALL.into_iter().find(|reason| reason.as_str() == name).ok_or_else(reasons)
}

pub(super) async fn run(args: Args, given: &Given) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(asked) => list(asked, given).await,
        Command::Redeliver(asked) => redeliver(asked, given).await,
    }
}

impl Filter {
    /// The API's names and values, numbers as numbers.
    fn members(self) -> Map<String, Value> {
        let members = [
            ("client_id", self.client.map(Value::from)),
            ("logout", self.logout.map(Value::from)),
            ("abandoned", self.abandoned.map(|why| why.as_str().into())),
            ("issuer", self.issuer.map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[derive(Deserialize)]
struct Delivery {
    id: i64,
    logout: i64,
    issuer: Option<String>,
    client_id: String,
    state: String,
    abandoned: Option<String>,
    skipped: Option<String>,
    attempts_made: u16,
    last_outcome: Option<String>,
    last_status: Option<u16>,
    created_at: String,
}

async fn list(asked: List, given: &Given) -> anyhow::Result<ExitCode> {
    let api = asked.service.api(given)?;
    let mut query: Vec<(String, String)> = asked.filter.members().into_iter().map(|(k, v)| (k, plain(&v))).collect();
    query.extend(asked.state.map(|state| ("state".to_owned(), state.as_str().to_owned())));
    let (mut rows, mut cursor) = (Vec::new(), None);
    while rows.len() < asked.limit {
        let page = page(&api, &query, asked.limit - rows.len(), cursor).await?;
        rows.extend(page.items.into_iter().map(row));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let heads = ["ID", "LOGOUT", "ISSUER", "CLIENT", "STATE", "WHY", "ATTEMPTS", "LAST", "CREATED"];
    say(std::io::stdout(), &table(heads, &rows));
    if cursor.is_some() {
        say(std::io::stderr(), &format_args!("there are more; --limit shows them"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn page(
    api: &Api,
    query: &[(String, String)],
    left: usize,
    after: Option<String>,
) -> anyhow::Result<Paged<Delivery>> {
    let limit = left.min(PAGE).to_string();
    let mut all: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("limit", &limit));
    all.extend(after.as_deref().map(|after| ("cursor", after)));
    api.get(&api.url(&["v1", "deliveries"], &all)).await
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn row(delivery: Delivery) -> [String; 9] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let status = delivery.last_status.map(|status| format!(" {status}")).unwrap_or_default();
    [
        delivery.id.to_string(),
        delivery.logout.to_string(),
        or_dash(delivery.issuer),
        delivery.client_id,
        delivery.state,
        or_dash(delivery.abandoned.or(delivery.skipped)),
        delivery.attempts_made.to_string(),
        or_dash(delivery.last_outcome.map(|outcome| outcome + &status)),
        delivery.created_at,
    ]
}

#[derive(Deserialize)]
struct Redelivered {
    redelivered: u64,
}

async fn redeliver(asked: Redeliver, given: &Given) -> anyhow::Result<ExitCode> {
    let api = asked.service.api(given)?;
    if asked.ids.is_empty() {
        let mut filter = asked.filter.members();
        if asked.all {
            filter.insert("all".into(), true.into());
        }
        let url = api.url(&["v1", "deliveries", "redeliver"], &[]);
        let done: Redelivered = api.post(&url, Some(Body::json(&filter.into()))).await?;
        say(std::io::stdout(), &format_args!("{} made due again", done.redelivered));
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = false;
    for id in asked.ids {
        let url = api.url(&["v1", "deliveries", &id.to_string(), "redeliver"], &[]);
        match api.post::<Redelivered>(&url, None).await {
            Ok(_) => say(std::io::stdout(), &format_args!("{id} made due again")),
            Err(error) => {
                failed = true;
                say(std::io::stderr(), &format_args!("{id}: {error:#}"));
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
