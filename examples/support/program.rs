//! What the small examples have in common as programs: arguments or the usage, a clean stop, an exit code.

use regatta::cancel::CancelToken;
use std::process::ExitCode;
use stop::Stop;

#[path = "stop.rs"]
mod stop;

/// The program. `plan` is what the arguments say, or nothing when help was asked for; `start` says whether it came to its end, or was stopped by a signal, which cancels the
/// token.
pub(crate) fn run<P>(
    name: &str,
    usage: &str,
    plan: Result<Option<P>, String>,
    start: impl FnOnce(P, CancelToken) -> Result<bool, String>,
) -> ExitCode {
    let ended = match plan {
        Ok(Some(plan)) => until_stopped(plan, start),
        Ok(None) => {
            println!("{usage}");
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Err(format!("{why}\n{usage}")),
    };
    match ended {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn until_stopped<P>(
    plan: P,
    start: impl FnOnce(P, CancelToken) -> Result<bool, String>,
) -> Result<ExitCode, String> {
    let stop = Stop::on_signals(|| (), || ())?;
    Ok(match start(plan, stop.token.clone())? {
        true => ExitCode::SUCCESS,
        false => stop.exit_code(),
    })
}
