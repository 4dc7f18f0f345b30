//! What may be broken? A broker, a database, a disk and a clock that belong to the suite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::fault::{Fault, Schedule};
use crate::support::own_broker::OwnBroker;
use crate::support::own_postgres::{Ending, OwnPostgres};
use crate::support::rabbitmq::Vhost;
use crate::support::{eventually, required, say, setting};

/// A broker and a store for one schedule after the other.
#[derive(Debug)]
pub(super) struct Stage {
    broker: OwnBroker,
    postgres: Option<OwnPostgres>,
}

/// A small disk of its own, with an SQLite file.
#[derive(Debug)]
pub(super) struct Disk {
    directory: TempDir,
    /// Whether it is really small, and may be filled.
    mounted: bool,
}

/// How far the services' wall clock is off.
#[derive(Debug)]
pub(super) struct FakeClock {
    directory: TempDir,
    library: String,
}

/// The size of the small disk.
const DISK: &str = "size=64m";

impl Stage {
    /// `None`: something is missing, and skipping is allowed.
    pub(super) async fn start(with_postgres: bool) -> Option<Self> {
        let broker = OwnBroker::start().await?;
        let postgres = if with_postgres { Some(OwnPostgres::start().await?) } else { None };
        Some(Self { broker, postgres })
    }

    pub(super) async fn vhost(&self) -> Vhost {
        self.broker.broker().vhost().await
    }

    /// A new database; `None`: the store is SQLite.
    pub(super) async fn database(&self) -> Option<String> {
        match &self.postgres {
            Some(postgres) => Some(postgres.database().await),
            None => None,
        }
    }

    pub(super) async fn stop_broker(&mut self) {
        self.broker.stop().await;
    }

    pub(super) fn kill_broker(&mut self) {
        self.broker.kill9();
    }

    pub(super) async fn start_broker(&mut self) {
        self.broker.start_again().await;
    }

    pub(super) async fn stop_store(&mut self, how: Ending) {
        self.postgres().stop(how).await;
    }

    pub(super) async fn start_store(&mut self) {
        self.postgres().start_again().await;
    }

    pub(super) fn freeze_store(&mut self) {
        self.postgres().freeze();
    }

    pub(super) fn thaw_store(&mut self) {
        self.postgres().thaw();
    }

    fn postgres(&mut self) -> &mut OwnPostgres {
        self.postgres.as_mut().expect("this stage's store is Postgres")
    }
}

impl Disk {
    /// Mounted, which only root may do; without it no disk is filled, loudly.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", DISK, "signoff-test"]).arg(directory.path());
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            say("NOT RUN: a full disk, because only root may mount a small one");
        }
        Self { directory, mounted }
    }

    /// Whether it may be filled.
    pub(super) fn is_small(&self) -> bool {
        self.mounted
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Not a byte more.
    pub(super) fn fill(&self) {
        if !self.mounted {
            return;
        }
        let written = fs::write(self.ballast(), vec![0; 128 << 20]);
        let full = written.expect_err("the disk is smaller than the ballast");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    pub(super) fn empty(&self) {
        if self.mounted {
            fs::remove_file(self.ballast()).expect("the ballast");
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.mounted {
            return;
        }
        // Lazily: what still has a file open ends with the test.
        let _ = Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

impl FakeClock {
    /// For a schedule that steps the clock; all others run with the real one. `None`: there is no
    /// library, and skipping is allowed.
    pub(super) fn new(schedule: &Schedule) -> Option<Self> {
        if !schedule.has(|fault| matches!(fault, Fault::Clock(_))) {
            return None;
        }
        let library = required("SIGNOFF_TEST_FAKETIME")?;
        let clock = Self { directory: tempfile::tempdir().expect("a directory"), library };
        clock.step(0);
        Some(clock)
    }

    /// The wall clock is off by so many seconds; the monotonic clock goes on as it did.
    pub(super) fn step(&self, seconds: i64) {
        let next = self.directory.path().join("next");
        fs::write(&next, format!("{seconds:+}\n")).expect("to write");
        fs::rename(next, self.file()).expect("to replace");
    }

    /// What a service is started with.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let file = self.file().display().to_string();
        [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("step")
    }
}

/// The broker knows a connection some seconds after it was made: asks until it could close some.
pub(super) async fn cut(vhost: &Vhost) {
    eventually("the broker closes a connection", Duration::from_secs(20), async || {
        (vhost.close_connections("signoff/main").await > 0).then_some(())
    })
    .await;
}

/// How many schedules a store gets.
pub(super) fn schedules(short: u64) -> u64 {
    setting("SIGNOFF_TEST_FAULTS").map_or(short, |count| count.parse().expect("SIGNOFF_TEST_FAULTS is a number"))
}

/// Where a row of schedules begins: the short form is the same every time, the long form never.
pub(super) fn first_seed() -> u64 {
    setting("SIGNOFF_TEST_FAULTS").map_or(0, |_| rand::random_range(0..1 << 32))
}
