//! The worker's side: the same program, started again.

use super::frame::{HEAD, Head, Kind, read, read_body, write};
use super::link::{Link, accept};
use crate::runtime::panic_text;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;

/// A function that worker processes know: bytes in, bytes or an error out. The codec is the caller's choice.
pub type ProcessFunction = fn(&[u8]) -> Result<Vec<u8>, String>;

/// The first argument of a worker. Arguments, unlike the environment, do not pass on to what the worker starts.
pub(super) const WORKER: &str = "regatta-worker-process";

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Whether a program started again would become a worker, and not start workers without end.
pub(super) fn is_entered() -> bool {
    ENTERED.load(SeqCst)
}

/// Make this the first line of `main` in a program with a [`ProcessPool`](super::ProcessPool): worker processes are the same program, started again.
/// In a worker it runs the calls and never returns; otherwise it returns at once.
///
/// Whatever comes before it runs in every worker too. Do not read standard input in a function: it is how the pool talks to the
/// worker. Printing is free.
///
/// # Panics
///
/// When two functions have the same name.
///
/// # Examples
///
/// ```standalone_crate
/// use regatta::blocking::{self, ProcessPool};
///
/// fn sum(input: &[u8]) -> Result<Vec<u8>, String> {
///     let sum: u64 = input.iter().map(|b| u64::from(*b)).sum();
///     Ok(sum.to_le_bytes().to_vec())
/// }
///
/// fn main() {
///     blocking::process_entry(&[("sum", sum)]);
///     regatta::run(async {
///         let pool = ProcessPool::new(2).expect("process_entry was called");
///         let sum = pool.call("sum", [1, 2, 3]).await.expect("the worker lives");
///         assert_eq!(sum, 6u64.to_le_bytes());
///     });
/// }
/// ```
pub fn process_entry(functions: &[(&str, ProcessFunction)]) {
    for (n, (name, _)) in functions.iter().enumerate() {
        assert!(
            functions[..n].iter().all(|(other, _)| other != name),
            "process_entry: two functions are called `{name}`"
        );
    }
    ENTERED.store(true, SeqCst);
    if std::env::args_os().nth(1).is_some_and(|arg| arg == WORKER) {
        // An error means that the pool is gone; there is nobody left to tell.
        let served = serve(functions);
        std::process::exit(i32::from(served.is_err()));
    }
}

fn serve(functions: &[(&str, ProcessFunction)]) -> io::Result<()> {
    let mut link = accept()?;
    let mut requests = link.try_clone()?;
    let (give, given) = mpsc::channel();
    // On a thread of its own, to see at once that the pool is gone: a worker must not compute on for nobody.
    std::thread::Builder::new()
        .name("regatta-worker".into())
        .spawn(move || {
            while let Ok(request) = next_request(&mut requests) {
                if give.send(request).is_err() {
                    break;
                }
            }
            std::process::exit(0);
        })?;
    answer(&mut link, Kind::Hello, 0, &[])?;
    for (number, body) in given {
        let (kind, bytes) = call(functions, &body);
        // What was printed is out before the answer, whatever becomes of this process.
        let _ = io::stdout().flush();
        answer(&mut link, kind, number, &bytes)?;
    }
    Ok(())
}

fn next_request(link: &mut Link) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = [0; HEAD];
    read(link, &mut bytes, None)?;
    let head = Head::parse(bytes).map_err(io::Error::other)?;
    Ok((head.number, read_body(link, head.length, None)?))
}

fn answer(link: &mut Link, kind: Kind, number: u64, bytes: &[u8]) -> io::Result<()> {
    let Ok(length) = u32::try_from(bytes.len()) else {
        let why = format!("an answer of {} bytes does not fit", bytes.len());
        return answer(link, Kind::Failed, number, why.as_bytes());
    };
    let head = Head {
        kind,
        number,
        length,
    };
    write(link, &head.to_bytes(), None)?;
    write(link, bytes, None)
}

fn call(functions: &[(&str, ProcessFunction)], body: &[u8]) -> (Kind, Vec<u8>) {
    let Some((name, input)) = split(body) else {
        return (Kind::Unknown, Vec::new());
    };
    let Some((_, function)) = functions.iter().find(|(known, _)| known.as_bytes() == name) else {
        return (Kind::Unknown, name.to_vec());
    };
    match catch_unwind(AssertUnwindSafe(|| function(input))) {
        Ok(Ok(value)) => (Kind::Value, value),
        Ok(Err(why)) => (Kind::Failed, why.into_bytes()),
        Err(payload) => {
            let text = panic_text(&*payload).unwrap_or("(no message)");
            (Kind::Panicked, text.as_bytes().to_vec())
        }
    }
}

/// The name and the input.
fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}
