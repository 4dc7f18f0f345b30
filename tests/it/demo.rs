//! Does `signoff demo` show what it promises, and fail when it must? The real program, as a person
//! runs it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::child::Owned;
use crate::support::events::{logout, opened};
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::Vhost;
use crate::support::setup::{ISSUER, SQLITE, Setup};
use crate::support::{eventually, free_port, http_client};

/// How long a demo may take on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// A running demo, and what it prints.
struct Demo {
    child: Owned,
    directory: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("tmp")).expect("a directory");
        let printed = File::create(directory.path().join("printed")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
        command
            .arg("demo")
            .args(arguments)
            .current_dir(directory.path())
            .env("TMPDIR", directory.path().join("tmp"))
            // A configuration that happens to be there is none of the demo's business.
            .env("SIGNOFF_CONFIG", "no-such-file.toml")
            .env("SIGNOFF__HTTP__LISTEN", "nonsense")
            .stdin(Stdio::null())
            .stdout(printed.try_clone().expect("a file"))
            .stderr(printed);
        Self { child: Owned::start(&mut command), directory }
    }

    fn printed(&self) -> String {
        fs::read_to_string(self.directory.path().join("printed")).expect("what it printed")
    }

    /// Its exit code, once it has ended and left nothing behind.
    async fn ended(&mut self) -> Option<i32> {
        let status = self.child.wait(SOON).await;
        assert_eq!(fs::read_dir(self.directory.path().join("tmp")).expect("its TMPDIR").count(), 0);
        status.code()
    }

    /// Waits for this line, and returns everything printed.
    async fn prints(&self, text: &str) -> String {
        eventually(text, SOON, async || Some(self.printed()).filter(|printed| printed.contains(text))).await
    }
}

/// A line of the first table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attempt {
    ms: u64,
    client: String,
    number: u16,
    status: u16,
    outcome: String,
    jti: String,
}

fn attempts(printed: &str) -> Vec<Attempt> {
    let attempt = |line: &str| {
        let [ms, client, number, status, outcome, jti] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Attempt {
            ms: ms.parse().ok()?,
            client: client.to_owned(),
            number: number.parse().ok()?,
            status: status.parse().ok()?,
            outcome: outcome.to_owned(),
            jti: jti.to_owned(),
        })
    };
    printed.lines().filter_map(attempt).collect()
}

/// A line of the second table: user, application, the page before and after, ok or WRONG, `jti`.
type Fate = (String, String, u16, u16, String, String);

fn fates(printed: &str) -> Vec<Fate> {
    let fate = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let [user, application, before, after, .., right, jti] = &words[..] else { return None };
        let (before, after) = (before.parse().ok()?, after.parse().ok()?);
        Some((user.clone(), application.clone(), before, after, right.clone(), jti.clone()))
    };
    printed.lines().filter(|line| line.starts_with("alice ") || line.starts_with("bob ")).filter_map(fate).collect()
}

fn assert_is_right(printed: &str) {
    let all = attempts(printed);
    let of = |client: &str| -> Vec<(u16, u16, String)> {
        let own = all.iter().filter(|attempt| attempt.client == client);
        own.map(|attempt| (attempt.number, attempt.status, attempt.outcome.clone())).collect()
    };
    let (refused, accepted) = ("unavailable".to_owned(), "accepted".to_owned());
    assert_eq!(of("shop"), [(1, 200, accepted.clone())], "{printed}");
    assert_eq!(of("forum"), [(1, 200, accepted.clone())], "{printed}");
    assert_eq!(of("wiki"), [(1, 503, refused.clone()), (2, 503, refused), (3, 200, accepted)], "{printed}");
    assert_eq!(all.iter().map(|attempt| &attempt.jti).collect::<BTreeSet<_>>().len(), 5, "{printed}");
    let wiki = all.iter().filter(|attempt| attempt.client == "wiki");
    assert!(wiki.is_sorted_by_key(|attempt| attempt.ms), "{printed}");

    let mut expected = Vec::new();
    for application in ["shop", "forum", "wiki"] {
        let last = all.iter().rfind(|attempt| attempt.client == application).expect("an attempt");
        expected.push(("alice".into(), application.into(), 200, 401, "ok".into(), last.jti[..8].to_owned()));
    }
    expected.extend(["shop", "forum", "wiki"].map(|at| ("bob".into(), at.into(), 200, 200, "ok".into(), "-".into())));
    assert_eq!(fates(printed), expected, "{printed}");
    assert!(printed.contains("Exactly the right sessions are dead: 3 of alice's ended, 3 others live."), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
}

#[tokio::test]
async fn the_right_sessions_die_and_it_ends_with_0() {
    let mut demo = Demo::start(&["--exit"]);
    assert_eq!(demo.ended().await, Some(0), "{}", demo.printed());
    assert_is_right(&demo.printed());
    assert!(demo.printed().contains("\n  events   POST /v1/events\n"), "{}", demo.printed());
}

#[tokio::test]
async fn through_a_queue_it_is_the_same_and_the_queue_is_gone_afterwards() {
    let Some(vhost) = Vhost::new().await else { return };
    let mut demo = Demo::start(&["--exit", "--amqp", &vhost.url()]);
    assert_eq!(demo.ended().await, Some(0), "{}", demo.printed());
    let printed = demo.printed();
    assert_is_right(&printed);
    let queue = printed.split_once("\n  events   queue ").and_then(|(_, rest)| rest.split_whitespace().next());
    let queue = queue.expect("the queue's name");
    assert!(queue.starts_with("signoff.demo."), "{printed}");
    assert_eq!(vhost.depth(queue).await, None);
    assert_eq!(vhost.depth(&format!("{queue}.rejected")).await, None);
    let password = url::Url::parse(&vhost.url()).expect("a URL").password().map(str::to_owned);
    assert!(password.is_none_or(|password| !printed.contains(&format!(":{password}@"))), "{printed}");
}

#[tokio::test]
async fn on_postgres_it_is_the_same() {
    let Some(database) = TestDatabase::new().await else { return };
    let mut demo = Demo::start(&["--exit", "--store", database.url()]);
    assert_eq!(demo.ended().await, Some(0), "{}", demo.printed());
    assert_is_right(&demo.printed());
    let delivered: i64 =
        sqlx::query_scalar("SELECT count(*) FROM delivered").fetch_one(&database.pool().await).await.expect("a count");
    assert_eq!(delivered, 3);
}

#[tokio::test]
async fn an_application_that_does_not_log_out_is_seen_and_it_ends_with_1() {
    let mut demo = Demo::start(&["--exit", "--break", "shop", "--within", "4s"]);
    assert_eq!(demo.ended().await, Some(1), "{}", demo.printed());
    let printed = demo.printed();
    let fates = fates(&printed);
    let of = |user: &str, at: &str| fates.iter().find(|fate| fate.0 == user && fate.1 == at).expect("a line");
    assert_eq!((of("alice", "shop").3, of("alice", "shop").4.as_str()), (200, "WRONG"), "{printed}");
    assert_eq!((of("alice", "forum").3, of("alice", "forum").4.as_str()), (401, "ok"), "{printed}");
    assert_eq!((of("bob", "shop").3, of("bob", "shop").4.as_str()), (200, "ok"), "{printed}");
    assert!(printed.contains("Not everything is delivered after 4s."), "{printed}");
    assert!(printed.contains("WRONG: not as it should be: alice at shop"), "{printed}");
    assert!(!printed.contains("Exactly the right sessions"), "{printed}");
}

#[tokio::test]
async fn what_it_cannot_start_with_is_said() {
    for (arguments, code, what) in [
        (&["--amqp", "http://broker"][..], 2, "amqp.demo.url: has the scheme \"http\""),
        (&["--store", "mysql://x"], 2, "store.url: has the scheme \"mysql\""),
        (&["--break", "blog"], 2, "[possible values: shop, forum, wiki]"),
        (&["--amqp", "amqp://user:secret@127.0.0.1:1/%2f"], 1, "RabbitMQ at 127.0.0.1:1 is not reached; check --amqp"),
    ] {
        let mut demo = Demo::start(arguments);
        assert_eq!(demo.ended().await, Some(code), "{arguments:?}: {}", demo.printed());
        assert!(demo.printed().contains(what), "{arguments:?}: {}", demo.printed());
        assert!(!demo.printed().contains("secret"), "{}", demo.printed());
    }
}

#[tokio::test]
async fn ctrl_c_in_the_middle_leaves_nothing_behind() {
    let mut demo = Demo::start(&[]);
    demo.prints("alice signs out").await;
    demo.child.interrupt();
    assert_eq!(demo.ended().await, Some(1), "{}", demo.printed());
}

/// The first address of the line that begins so.
fn address(printed: &str, start: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = printed.lines().map(words).find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no line {start:?} in\n{printed}"));
    line.split(' ').find(|word| word.starts_with("http://")).expect("an address").to_owned()
}

async fn get(url: &str) -> (u16, String) {
    let answer = http_client().get(url).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

#[tokio::test]
async fn it_stays_up_and_every_address_it_prints_opens() {
    let mut demo = Demo::start(&[]);
    let printed = demo.prints("logout --url").await;
    assert_is_right(printed.split("It stays up").next().expect("the part before"));

    let (status, page) = get(&address(&printed, "the service's page")).await;
    assert_eq!((status, page.contains("Nobody: everything owed has been delivered.")), (200, true), "{page}");
    let (_, logout) = get(&address(&printed, "the logout")).await;
    let logout: Value = serde_json::from_str(&logout).expect("JSON");
    assert_eq!((logout["counts"]["delivered"].as_u64(), logout["cause"].as_str()), (Some(3), Some("user_logout")));
    let (_, delivery) = get(&address(&printed, "delivery to wiki")).await;
    let delivery: Value = serde_json::from_str(&delivery).expect("JSON");
    let jtis: Vec<_> = delivery["attempts"].as_array().expect("attempts").iter().map(|a| a["jti"].clone()).collect();
    let listed: Vec<_> = attempts(&printed).into_iter().filter(|a| a.client == "wiki").map(|a| a.jti.into()).collect();
    assert_eq!(jtis, listed as Vec<Value>);

    let (status, page) = get(&address(&printed, "alice at wiki")).await;
    assert_eq!((status, page.contains("alice is signed out")), (401, true), "{page}");
    let bob = address(&printed, "bob at forum");
    let (status, page) = get(&bob).await;
    assert_eq!((status, page.contains("bob is signed in")), (200, true), "{page}");

    bobs_cookie_works_until_the_printed_command_signs_him_out(&printed, &bob).await;
    demo.child.interrupt();
    assert_eq!(demo.ended().await, Some(0), "{}", demo.printed());
}

async fn bobs_cookie_works_until_the_printed_command_signs_him_out(printed: &str, page: &str) {
    let cookie = http_client().get(page).send().await.expect("an answer").headers()["set-cookie"].clone();
    let cookie = cookie.to_str().expect("text").split(';').next().expect("a value").to_owned();
    let home = page.split('?').next().expect("an address").to_owned();
    let with_cookie = async |home: &str| {
        http_client().get(home).header("cookie", &cookie).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!((with_cookie(&home).await, get(&home).await.0), (200, 401));
    let command: Vec<_> = printed.lines().last().expect("a line").split_whitespace().collect();
    let output = tokio::process::Command::new(command[0]).args(&command[1..]).output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((with_cookie(&home).await, get(page).await.0), (401, 401));
}

#[tokio::test]
async fn an_application_by_itself_obeys_a_real_service() {
    let (site, uri) = (free_port(), "/backchannel-logout");
    let setup = Setup::new(SQLITE).client("shop", &format!("http://127.0.0.1:{site}{uri}"));
    let service = Service::spawn(&setup.config()).await;
    let (listen, keys) = (format!("127.0.0.1:{site}"), service.url("/.well-known/jwks.json"));
    let mut shop =
        Demo::start(&["application", "--name", "shop", "--listen", &listen, "--issuer", ISSUER, "--jwks-uri", &keys]);
    shop.prints(&format!("logout tokens at http://{listen}{uri}")).await;

    let login = http_client().get(format!("http://{listen}/dev-login?sub=alice&sid=s1")).send().await.expect("a login");
    let page = login.url().clone();
    assert!(page.query().is_some_and(|query| query.starts_with("session=")), "it leads to the page: {page}");
    let sees = async || http_client().get(page.clone()).send().await.expect("the page").status().as_u16();
    assert_eq!((login.status().as_u16(), sees().await), (200, 200));

    service.submit(&[opened("s1", "alice", "shop"), logout("s1")]).await;
    eventually("alice is signed out", SOON, async || (sees().await == 401).then_some(())).await;
    shop.child.term();
    assert_eq!(shop.ended().await, Some(0));
}
