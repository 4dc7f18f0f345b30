//! One logout of a million sessions: how fast is it owed, and does a person's own pass by?

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::arguments::Arguments;
use crate::figures::Delays;
use crate::machine::describe;
use crate::receivers::Manner;
use crate::report::{BUILD, answered, tell_machine};
use crate::scene::{More, Scene};
use crate::support::eventually;

const CLIENTS: usize = 10;
/// People who log out while the sessions are walked, one a second.
const PEOPLE: usize = 60;
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two lines.
const LOOK: Duration = Duration::from_secs(10);

pub(crate) async fn run(arguments: &Arguments) {
    let (sessions, rate) = (arguments.sessions, arguments.bulk_per_second);
    println!(
        "one logout of {sessions} sessions at {CLIENTS} clients, bulk_per_second = {rate}, {}, {BUILD}\n{}",
        arguments.alg_name(),
        describe()
    );
    let more = More { intake: "allow_bulk = true\n", delivery: format!("bulk_per_second = {rate}\n") };
    let Some(mut scene) = Scene::start(arguments, &[Manner::Healthy; CLIENTS], more).await else { return };
    // They log in after the moment up to which all are logged out, and leave while they are.
    scene.open("own", PEOPLE, &(0..CLIENTS).collect::<Vec<_>>()).await;
    fill(&scene, sessions).await;
    println!("memory of the service: {} MiB before", scene.processes.memory());

    let (began, cpu) = (Instant::now(), scene.processes.cpu());
    scene.logout_of_all().await;
    let first = async || (owed(&scene).await > 0).then_some(());
    eventually("the first step", PATIENCE, first).await;
    people(&mut scene, began).await;
    let walked = walk_to_the_end(&scene, began).await;
    let (took, delivered) = (began.elapsed(), scene.receivers.arrived());
    let walk = walk_took(&scene).await;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let a_second = walked as f64 / walk;
    println!(
        "{walked} deliveries owed, by the walk in {walk:.0} s: {a_second:.0} a second; {delivered} delivered in {:.0} s",
        took.as_secs_f64()
    );
    tell_machine(&scene, scene.processes.cpu() - cpu, took, delivered.max(1)).await;
    let own = answered(&scene.pool, "own").await;
    println!("\n{PEOPLE} people's own logouts at {CLIENTS} clients each, accepted → answered, in ms");
    println!("     p50      p99    worst\n{own}");
    println!("everybody, accepted → answered, in ms\n     p50      p99    worst\n{}", everybody(&scene).await);
}

/// As events would have left them, in two statements.
async fn fill(scene: &Scene, sessions: usize) {
    let began = Instant::now();
    let count = i32::try_from(sessions).expect("a count");
    for statement in [
        "INSERT INTO provider_sessions (issuer, session_id, touched_at)
         SELECT i.id, 'bulk-' || n, now() FROM generate_series(1, $1) n, issuers i WHERE i.issuer = 'https://idp.example'",
        "INSERT INTO sessions (issuer, session_id, client, sid, sub, subject, opened_at, expires_at)
         SELECT c.issuer, 'bulk-' || n, c.id, 'bulk-' || n, 'user-' || n, 'user-' || n, now() - interval '2 hours',
                now() + interval '1 day'
         FROM generate_series(1, $1) n JOIN clients c ON c.client_id = 'client-' || n % 10",
    ] {
        sqlx::query(statement).bind(count).execute(&scene.pool).await.expect("sessions");
    }
    sqlx::query("ANALYZE").execute(&scene.pool).await.expect("statistics");
    println!("{sessions} sessions by INSERT … SELECT generate_series in {:.0} s", began.elapsed().as_secs_f64());
}

/// Deliveries that ever came to be.
async fn owed(scene: &Scene) -> i64 {
    let last = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('deliveries', 'id')::regclass), 0)";
    sqlx::query_scalar(last).fetch_one(&scene.pool).await.expect("a number")
}

async fn expanding(scene: &Scene) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM expansions)").fetch_one(&scene.pool).await.expect("a row")
}

/// Leave in the midst of it, one a second.
async fn people(scene: &mut Scene, began: Instant) {
    scene.logouts("own", PEOPLE, 1).await;
    tell(scene, began).await;
    println!("the walk {} when the last person had left", if expanding(scene).await { "went on" } else { "was over" });
}

async fn tell(scene: &Scene, began: Instant) {
    println!(
        "after {:3.0} s: {:7} owed, {:7} delivered, {} MiB",
        began.elapsed().as_secs_f64(),
        owed(scene).await,
        scene.receivers.arrived(),
        scene.processes.memory()
    );
}

async fn walk_to_the_end(scene: &Scene, began: Instant) -> i64 {
    let mut told = Instant::now();
    while expanding(scene).await {
        sleep(Duration::from_millis(250)).await;
        if told.elapsed() > LOOK {
            told = Instant::now();
            tell(scene, began).await;
        }
    }
    owed(scene).await
}

/// Seconds from the acceptance of the logout of all to the last delivery that it owes.
async fn walk_took(scene: &Scene) -> f64 {
    let last = "SELECT extract(epoch FROM max(d.created_at) - min(l.accepted_at))::float8
                FROM (SELECT logout_id, created_at FROM deliveries
                      UNION ALL SELECT logout_id, created_at FROM delivered) d
                JOIN logouts l ON l.id = d.logout_id WHERE l.scope = 2";
    sqlx::query_scalar(last).fetch_one(&scene.pool).await.expect("a time")
}

async fn everybody(scene: &Scene) -> Delays {
    answered(&scene.pool, "bulk").await
}
