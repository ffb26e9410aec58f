//! The pool's side of one worker process.

use super::entry::WORKER;
use super::error::ProcessError;
use super::frame::{HEAD, Head, Kind, read, read_body, until, write};
use super::link::{Link, start};
use super::policy::Plan;
use crate::internal::caught::quietly;
use crate::internal::lock::Lock;
use crate::runtime::Instant;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// A worker process. Dropping it kills the process and takes it off the system's list.
pub(super) struct Worker {
    link: Link,
    child: Arc<Lock<Child>>,
    pub(super) calls: u64,
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(&self.child);
    }
}

/// Kills the process, and reaps it. What it was doing is cut; a process that is dying already keeps its own status.
fn end(child: &Lock<Child>) -> String {
    let mut child = child.lock();
    let _ = child.kill();
    match child.wait() {
        Ok(status) => status.to_string(),
        Err(e) => format!("of unknown cause ({e})"),
    }
}

/// Kills a process from elsewhere.
#[derive(Clone)]
pub(super) struct Killer(Arc<Lock<Child>>);

impl Killer {
    pub(super) fn kill(&self) {
        // Reaped by whoever has the worker, whose read ends now.
        let _ = self.0.lock().kill();
    }
}

impl Worker {
    pub(super) fn start(plan: &Plan) -> Result<Worker, ProcessError> {
        let program = std::env::current_exe().map_err(ProcessError::Start)?;
        let mut command = Command::new(program);
        command.arg(WORKER).args(&plan.args);
        if plan.output.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let (mut child, link) =
            start(&mut command, plan.start_limit).map_err(ProcessError::Start)?;
        let drained = drain(plan, &mut child);
        // From here on dropping it ends the process.
        let mut worker = Worker {
            link,
            child: Arc::new(Lock::new(child)),
            calls: 0,
        };
        drained.map_err(ProcessError::Start)?;
        worker.greet(plan)?;
        Ok(worker)
    }

    fn greet(&mut self, plan: &Plan) -> Result<(), ProcessError> {
        let head = self.head(until(plan.start_limit)).map_err(|e| match e {
            Trouble::Io(e) if e.kind() == io::ErrorKind::TimedOut => ProcessError::Start(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not report within {:?}: is `process_entry` the first line of `main`?", plan.start_limit),
            )),
            trouble => {
                let status = trouble.explain(self, plan);
                ProcessError::Start(io::Error::other(status.to_string()))
            }
        })?;
        match head.kind {
            Kind::Hello => Ok(()),
            _ => Err(ProcessError::Garbage("an answer before the greeting")),
        }
    }

    pub(super) fn killer(&self) -> Killer {
        Killer(self.child.clone())
    }

    /// One call. After an error for which [`spoils`](ProcessError::spoils) is true the worker is of no more use.
    pub(super) fn call(
        &mut self,
        plan: &Plan,
        number: u64,
        request: &[u8],
    ) -> Result<Vec<u8>, ProcessError> {
        self.calls += 1;
        let exchanged = self.exchange(plan, number, request);
        let (kind, body) = exchanged.map_err(|trouble| trouble.explain(self, plan))?;
        let text = |body| String::from_utf8_lossy(body).into_owned();
        match kind {
            Kind::Value => Ok(body),
            Kind::Failed => Err(ProcessError::Failed(text(&body))),
            Kind::Panicked => Err(ProcessError::Panicked(text(&body))),
            Kind::Unknown => Err(ProcessError::Unknown(text(&body))),
            Kind::Hello | Kind::Request => Err(ProcessError::Garbage("a frame that is no answer")),
        }
    }

    fn exchange(
        &mut self,
        plan: &Plan,
        number: u64,
        request: &[u8],
    ) -> Result<(Kind, Vec<u8>), Trouble> {
        let end = until(plan.call_limit);
        write(&mut self.link, request, end).map_err(Trouble::Io)?;
        let head = self.head(end)?;
        if head.number != number {
            return Err(Trouble::Garbage("an answer to another call"));
        }
        let (size, limit) = (u64::from(head.length), plan.max_bytes);
        if size > limit {
            return Err(Trouble::TooLarge { size, limit });
        }
        let body = read_body(&mut self.link, head.length, end);
        Ok((head.kind, body.map_err(Trouble::Io)?))
    }

    fn head(&mut self, end: Option<Instant>) -> Result<Head, Trouble> {
        let mut bytes = [0; HEAD];
        read(&mut self.link, &mut bytes, end).map_err(Trouble::Io)?;
        Head::parse(bytes).map_err(Trouble::Garbage)
    }
}

/// Why there is no answer.
// No `From`: the compiler lists such implementations in messages on users' code, private or not.
enum Trouble {
    Io(io::Error),
    Garbage(&'static str),
    TooLarge { size: u64, limit: u64 },
}

impl Trouble {
    fn explain(self, worker: &Worker, plan: &Plan) -> ProcessError {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof};
        match self {
            Trouble::Garbage(what) => ProcessError::Garbage(what),
            Trouble::TooLarge { size, limit } => ProcessError::TooLarge { size, limit },
            Trouble::Io(e) => match e.kind() {
                TimedOut => ProcessError::TimedOut(plan.call_limit),
                UnexpectedEof | BrokenPipe | ConnectionReset => {
                    ProcessError::Died(end(&worker.child))
                }
                _ => ProcessError::Io(e),
            },
        }
    }
}

/// Gives what the process prints to the user's callback, so that a full pipe never blocks it.
fn drain(plan: &Plan, child: &mut Child) -> io::Result<()> {
    let Some(output) = &plan.output else {
        return Ok(());
    };
    let pid = child.id();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for mut pipe in pipes.into_iter().flatten() {
        let output = output.clone();
        std::thread::Builder::new()
            .name("regatta-output".into())
            .spawn(move || {
                let mut bytes = [0; 8192];
                // Ends with the process, and with whatever else has inherited its pipe.
                while let Ok(n) = pipe.read(&mut bytes)
                    && n > 0
                {
                    // Who only listens must not stop the process, whose pipe would be full.
                    quietly(|| output(pid, &bytes[..n]));
                }
            })?;
    }
    Ok(())
}
