//! How does a test own a process? Started, signalled and waited for by pid, killed when dropped.

use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use super::eventually;

/// A child process that does not outlive the test.
#[derive(Debug)]
pub(crate) struct Owned {
    child: Child,
}

impl Owned {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
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

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        // The shell's own kill: /bin/kill is not on every machine.
        let kill = ["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid];
        let status = Command::new("sh").args(kill).status().expect("sh");
        assert!(status.success(), "no process {pid}");
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

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
