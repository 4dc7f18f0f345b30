//! Do tokens, keys, passwords, subjects or sids ever show, whatever happens and however much is logged?
mod arguments;
mod panic;
mod rows;
mod scenes;
mod search;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::Vhost;
use scenes::Scene;
use world::{Api, Files, clients, config, random};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test]
async fn nothing_secret_shows_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}", directory.path().join("signoff.db").display());
    nothing_secret_shows(Home::Sqlite(directory), url).await;
}

#[tokio::test]
async fn nothing_secret_shows_on_postgres() {
    let Some(database) = TestDatabase::new().await else { return };
    // A server that trusts this machine does not look at it; the service cannot know that.
    let mut url = url::Url::parse(database.url()).expect("a URL");
    url.set_password(Some(&random())).expect("a URL with a host");
    nothing_secret_shows(Home::Postgres(database), url.into()).await;
}

/// Where the rows are; removed when dropped.
enum Home {
    Sqlite(#[expect(dead_code, reason = "removed on drop")] TempDir),
    Postgres(TestDatabase),
}

async fn nothing_secret_shows(home: Home, store: String) {
    let mut files = Files::new();
    if let Some(password) = url::Url::parse(&store).expect("a URL").password() {
        files.secrets.add("the database's password", password);
    }
    let vhost = Vhost::new().await;
    let amqp = match &vhost {
        Some(vhost) => {
            let password = random();
            files.secrets.add("the broker's password", &password);
            Some(vhost.url_of_user(&password).await)
        }
        None => None,
    };
    let (clients, receivers) = clients(&mut files).await;
    let (config, bearers) = config(&mut files, &store, amqp.as_deref(), &clients);
    let loudly =
        [("SIGNOFF__LOG__LEVEL", "trace"), ("SIGNOFF__LOG__DEPENDENCIES", "trace"), ("RUST_BACKTRACE", "full")];
    let mut service = Service::spawn_with(&config, &loudly).await.unwrap_or_else(|failure| panic!("{failure}"));

    let api = Api { service: &service, heard: Mutex::default() };
    let mut scene = Scene { api: &api, files: &mut files, clients: &clients, bearers: &bearers };
    scene.sessions_open_and_are_listed().await;
    scene.everybody_is_logged_out().await;
    if let Some(vhost) = &vhost {
        scene.events_come_by_amqp(vhost, &receivers).await;
    }
    scene.calls_are_wrong().await;
    scene.keys_break().await;
    if let Home::Postgres(database) = &home {
        scene.rows_are_refused(database).await;
        scene.the_database_goes_away(database).await;
    }
    scene.everything_is_shown().await;
    let outcomes = scene.outcomes().await;
    let mut said = std::mem::take(&mut *api.heard.lock().expect("no panic while locked"));
    service.term();
    assert!(service.wait(SOON).await.success(), "{}", service.log());
    said.push(("the log".to_owned(), service.log()));

    let expected = ["accepted", "blocked", "failing", "misdirected", "refused", "unavailable", "unsignable"];
    assert_eq!(outcomes, expected.map(str::to_owned).into(), "everything happened that can happen");
    for token in receivers.tokens() {
        files.secrets.add_token(&token);
    }
    judge(&files.secrets, &said, &receivers.tokens());
}

fn judge(secrets: &search::Secrets, said: &[(String, String)], tokens: &[String]) {
    let (place, log) = said.last().expect("the log");
    for (what, level) in [("hyper", "DEBUG"), ("sqlx", "DEBUG"), ("mio", "TRACE"), ("signoff", "INFO")] {
        let logged = log.lines().any(|line| line.contains(level) && line.contains(what));
        assert!(logged, "the log is not as loud as it should be: no {level} of {what}");
    }
    assert!(tokens.len() >= 20, "{} tokens arrived", tokens.len());
    assert!(said.len() > 50, "{} answers", said.len());
    let found: BTreeSet<String> = said.iter().flat_map(|(place, text)| secrets.found_in(place, text)).collect();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.into_iter().collect::<Vec<_>>().join("\n"));

    let middle = (log.len() / 2..log.len()).find(|at| log.is_char_boundary(*at)).expect("a middle");
    for part in tokens[0].split('.').chain([tokens[0].as_str()]) {
        let planted = [&log[..middle], part, &log[middle..]].concat();
        assert!(!secrets.found_in(place, &planted).is_empty(), "a planted token makes it fail");
    }
}

/// Waits until this is what the API says.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    eventually(what, SOON, async || ask().await.then_some(())).await;
}

/// The rows of a page.
fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().unwrap_or_default()
}
