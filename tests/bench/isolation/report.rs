//! Which runs are made, and what is printed of them?

use std::time::Duration;

use clap::Parser;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::figures::{Delays, busy, millis, published_to_arrived};
use crate::machine::{Cpu, describe};
use crate::receivers::{Client, Manner};
use crate::scene::{More, Scene};
use crate::{bulk, crowd};

/// Well-behaved clients, without and with the two others.
const HEALTHY: usize = 18;
/// Clients of a burst.
const BURST_CLIENTS: usize = 10;
/// Seconds of logouts for the healthy clients before figures are taken.
const WARM_UP: usize = 3;

pub(crate) const BUILD: &str = if cfg!(debug_assertions) { "debug build" } else { "release build" };

/// What one run came to.
struct Run {
    arrived: Delays,
    answered: Delays,
}

pub(crate) fn run() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        match (arguments.burst, arguments.crowd) {
            (Some(logouts), _) => burst(&arguments, logouts).await,
            (None, Some(owed)) => crowd::run(&arguments, owed).await,
            (None, None) if arguments.bulk => bulk::run(&arguments).await,
            (None, None) => isolation(&arguments).await,
        }
    });
}

async fn isolation(arguments: &Arguments) {
    println!(
        "{} logouts a second for {} s, {}, {BUILD}\n{}",
        arguments.rate,
        arguments.seconds,
        arguments.alg_name(),
        describe()
    );
    let well = vec![Manner::Healthy; HEALTHY];
    let mut ill = well.clone();
    ill.extend([Manner::Hung, Manner::Failing]);
    let Some(alone) = steady(arguments, &well).await else { return };
    let Some(among) = steady(arguments, &ill).await else { return };
    println!("\nof the {HEALTHY}, in ms      published → arrived             accepted → answered");
    println!("                       p50      p99    worst        p50      p99    worst");
    println!("alone             {}   {}", alone.arrived, alone.answered);
    println!("among 20          {}   {}", among.arrived, among.answered);
    let (arrived, answered) = (among.arrived.over(alone.arrived), among.answered.over(alone.answered));
    println!("ratio             {arrived}   {answered}");
}

/// A steady stream of logouts, each owed to every client.
async fn steady(arguments: &Arguments, manners: &[Manner]) -> Option<Run> {
    let mut scene = Scene::start(arguments, manners, More::default()).await?;
    let (healthy, all): (Vec<_>, Vec<_>) = ((0..HEALTHY).collect(), (0..manners.len()).collect());
    let rate = arguments.rate as usize;
    let (warm_up, logouts) = (rate * WARM_UP, rate * arguments.seconds as usize);
    println!("\n{} clients: opening {} sessions", manners.len(), logouts * manners.len());
    scene.open("warm", warm_up, &healthy).await;
    scene.open("steady", logouts, &all).await;
    scene.logouts("warm", warm_up, arguments.rate).await;
    scene.arrived(warm_up * HEALTHY).await;

    let (began, before) = (Instant::now(), scene.processes.cpu());
    let published = scene.logouts("steady", logouts, arguments.rate).await;
    let arrived = scene.arrived((warm_up + logouts) * HEALTHY).await - warm_up * HEALTHY;
    scene.settled().await;
    let (took, cpu) = (began.elapsed(), scene.processes.cpu() - before);

    let samples = published_to_arrived(&scene.receivers, "steady", &published.at);
    println!(
        "{} of {} deliveries arrived, {} twice; the publisher was at most {:.0} ms late",
        samples.len(),
        logouts * HEALTHY,
        arrived - samples.len(),
        millis(published.behind)
    );
    tell_machine(&scene, cpu, took, arrived).await;
    tell_bad(&scene).await;
    Some(Run { arrived: Delays::of(samples), answered: answered(&scene.pool, "steady").await })
}

pub(crate) async fn tell_machine(scene: &Scene, cpu: Cpu, took: Duration, deliveries: usize) {
    let setting = async |name: &str| -> String {
        sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&scene.pool).await.expect("a setting")
    };
    println!("processors in use (a delivery): {}", busy(cpu, took, deliveries));
    println!(
        "Postgres {} with fsync {}; peak memory of the service {} MiB",
        setting("server_version").await,
        setting("fsync").await,
        scene.processes.peak_memory()
    );
}

/// What the two bad clients saw, and where their rows are.
async fn tell_bad(scene: &Scene) {
    for (index, client) in scene.receivers.clients.iter().enumerate() {
        if client.manner != Manner::Healthy {
            let (owed, leased) = scene.owed(index).await;
            println!(
                "the {} client saw {} attempts; {owed} rows wait for it in the table, of which {leased} in memory",
                if client.manner == Manner::Hung { "hung" } else { "failing" },
                client.count()
            );
        }
    }
}

/// From the acceptance of a logout to the client's answer, of what was delivered.
pub(crate) async fn answered(pool: &PgPool, prefix: &str) -> Delays {
    let samples: Vec<f64> = sqlx::query_scalar(
        "SELECT (extract(epoch FROM d.started_at - l.accepted_at) * 1000 + d.took_us / 1000.0)::float8
         FROM delivered d JOIN logouts l ON l.id = d.logout_id WHERE d.session_id LIKE $1 || '-%'",
    )
    .bind(prefix)
    .fetch_all(pool)
    .await
    .expect("what was delivered");
    Delays::of(samples)
}

/// Logouts that wait in the queue, and ten healthy clients.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
async fn burst(arguments: &Arguments, logouts: usize) {
    println!(
        "{logouts} logouts in the queue, {BURST_CLIENTS} clients, {}, {BUILD}\n{}",
        arguments.alg_name(),
        describe()
    );
    let Some(mut scene) = Scene::start(arguments, &[Manner::Healthy; BURST_CLIENTS], More::default()).await else {
        return;
    };
    scene.open("burst", logouts, &(0..BURST_CLIENTS).collect::<Vec<_>>()).await;
    scene.queue("burst", logouts).await;
    let before = scene.processes.cpu();
    scene.start_again().await;
    let arrived = scene.arrived(logouts * BURST_CLIENTS).await;
    scene.settled().await;
    let cpu = scene.processes.cpu() - before;
    let mut times: Vec<_> = scene.receivers.healthy().flat_map(Client::log).map(|(_, at)| at).collect();
    times.sort_unstable();
    let took = times.last().zip(times.first()).map_or(Duration::ZERO, |(last, first)| *last - *first);
    println!(
        "{arrived} deliveries in {:.1} s: {:.0} a second",
        took.as_secs_f64(),
        arrived as f64 / took.as_secs_f64()
    );
    tell_machine(&scene, cpu, took, arrived).await;
}
