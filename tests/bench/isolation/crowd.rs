//! Fifty of five hundred clients hang, with very much owed to them: what does it cost the others, and memory?

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::arguments::Arguments;
use crate::figures::{Delays, millis, published_to_arrived};
use crate::machine::describe;
use crate::receivers::{Client, Manner};
use crate::report::{BUILD, answered, tell_machine};
use crate::scene::{More, Scene};
use crate::support::eventually;

const HEALTHY: usize = 450;
const HUNG: usize = 50;
/// Clients of one logout of the steady flow.
const EACH: usize = 10;
/// Attempts at a client that hangs until its breaker is open: five that failed, and the one beside the last.
const OPENS: usize = 6;
const PATIENCE: Duration = Duration::from_mins(10);

/// What the healthy ones saw.
struct Run {
    arrived: Delays,
    answered: Delays,
}

pub(crate) async fn run(arguments: &Arguments, owed: usize) {
    println!(
        "{} logouts a second for {} s, each owed to {EACH} of {} clients, {}, {BUILD}\n{}",
        arguments.rate,
        arguments.seconds,
        HEALTHY + HUNG,
        arguments.alg_name(),
        describe()
    );
    let Some(mut scene) = Scene::start(arguments, &[Manner::Healthy; HEALTHY], More::default()).await else { return };
    println!("\n{HEALTHY} clients, all healthy");
    let alone = flow(arguments, &mut scene, HEALTHY).await;
    drop(scene);

    let mut manners = vec![Manner::Healthy; HEALTHY];
    manners.extend([Manner::Hung; HUNG]);
    let Some(mut scene) = Scene::start(arguments, &manners, More::default()).await else { return };
    println!("\n{} clients, of which {HUNG} take requests and never answer", HEALTHY + HUNG);
    warm_up(&mut scene).await;
    let before = scene.processes.memory();
    let since = Instant::now();
    owe(&mut scene, owed).await;
    println!(
        "memory of the service: {before} MiB before, {} MiB with {owed} deliveries owed",
        scene.processes.memory()
    );
    let among = flow(arguments, &mut scene, HEALTHY + HUNG).await;
    println!(
        "memory of the service: {} MiB after, {} MiB at its peak",
        scene.processes.memory(),
        scene.processes.peak_memory()
    );

    println!("\nof the {HEALTHY}, in ms     published → arrived             accepted → answered");
    println!("                       p50      p99    worst        p50      p99    worst");
    println!("alone             {}   {}", alone.arrived, alone.answered);
    println!("among 500         {}   {}", among.arrived, among.answered);
    let (arrived, answered) = (among.arrived.over(alone.arrived), among.answered.over(alone.answered));
    println!("ratio             {arrived}   {answered}");
    recovery(&scene, since).await;
}

/// Every healthy client answers once.
async fn warm_up(scene: &mut Scene) {
    let healthy: Vec<_> = (0..HEALTHY).collect();
    scene.open("warm", 1, &healthy).await;
    scene.logouts("warm", 1, 1).await;
    scene.arrived(HEALTHY).await;
}

/// So much is owed to those that hang, before anything is measured.
async fn owe(scene: &mut Scene, owed: usize) {
    let hung: Vec<_> = (HEALTHY..HEALTHY + HUNG).collect();
    let logouts = owed / HUNG;
    scene.open("behind", logouts, &hung).await;
    scene.logouts("behind", logouts, 1000).await;
    let all = i64::try_from(logouts * HUNG).expect("a count");
    let recorded = async || (pending(scene).await >= all).then_some(());
    eventually("everything is owed", PATIENCE, recorded).await;
}

async fn pending(scene: &Scene) -> i64 {
    let rows = "SELECT count(*) FROM deliveries WHERE state = 0";
    sqlx::query_scalar(rows).fetch_one(&scene.pool).await.expect("a count")
}

/// A steady stream of logouts, owed to all clients in turn.
async fn flow(arguments: &Arguments, scene: &mut Scene, clients: usize) -> Run {
    let logouts = (arguments.rate * arguments.seconds) as usize;
    let of = move |number: usize| (number * EACH..(number + 1) * EACH).map(move |n| n % clients);
    scene.open_at("steady", logouts, of).await;
    let owed = (0..logouts).flat_map(of).filter(|client| *client < HEALTHY).count();
    let (began, cpu, had) = (Instant::now(), scene.processes.cpu(), scene.receivers.arrived());
    let published = scene.logouts("steady", logouts, arguments.rate).await;
    let arrived = scene.arrived(had + owed).await - had;
    scene.settled().await;
    let (took, cpu) = (began.elapsed(), scene.processes.cpu() - cpu);
    let samples = published_to_arrived(&scene.receivers, "steady", &published.at);
    println!(
        "{} of {owed} deliveries arrived at the healthy, {} twice; the publisher was at most {:.0} ms late",
        samples.len(),
        arrived - samples.len(),
        millis(published.behind)
    );
    tell_machine(scene, cpu, took, arrived).await;
    Run { arrived: Delays::of(samples), answered: answered(&scene.pool, "steady").await }
}

/// One of those that hung answers from now on.
async fn recovery(scene: &Scene, since: Instant) {
    let client = &scene.receivers.clients[HEALTHY];
    let probed = async || client.given_up().get(OPENS + 1).copied();
    eventually("two probes", PATIENCE, probed).await;
    let opened = client.given_up()[OPENS - 1];
    let (owed, leased) = scene.owed(HEALTHY).await;
    println!(
        "\none of the {HUNG} saw {} attempts in {:.0} s: {OPENS}, at most {} at once, until its breaker was open, \
         then probes, at most {} at once",
        client.count(),
        since.elapsed().as_secs_f64(),
        client.open_at_most(since),
        client.open_at_most(opened),
    );
    println!("{owed} rows wait for it, of which {leased} in memory; it answers from now on");
    let back = Instant::now();
    client.becomes(Manner::Healthy);
    let told = async || after(client, back).first().copied();
    let first = eventually("a probe", PATIENCE, told).await;
    let drained = async || (scene.owed(HEALTHY).await.0 == 0).then_some(());
    eventually("it is told everything", PATIENCE, drained).await;
    let came = after(client, back);
    let within = |time: Duration| came.iter().filter(|at| **at - first <= time).count();
    println!(
        "probed after {:.1} s; requests within 10 ms, 100 ms, 1 s of the probe: {}, {}, {}; all {} within {:.1} s",
        (first - back).as_secs_f64(),
        within(Duration::from_millis(10)),
        within(Duration::from_millis(100)),
        within(Duration::from_secs(1)),
        came.len(),
        (came.last().copied().unwrap_or(first) - back).as_secs_f64()
    );
    sleep(Duration::from_secs(1)).await;
    println!("{} requests at the other {} in that time", others(scene, back), HUNG - 1);
}

/// When requests came, later than this.
fn after(client: &Client, from: Instant) -> Vec<Instant> {
    client.log().into_iter().map(|(_, at)| at).filter(|at| *at > from).collect()
}

fn others(scene: &Scene, from: Instant) -> usize {
    scene.receivers.clients[HEALTHY + 1..].iter().map(|client| after(client, from).len()).sum()
}
