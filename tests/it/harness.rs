//! Can the harness be believed? Each of its parts does what the other tests rely on.

use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgPoolOptions;

use crate::support::ledger::{Ledger, Token};
use crate::support::own_postgres::{Ending, OwnPostgres};
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::receiver::Receiver;
use crate::support::script::{Script, Step, answer};
use crate::support::setup::{SQLITE, Setup};
use crate::support::{eventually, http_client};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn databases_are_migrated_and_see_nothing_of_each_other() {
    let (Some(one), Some(other)) = (TestDatabase::new().await, TestDatabase::new().await) else { return };
    sqlx::query("CREATE TABLE only_here (x int)").execute(&one.pool().await).await.expect("a table");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = ANY (ARRAY['only_here', '_sqlx_migrations'])";
    let count = async |database: &TestDatabase| -> i64 {
        sqlx::query_scalar(tables).fetch_one(&database.pool().await).await.expect("pg_tables")
    };
    assert_eq!((count(&one).await, count(&other).await), (2, 1));
}

#[tokio::test]
async fn a_database_is_gone_after_its_test() {
    let (Some(gone), Some(stays)) = (TestDatabase::new().await, TestDatabase::new().await) else { return };
    let _left_open = gone.pool().await;
    let name = gone.url().rsplit('/').next().expect("a name").to_owned();
    drop(gone);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_one(&stays.pool().await)
        .await
        .expect("pg_database");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn virtual_hosts_see_nothing_of_each_other() {
    let (Some(one), Some(other)) = (Vhost::new().await, Vhost::new().await) else { return };
    one.declare_queue("signoff.events", "quorum").await;
    one.publish("", "signoff.events", &["first", "second"]).await;
    assert_eq!(one.depth("signoff.events").await, Some(Depth { ready: 2, consumers: 0 }));
    assert_eq!(other.depth("signoff.events").await, None);
    let bodies: Vec<_> = one.take("signoff.events").await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"first".to_vec(), b"second".to_vec()]);
    assert_eq!(one.depth("signoff.events").await, Some(Depth { ready: 0, consumers: 0 }));
}

#[tokio::test]
async fn messages_in_a_consumers_hands_are_counted() {
    let Some(vhost) = Vhost::new().await else { return };
    vhost.declare_queue("q", "classic").await;
    vhost.publish("", "q", &["held"]).await;
    let (_connection, channel) = vhost.connect().await;
    let held = channel.basic_get("q".into(), lapin::options::BasicGetOptions::default()).await.expect("a queue");
    assert!(held.is_some());
    eventually("one is unacknowledged", SOON, async || (vhost.unacknowledged("q").await == 1).then_some(())).await;
}

#[tokio::test]
#[should_panic(expected = "not routed or refused")]
async fn publishing_to_a_full_queue_fails_by_policy() {
    let Some(vhost) = Vhost::new().await else { panic!("not routed or refused: skipped") };
    vhost.declare_queue("full", "quorum").await;
    vhost.set_policy("^full$", json!({ "max-length": 1, "overflow": "reject-publish" })).await;
    eventually("the broker refuses", SOON, async || {
        vhost.publish("", "full", &["x"]).await;
        None::<()>
    })
    .await;
}

async fn post(receiver: &Receiver, token: &str) -> reqwest::Result<u16> {
    let request = http_client().post(receiver.url()).header("x-test", "yes").body(format!("logout_token={token}"));
    Ok(request.timeout(Duration::from_millis(500)).send().await?.status().as_u16())
}

#[tokio::test]
async fn a_receiver_follows_its_script_and_remembers() {
    let unavailable = answer(503).header("Retry-After", "3").body("later");
    let receiver = Receiver::start(Script::always(answer(200)).after_first(2, unavailable)).await;
    let mut answers = Vec::new();
    for token in ["a", "b", "c", "d"] {
        answers.push(post(&receiver, token).await.expect("an answer"));
    }
    assert_eq!(answers, [503, 503, 200, 200]);
    let posts = receiver.wait_for(4, SOON).await;
    assert_eq!(posts.iter().map(|post| post.token.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(posts.iter().map(|post| post.status).collect::<Vec<_>>(), [503, 503, 200, 200]);
    assert!(posts[0].at <= posts[3].at);
    assert_eq!(posts[0].request_line, "POST /backchannel-logout HTTP/1.1");
    assert_eq!((posts[0].headers["x-test"].as_str(), posts[0].body.as_str()), ("yes", "logout_token=a"));
}

#[tokio::test]
async fn a_receiver_hangs_closes_and_is_slow() {
    let receiver = Receiver::start(Step::Hang).await;
    assert!(post(&receiver, "a").await.expect_err("no answer").is_timeout());
    receiver.becomes(Step::Close);
    assert!(!post(&receiver, "b").await.expect_err("no answer").is_timeout());
    receiver.becomes(answer(204).after(Duration::from_millis(100)));
    assert_eq!(post(&receiver, "c").await.expect("an answer"), 204);
    assert_eq!(receiver.posts().iter().map(|post| post.status).collect::<Vec<_>>(), [0, 0, 204]);
}

#[tokio::test]
async fn a_receiver_resets_drips_and_pours() {
    let receiver = Receiver::start(Step::Reset).await;
    assert!(!post(&receiver, "a").await.expect_err("no answer").is_timeout());
    receiver.becomes(Step::DripsHeaders);
    assert!(post(&receiver, "b").await.expect_err("no answer").is_timeout());
    for step in [Step::DripsBody(200), Step::Endless(200)] {
        receiver.becomes(step);
        let answer = http_client().post(receiver.url()).body("logout_token=c").timeout(Duration::from_millis(500));
        let answer = answer.send().await.expect("a status");
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.expect_err("no end").is_timeout());
    }
    let ended = async || Some(receiver.posts()).filter(|posts| posts.iter().all(|post| post.ended.is_some()));
    let posts = eventually("all have ended", SOON, ended).await;
    assert_eq!(posts.iter().map(|post| post.status).collect::<Vec<_>>(), [0, 0, 200, 200]);
    assert!(posts[1].answered.is_none() && posts[2].answered < posts[2].ended, "answered long before it ended");
}

#[tokio::test]
async fn a_private_postgres_keeps_what_was_committed_whatever_is_done_to_it() {
    let Some(mut own) = OwnPostgres::start().await else { return };
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(2));
    let pool = pool.connect(&own.database().await).await.expect("a database");
    sqlx::query("CREATE TABLE kept (how text)").execute(&pool).await.expect("a table");
    let keep = async |how: &'static str| sqlx::query("INSERT INTO kept VALUES ($1)").bind(how).execute(&pool).await;
    for (how, name) in [(Ending::Fast, "fast"), (Ending::Immediate, "immediate"), (Ending::Killed, "killed")] {
        keep(name).await.expect("a commit");
        own.stop(how).await;
        assert!(keep("lost").await.is_err(), "{name}: it is really down");
        own.start_again().await;
    }
    own.freeze();
    let frozen = tokio::time::timeout(Duration::from_secs(1), keep("late")).await;
    assert!(!matches!(frozen, Ok(Ok(_))), "it stands still");
    own.thaw();
    eventually("it answers again", SOON, async || keep("thawed").await.ok()).await;
    let kept: Vec<String> = sqlx::query_scalar("SELECT how FROM kept WHERE how NOT IN ('lost', 'late')")
        .fetch_all(&pool)
        .await
        .expect("the rows");
    assert_eq!(kept, ["fast", "immediate", "killed", "thawed"]);
}

#[tokio::test]
async fn a_receiver_goes_down_and_comes_back_on_its_port() {
    let mut receiver = Receiver::start(answer(200)).await;
    assert_eq!(post(&receiver, "a").await.expect("an answer"), 200);
    receiver.down().await;
    assert!(post(&receiver, "b").await.expect_err("refused").is_connect());
    receiver.up().await;
    assert_eq!(post(&receiver, "c").await.expect("an answer"), 200);
    assert_eq!(receiver.count(), 2);
}

/// An unsigned token.
fn token(aud: &str, sid: &str, jti: &str) -> String {
    use base64::Engine;
    let claims = json!({ "aud": aud, "sid": sid, "sub": "user", "jti": jti }).to_string();
    format!("e30.{}.sig", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn the_ledger_finds_what_is_lost_doubled_and_unpromised() {
    let receiver = Receiver::start(Script::always(answer(200)).after_first(1, answer(503))).await;
    let sent = [("s1", "j1"), ("s2", "j2"), ("s2", "j3"), ("s4", "j4")];
    for (sid, jti) in sent {
        post(&receiver, &token("shop", sid, jti)).await.expect("an answer");
    }
    let owed = |sid: &str| ("shop".to_owned(), sid.to_owned());
    let mut ledger = Ledger::default();
    ledger.promise("event-1", [owed("s1"), owed("s2")]);
    ledger.arrive(&receiver.posts());
    assert_eq!(ledger.lost(), [(&owed("s1"), "event-1")], "the 503 does not count");
    assert_eq!(ledger.duplicates(), 1);
    assert_eq!(ledger.unpromised(), [&owed("s4")]);
    let read = Token::read(&receiver.posts()[0].token);
    assert_eq!((read.sid.as_deref(), read.sub.as_deref()), (Some("s1"), Some("user")));
}

#[tokio::test]
#[should_panic(expected = "a jti was used twice")]
async fn the_ledger_refuses_a_jti_twice() {
    let receiver = Receiver::start(answer(200)).await;
    post(&receiver, &token("shop", "s1", "j")).await.expect("an answer");
    post(&receiver, &token("shop", "s2", "j")).await.expect("an answer");
    Ledger::default().arrive(&receiver.posts());
}

#[tokio::test]
async fn a_service_that_does_not_start_is_reported_with_its_status() {
    let failure = Service::spawn_with("no_such_key = true", &[]).await.expect_err("it does not start");
    assert!(failure.contains("exit status: 2") && failure.contains("no_such_key"), "{failure}");
}

#[tokio::test]
async fn a_service_is_killed_started_again_and_stopped() {
    let mut service = Service::spawn(&Setup::new(SQLITE).config()).await;
    assert!(!service.kill9().success());
    service.start_again().await;
    let answer = http_client().get(service.url("/livez")).send().await.expect("an answer");
    assert!(answer.status().is_success());
    service.term();
    assert!(service.wait(SOON).await.success(), "{}", service.log());
}
