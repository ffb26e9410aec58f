//! Programs that run beside the test, and get signals. Unix only.
#![allow(
    dead_code,
    reason = "shared by test programs that need some of it each"
)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the helpers beside them"
)]

use rustix::process::{Pid, Signal, kill_process};
use std::io::BufReader;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Waits for something that another process does.
#[expect(
    clippy::disallowed_methods,
    reason = "another process keeps no virtual time"
)]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited a minute in vain for {what}");
}

/// A running program; killed if the test fails.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// What it prints is read after its end, or not at all: it should be little.
    pub(crate) fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the program to end", || self.0.try_wait().unwrap())
    }

    /// What it says on stderr, as it comes.
    pub(crate) fn hears(&mut self) -> BufReader<ChildStderr> {
        BufReader::new(self.0.stderr.take().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
