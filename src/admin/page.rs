//! What does somebody on call see first? A plain page: who may still be signed in, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::web::Data;
use actix_web::{HttpResponse, get};

use super::Admin;
use super::auth::{Caller, Reads};
use super::dto::{may_survive, reason};
use super::problem::{Problem, ProblemBody};
use super::text::escaped;
use crate::model::{DeliveryState, Directory, IssuerKey};
use crate::store::views::{DeliveryFilter, DeliveryView, LogoutFilter, LogoutView, Page};

/// Deliveries of each state that are looked at.
const LOOKED_AT: u32 = 500;
/// Logouts shown.
const LOGOUTS: u32 = 20;

const HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width"><title>signoff</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%;margin-bottom:2rem}th,td{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #ddd}td.n{text-align:right}.good{color:#060}.bad{color:#900}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}td,th{border-color:#333}.good{color:#7c7}.bad{color:#f88}}
</style></head><body><h1>signoff</h1>
"#;

/// One client's part of who may still be signed in.
#[derive(Debug, Default)]
struct Row {
    abandoned: u64,
    skipped: u64,
    reasons: BTreeSet<&'static str>,
    pending_for: Option<Duration>,
}

/// What the page shows of one state.
struct Found {
    rows: Vec<DeliveryView>,
    more: bool,
}

/// The console page: totals, who may still be signed in, the last logouts.
#[utoipa::path(
    tag = "service",
    operation_id = "page",
    responses(
        (status = 200, description = "For people", content_type = "text/html"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/")]
pub(crate) async fn show(caller: Caller<Reads>, admin: Data<Admin>) -> Result<HttpResponse, Problem> {
    let directory = admin.directory.load_full();
    let visible = caller.visible(&directory);
    let pending = found(&admin, DeliveryState::Pending, visible.as_ref()).await?;
    let abandoned = found(&admin, DeliveryState::Abandoned, visible.as_ref()).await?;
    let skipped = found(&admin, DeliveryState::Skipped, visible.as_ref()).await?;
    let mut clients = rows(&abandoned, &skipped);
    oldest(&admin, visible.as_ref(), &mut clients).await?;
    let page = Page { after: None, limit: LOGOUTS };
    let logouts = admin.store.logouts(&LogoutFilter { visible, ..LogoutFilter::default() }, &page).await?.rows;

    let mut html = HEAD.to_owned();
    totals(&mut html, &[("pending", &pending), ("abandoned", &abandoned), ("skipped", &skipped)]);
    still_signed_in(&mut html, &directory, &clients);
    last_logouts(&mut html, &directory, &logouts);
    html.push_str("</body></html>\n");
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(html))
}

async fn found(admin: &Admin, state: DeliveryState, visible: Option<&Vec<IssuerKey>>) -> Result<Found, Problem> {
    let filter = DeliveryFilter { state: Some(state), visible: visible.cloned(), ..DeliveryFilter::default() };
    let page = admin.store.deliveries(&filter, &Page { after: None, limit: LOOKED_AT }).await?;
    Ok(Found { more: page.next.is_some(), rows: page.rows.into_iter().filter(may_survive).collect() })
}

type ByClient = BTreeMap<(IssuerKey, String), Row>;

fn rows(abandoned: &Found, skipped: &Found) -> ByClient {
    let mut clients = ByClient::new();
    for view in abandoned.rows.iter().chain(&skipped.rows) {
        let row = clients.entry((view.issuer, view.client_id.clone())).or_default();
        match view.state {
            DeliveryState::Abandoned => row.abandoned += 1,
            _ => row.skipped += 1,
        }
        row.reasons.extend(reason(view));
    }
    clients
}

/// Adds how long each client's oldest unsettled delivery has been owed.
async fn oldest(admin: &Admin, visible: Option<&Vec<IssuerKey>>, clients: &mut ByClient) -> Result<(), Problem> {
    let ages: BTreeMap<_, _> = admin.store.backlog().await?.oldest.into_iter().collect();
    let keys: Vec<_> = ages.keys().copied().collect();
    for (key, issuer, client_id) in admin.store.client_ids(&keys).await? {
        if visible.is_none_or(|visible| visible.contains(&issuer)) {
            clients.entry((issuer, client_id)).or_default().pending_for = ages.get(&key).copied();
        }
    }
    Ok(())
}

/// Writing to a `String` cannot fail.
macro_rules! out {
    ($html:expr, $($part:tt)*) => {
        let _ = write!($html, $($part)*);
    };
}

fn totals(html: &mut String, states: &[(&str, &Found)]) {
    html.push_str("<p>");
    for (name, found) in states {
        let more = if found.more { "+" } else { "" };
        out!(html, "{name} <b>{}{more}</b> &nbsp; ", found.rows.len());
    }
    html.push_str("</p>\n");
}

fn still_signed_in(html: &mut String, directory: &Directory, clients: &ByClient) {
    html.push_str("<h2>Who may still be signed in</h2>\n");
    if clients.is_empty() {
        html.push_str("<p class=\"good\">Nobody: everything owed has been delivered.</p>\n");
        return;
    }
    html.push_str("<table><tr><th>issuer<th>client<th>abandoned<th>skipped<th>why<th>oldest pending</tr>\n");
    for ((issuer, client_id), row) in clients {
        let why = row.reasons.iter().copied().collect::<Vec<_>>().join(", ");
        let pending = row.pending_for.map(|age| humantime::format_duration(Duration::from_secs(age.as_secs())));
        out!(
            html,
            "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td>{why}<td>{}</tr>\n",
            issuer_name(directory, *issuer),
            escaped(client_id),
            row.abandoned,
            row.skipped,
            pending.map(|age| age.to_string()).unwrap_or_default(),
        );
    }
    html.push_str("</table>\n");
}

fn last_logouts(html: &mut String, directory: &Directory, logouts: &[LogoutView]) {
    html.push_str("<h2>Last logouts</h2>\n<table><tr><th>accepted<th>issuer<th>cause<th>");
    html.push_str("pending<th>delivered<th>abandoned<th>skipped<th></tr>\n");
    for LogoutView { logout, counts } in logouts {
        let done = counts.is_settled() && counts.abandoned == 0 && counts.skipped == 0;
        let (class, word) = if done { ("good", "done") } else { ("bad", "open") };
        out!(
            html,
            "<tr><td>{}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}",
            logout.accepted_at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default(),
            issuer_name(directory, logout.issuer),
            logout.cause.as_str(),
            counts.pending,
            counts.delivered,
            counts.abandoned,
            counts.skipped,
        );
        out!(html, "<td class=\"{class}\"><a href=\"/v1/logouts/{}\">{word}</a></tr>\n", logout.id);
    }
    html.push_str("</table>\n");
}

fn issuer_name(directory: &Directory, key: IssuerKey) -> String {
    directory.issuer(key).map_or_else(|| format!("#{key}"), |issuer| escaped(&issuer.name))
}
