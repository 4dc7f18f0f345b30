//! What does the person at the terminal read? Plain lines, no wider than 80 columns.

use std::fmt::Display;
use std::time::Duration;

use time::OffsetDateTime;

use super::application::{Application, Trouble};
use super::follow::Attempt;
use super::story::{LEAVER, Told};
use super::verdict::{DEAD, Fate};
use super::world::World;
use crate::cli::say;
use crate::cli::table::table;

fn line(text: impl Display) {
    say(std::io::stdout(), &text);
}

/// Who takes part.
pub(super) fn cast(world: &World) {
    line("signoff demo: three applications, two users, one logout\n");
    line(format_args!("  service  {}/", world.issuer));
    line(format_args!("  store    {}", world.store));
    line("  key      RS256, made for this run");
    line(format_args!("  events   {}", world.door));
    for application in &world.applications {
        line(format_args!("  {:<7}  {}{}", application.name(), application.url(), trouble(application)));
    }
    line("");
}

fn trouble(application: &Application) -> String {
    match application.trouble {
        Trouble::None => String::new(),
        Trouble::AtFirst(times) => format!("   its session store fails {times} times: 503"),
        Trouble::Always => "   its session store always fails: 503".to_owned(),
    }
}

pub(super) fn signed_in(users: &[&str], alive: usize, all: usize) {
    line(format_args!("{} sign in everywhere: {alive} of {all} pages answer 200.", users.join(" and ")));
}

/// The logout is on its way; the attempts follow.
pub(super) fn signed_out(user: &str, took: Duration) {
    line(format_args!("{user} signs out: one event, safe after {} ms.\n", took.as_millis()));
    line(format_args!("{:>6}  {:<6}  {:>7}  {:>4}  {:<11}  JTI", "MS", "CLIENT", "ATTEMPT", "HTTP", "OUTCOME"));
}

/// One attempt, by when it was made.
pub(super) fn attempt(client: &str, attempt: &Attempt, since: OffsetDateTime) {
    let after = (attempt.started_at - since).whole_milliseconds();
    let status = attempt.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let (number, outcome, jti) = (attempt.number, &attempt.outcome, attempt.jti.as_deref().unwrap_or("-"));
    line(format_args!("{after:>6}  {client:<6}  {number:>7}  {status:>4}  {outcome:<11}  {jti}"));
}

/// Which sessions are dead, and whether they are the right ones.
pub(super) fn ending(told: &Told, within: Duration) {
    if !told.logout.settled {
        line(format_args!("\nNot everything is delivered after {}.", humantime::format_duration(within)));
    }
    let rows: Vec<_> = told.fates.iter().map(row).collect();
    line(format_args!("\n{}", table(["USER", "AT", "BEFORE", "AFTER", "SESSION", "", "BY JTI"], &rows)));
    let wrong: Vec<_> = told.fates.iter().filter(|fate| !fate.is_right()).collect();
    if wrong.is_empty() {
        let dead = told.fates.iter().filter(|fate| fate.to_end).count();
        let alive = told.fates.len() - dead;
        line(format_args!("\nExactly the right sessions are dead: {dead} of {LEAVER}'s ended, {alive} others live."));
    } else {
        let names = wrong.iter().map(|fate| format!("{} at {}", fate.user, fate.application));
        line(format_args!("\nWRONG: not as it should be: {}.", names.collect::<Vec<_>>().join(", ")));
    }
}

fn row(fate: &Fate) -> [String; 7] {
    let state = match (fate.after == DEAD, fate.ended_after) {
        (true, Some(after)) => format!("dead after {} ms", after.as_millis()),
        (true, None) => "dead".to_owned(),
        (false, _) => "alive".to_owned(),
    };
    let right = if fate.is_right() { "ok" } else { "WRONG" };
    // Enough to find it in the lines above.
    let by = fate.ended_by.as_ref().map_or_else(|| "-".to_owned(), |jti| jti.chars().take(8).collect());
    let (before, after) = (fate.before.to_string(), fate.after.to_string());
    [fate.user.to_owned(), fate.application.clone(), before, after, state, right.to_owned(), by]
}

/// What there is to look at while it stays up.
pub(super) fn addresses(world: &World, told: &Told) {
    let link = |path: &[&str]| world.api.url(path, &[]);
    let logout = told.logout.id.to_string();
    line("\nIt stays up; Ctrl-C ends it. Open:");
    line(format_args!("  the service's page   {}", link(&[])));
    line(format_args!("  the logout           {}", link(&["v1", "logouts", &logout])));
    let mut deliveries: Vec<_> = told.logout.deliveries.iter().collect();
    deliveries.sort_by_key(|delivery| delivery.id);
    for delivery in deliveries {
        let url = link(&["v1", "deliveries", &delivery.id.to_string()]);
        line(format_args!("  delivery to {:<8} {url}", delivery.client_id));
    }
    for (login, fate) in told.logins.iter().zip(&told.fates) {
        line(format_args!("  {:<5} at {:<6} {:>4} {}", login.user, fate.application, fate.after, login.page));
    }
    let program = std::env::args().next().unwrap_or_else(|| "signoff".to_owned());
    line("\nSign bob out too, from another terminal:");
    line(format_args!("  {program} logout --url {0} --issuer {0} --subject bob --wait", world.issuer));
}
