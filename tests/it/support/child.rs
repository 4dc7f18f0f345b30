//! How does a test own a process? Started, signalled and waited for by pid, killed when dropped.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use super::eventually;

/// A child process that does not outlive the test.
#[derive(Debug)]
pub(crate) struct Owned {
    child: Child,
    /// Whether what it starts ends with it.
    group: bool,
}

impl Owned {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, group: false }
    }

    /// With everything it starts.
    pub(crate) fn start_group(command: &mut Command) -> Self {
        let mut owned = Self::start(command.process_group(0));
        owned.group = true;
        owned
    }

    /// `None`: it still runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child's status")
    }

    /// Asks it to stop.
    pub(crate) fn term(&self) {
        self.signal("TERM");
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Asks it to read its files again.
    pub(crate) fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Sends it any signal.
    pub(crate) fn signal(&self, name: &str) {
        assert!(kill(name, &self.id().to_string()), "no process {}", self.id());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill9(&mut self) -> ExitStatus {
        self.child.kill().expect("to kill the child");
        self.child.wait().expect("the child's status")
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn wait(&mut self, within: Duration) -> ExitStatus {
        eventually("the process ends", within, async || self.ended()).await
    }
}

/// Sends a signal to those of these processes that have not ended.
pub(crate) fn signal_all(name: &str, pids: &[u32]) {
    for pid in pids {
        kill(name, &pid.to_string());
    }
}

/// The processes that this one started and that have not ended.
pub(crate) fn children(of: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

/// The fourth field of /proc/PID/stat; the second, the name, may hold anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// The shell's own kill: /bin/kill is not on every machine.
fn kill(signal: &str, process: &str) -> bool {
    let kill = ["-c", "kill -s \"$1\" -- \"$2\" 2>/dev/null", "sh", signal, process];
    Command::new("sh").args(kill).status().expect("sh").success()
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.group {
            // Of a group that has ended nobody is left.
            kill("KILL", &format!("-{}", self.child.id()));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
