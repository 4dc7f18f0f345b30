//! How busy was the machine, and with what? CPU time by process, from /proc.

use std::fs;

use serde_json::Value;
use sqlx::PgPool;

use crate::support::{http_client, setting};

/// Clock ticks a second, which /proc counts in on Linux.
const TICKS: f64 = 100.0;

/// The processes of a run. `None`: not on this machine.
#[derive(Debug)]
pub(crate) struct Processes {
    service: Option<u32>,
    postgres: Option<u32>,
    rabbitmq: Option<u32>,
}

/// CPU seconds up to a moment, or between two.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) service: f64,
    pub(crate) postgres: f64,
    pub(crate) rabbitmq: f64,
    pub(crate) bench: f64,
    /// All processes of the machine.
    pub(crate) machine: f64,
}

impl Processes {
    pub(crate) async fn find(pool: &PgPool) -> Self {
        let own = std::process::id();
        let postmaster = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
        let postgres = sqlx::query_scalar::<_, String>(postmaster).fetch_one(pool).await.ok();
        Self {
            service: children(own).into_iter().find(|pid| name(*pid).as_deref() == Some("signoff")),
            postgres: postgres.and_then(|pid| pid.parse().ok()).filter(|pid| is(*pid, "postgres")),
            rabbitmq: rabbitmq_pid().await.filter(|pid| is(*pid, "beam")),
        }
    }

    pub(crate) fn cpu(&self) -> Cpu {
        Cpu {
            service: self.service.map_or(0.0, |pid| seconds(pid, false)),
            postgres: self.postgres.map_or(0.0, |pid| {
                seconds(pid, true) + children(pid).into_iter().map(|pid| seconds(pid, false)).sum::<f64>()
            }),
            rabbitmq: self.rabbitmq.map_or(0.0, |pid| seconds(pid, false)),
            bench: seconds(std::process::id(), false),
            machine: machine_seconds(),
        }
    }

    /// The most memory the service has used, in MiB; 0: not known.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.memory_of("VmHWM:").unwrap_or_default()
    }

    /// The memory the service uses, in MiB; 0: not known.
    pub(crate) fn memory(&self) -> u64 {
        self.memory_of("VmRSS:").unwrap_or_default()
    }

    fn memory_of(&self, name: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.service?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
    }
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            service: self.service - before.service,
            postgres: self.postgres - before.postgres,
            rabbitmq: self.rabbitmq - before.rabbitmq,
            bench: self.bench - before.bench,
            machine: self.machine - before.machine,
        }
    }
}

/// Processors, their name, and how many of them were wanted in the last minute.
pub(crate) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let (cpus, load) = (cpus(), load.split(' ').next().unwrap_or_default());
    format!("{cpus} CPUs ({}), load {load} at the start", model.trim_start_matches([' ', '\t', ':']))
}

pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn rabbitmq_pid() -> Option<u32> {
    let mut url: url::Url = setting("SIGNOFF_TEST_AMQP_MANAGEMENT_URL")?.parse().ok()?;
    url.set_path("/api/nodes");
    let answer = http_client().get(url).send().await.ok()?.text().await.ok()?;
    let nodes: Value = serde_json::from_str(&answer).ok()?;
    nodes[0]["os_pid"].as_str()?.parse().ok()
}

/// The fields of /proc/PID/stat from the third, the state, on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned())
}

fn is(pid: u32, prefix: &str) -> bool {
    name(pid).is_some_and(|name| name.starts_with(prefix))
}

fn children(of: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|stat| stat[1] == of.to_string())).collect()
}

/// utime and stime, with `ended` those of the children that ended, too.
fn seconds(pid: u32, ended: bool) -> f64 {
    let fields = if ended { 11..15 } else { 11..13 };
    let ticks = stat(pid).map_or(0.0, |stat| stat[fields].iter().filter_map(|field| field.parse::<f64>().ok()).sum());
    ticks / TICKS
}

/// Without idle and waiting for disks.
fn machine_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.lines().next().unwrap_or_default().split(' ').filter_map(|f| f.parse().ok()).collect();
    fields
        .iter()
        .enumerate()
        .filter(|(index, _)| ![3, 4, 7, 8, 9].contains(index))
        .map(|(_, ticks)| ticks / TICKS)
        .sum()
}
