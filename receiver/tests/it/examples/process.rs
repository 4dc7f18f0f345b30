//! How is a program started that says on its standard output when it is ready, and how does it end?

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running program. It is killed when this value is dropped.
pub(super) struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    /// Waits for a line that has this in it, and returns the line.
    pub(super) fn start(command: &mut Command, ready: &str) -> (Self, String) {
        let mut child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let running = Self { child, lines: Arc::default() };
        let lines = Arc::clone(&running.lines);
        std::thread::spawn(move || {
            // To the end, so that the program never waits for a reader.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        for _ in 0..1200 {
            if let Some(line) = running.find(ready) {
                return (running, line);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{command:?} does not say \"{ready}\"");
    }

    /// Whether it has said this so far.
    pub(super) fn said(&self, what: &str) -> bool {
        self.find(what).is_some()
    }

    fn find(&self, what: &str) -> Option<String> {
        self.lines.lock().unwrap().iter().find(|line| line.contains(what)).cloned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // With what it has started itself, such as a browser.
        let group = format!("-{}", self.child.id());
        let _ended = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _reaped = self.child.wait();
    }
}

/// A port nobody listens on, below the range from which outgoing connections take theirs.
pub(super) fn free_port() -> u16 {
    let mut seed = u32::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap());
    loop {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let port = u16::try_from(10_000 + seed % 22_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
