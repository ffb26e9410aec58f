//! What the small examples have in common as programs: arguments or the usage, a clean stop, an exit code.

use regatta::cancel::CancelToken;
use regatta::runtime::Flavor;
use std::process::ExitCode;
use stop::Stop;

#[path = "stop.rs"]
mod stop;

/// The program. `plan` is what the arguments say, or nothing when help was asked for; `start` says whether it came to
/// its end, or was stopped by a signal, which cancels the token. Exits with 2 when the arguments are wrong, as programs
/// do, with 1 when the work failed, and with 130 after Ctrl-C.
pub(crate) fn run<P>(
    name: &str,
    usage: &str,
    plan: Result<Option<P>, String>,
    start: impl FnOnce(P, CancelToken) -> Result<bool, String>,
) -> ExitCode {
    let ended = match plan {
        Ok(Some(plan)) => until_stopped(name, plan, start),
        Ok(None) => {
            println!("{usage}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{name}: {why}\n{usage}");
            return ExitCode::from(2);
        }
    };
    ended.unwrap_or_else(|why| {
        eprintln!("{name}: {why}");
        ExitCode::FAILURE
    })
}

/// Runs `work` on this runtime, or the first that is compiled in, until it ends or the program is to stop: `None`.
#[allow(
    dead_code,
    reason = "some examples end by themselves when the token is cancelled"
)]
pub(crate) fn run_on<F: Future>(
    flavor: Option<Flavor>,
    stop: &CancelToken,
    work: F,
) -> Option<F::Output> {
    let work = stop.run(work);
    let ended = match flavor {
        Some(flavor) => regatta::run_on(flavor, work),
        None => regatta::run(work),
    };
    ended.ok()
}

fn until_stopped<P>(
    name: &str,
    plan: P,
    start: impl FnOnce(P, CancelToken) -> Result<bool, String>,
) -> Result<ExitCode, String> {
    let stop = Stop::on_signals(|| (), || ())?;
    let ended = match start(plan, stop.token.clone()) {
        // What was under way fails when it is cancelled.
        Err(_) if stop.token.is_cancelled() => false,
        ended => ended?,
    };
    Ok(match ended {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("{name}: stopped before the end");
            stop.exit_code()
        }
    })
}
