//! `logout`: how does an operator sign somebody out, and know that it happened?

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::api::{Api, Body, Where};
use super::{Given, issuer, say};
use crate::model::{Cause, Clock as _, SystemClock};

/// How long one call lets the service wait before the progress is shown again.
const LOOK: &str = "500ms";
/// Cells of the progress bar.
const BAR: u64 = 20;

/// `signoff logout`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// All sessions of this user (the identity provider's own key)
    #[arg(long, required_unless_present_any = ["session_id", "client", "all"], conflicts_with_all = ["session_id", "all"])]
    subject: Option<String>,
    /// Every session under this provider session
    #[arg(long, conflicts_with_all = ["client", "all"])]
    session_id: Option<String>,
    /// Those at this client: of everybody, or with --subject of that user
    #[arg(long, value_name = "CLIENT_ID", conflicts_with = "all")]
    client: Option<String>,
    /// All sessions at the issuer
    #[arg(long)]
    all: bool,
    /// The issuer's short name, or its URL; the only one configured if absent
    #[arg(long, value_name = "NAME|URL")]
    issuer: Option<String>,
    #[arg(long, help = causes(), value_parser = cause)]
    cause: Option<Cause>,
    /// Wait until every client has answered, at most so long (a minute if no time is given); ends
    /// with 1 if somebody may still be signed in
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1m",
          value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    service: Where,
}

fn causes() -> String {
    format!("Why: {}", Cause::ALL.map(Cause::as_str).join(", "))
}

fn cause(name: &str) -> Result<Cause, String> {
    Cause::parse(name).ok_or_else(|| causes().to_lowercase())
}

pub(super) async fn run(args: Args, given: &Given) -> anyhow::Result<ExitCode> {
    let api = args.service.api(given)?;
    let scope = [("subject", args.subject), ("session_id", args.session_id), ("client_id", args.client)];
    let named = |(name, value): (&str, Option<String>)| value.map(|value| (name.to_owned(), Value::from(value)));
    let mut data: serde_json::Map<_, _> = scope.into_iter().filter_map(named).collect();
    data.extend(args.all.then(|| ("all".to_owned(), Value::Bool(true))));
    data.extend(args.cause.map(|cause| ("cause".to_owned(), cause.as_str().into())));
    let source = issuer::url(args.issuer, given)?;
    let id = Uuid::new_v4();
    let event = json!({"specversion": "1.0", "id": id, "source": source, "type": "signoff.logout", "data": data});

    let receipt = submit(&api, &event, None).await?;
    let at = receipt.logout.as_deref().map(|link| api.linked(link));
    let at = at.unwrap_or_else(|| api.url(&["v1", "logouts"], &[]));
    let people = match receipt {
        Receipt { expanding: true, .. } => "; more to come",
        Receipt { owed: 0, .. } => "; nobody is told",
        Receipt { .. } => "",
    };
    say(std::io::stdout(), &format_args!("recorded: {} owed, {} skipped{people}\n{at}", receipt.owed, receipt.skipped));
    match args.wait {
        Some(patience) => wait(&api, &event, &at, patience).await,
        None => Ok(ExitCode::SUCCESS),
    }
}

#[derive(Deserialize)]
struct Submitted {
    receipts: Vec<Receipt>,
}

#[derive(Deserialize, Default)]
struct Receipt {
    logout: Option<String>,
    #[serde(default)]
    owed: u32,
    #[serde(default)]
    skipped: u32,
    #[serde(default)]
    expanding: bool,
    counts: Option<Counts>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct Counts {
    pending: u64,
    delivered: u64,
    abandoned: u64,
    skipped: u64,
    #[serde(default)]
    expanding: bool,
}

impl Counts {
    fn is_settled(&self) -> bool {
        self.pending == 0 && !self.expanding
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pending, delivered, abandoned, skipped, expanding: _ } = self;
        write!(f, "{delivered} delivered, {pending} pending, {abandoned} abandoned, {skipped} skipped")
    }
}

/// Submits the event. The same event again changes nothing, and asks how far its logout is.
async fn submit(api: &Api, event: &Value, wait: Option<&str>) -> anyhow::Result<Receipt> {
    let query: Vec<_> = wait.map(|wait| ("wait", wait)).into_iter().collect();
    let body = Body { media_type: "application/cloudevents+json", json: event };
    let submitted: Submitted = api.post(&api.url(&["v1", "events"], &query), Some(body)).await?;
    Ok(submitted.receipts.into_iter().next().unwrap_or_default())
}

async fn wait(api: &Api, event: &Value, at: &Url, patience: Duration) -> anyhow::Result<ExitCode> {
    let begun = SystemClock.instant();
    let bar = Bar(std::io::stderr().is_terminal());
    let counts = loop {
        let counts = submit(api, event, Some(LOOK)).await?.counts.unwrap_or_default();
        bar.show(counts);
        if counts.is_settled() || SystemClock.instant().saturating_duration_since(begun) >= patience {
            break counts;
        }
    };
    bar.clear();
    say(std::io::stdout(), &counts);
    let told = counts.is_settled() && counts.abandoned + counts.skipped == 0;
    if told || still_signed_in(api, at).await == Some(0) { Ok(ExitCode::SUCCESS) } else { Ok(ExitCode::FAILURE) }
}

#[derive(Deserialize)]
struct Detail {
    may_still_be_signed_in: Vec<Still>,
}

#[derive(Deserialize)]
struct Still {
    client_id: String,
    delivery: i64,
    state: String,
    reason: Option<String>,
}

/// Says where the user may still be signed in; `None`: that is not ours to read.
async fn still_signed_in(api: &Api, at: &Url) -> Option<usize> {
    let detail: Detail = match api.get(at).await {
        Ok(detail) => detail,
        Err(error) => {
            say(std::io::stderr(), &format_args!("who may still be signed in is not known: {error:#}"));
            return None;
        }
    };
    for Still { client_id, delivery, state, reason } in &detail.may_still_be_signed_in {
        let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        say(
            std::io::stdout(),
            &format_args!("may still be signed in: {client_id}: delivery {delivery} {state}{reason}"),
        );
    }
    Some(detail.may_still_be_signed_in.len())
}

/// One line that changes, on a terminal; nothing where nobody watches.
struct Bar(bool);

impl Bar {
    fn show(&self, counts: Counts) {
        let line = bar(counts);
        self.write(&format!("\r{line}"));
    }

    fn clear(&self) {
        self.write("\r\x1b[K");
    }

    fn write(&self, text: &str) {
        if self.0 {
            let mut people = std::io::stderr().lock();
            let _gone = people.write_all(text.as_bytes()).and_then(|()| people.flush());
        }
    }
}

fn bar(counts: Counts) -> String {
    let settled = counts.delivered + counts.abandoned + counts.skipped;
    let all = settled + counts.pending;
    let full = (settled * BAR).checked_div(all).unwrap_or(BAR);
    let cells: String = (0..BAR).map(|cell| if cell < full { '#' } else { '-' }).collect();
    format!("[{cells}] {settled} of {all} settled ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_when_nothing_is_pending() {
        let counts = |pending, delivered| Counts { pending, delivered, ..Counts::default() };
        for (counts, expected) in [
            (counts(0, 0), "[####################] 0 of 0 settled "),
            (counts(3, 0), "[--------------------] 0 of 3 settled "),
            (counts(1, 3), "[###############-----] 3 of 4 settled "),
            (counts(0, 4), "[####################] 4 of 4 settled "),
        ] {
            assert_eq!(bar(counts), expected);
        }
    }
}
