//! What the small examples have in common as programs: arguments or the usage, a clean stop, an exit code.

use regatta::cancel::CancelToken;
use std::process::ExitCode;

/// Cancels the token at the first Ctrl-C, on every runtime alike; the second ends the process.
///
/// # Errors
///
/// When the system does not let it listen.
#[cfg(unix)]
pub(crate) fn on_ctrl_c(stop: CancelToken) -> Result<(), String> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT])
        .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel_with("Ctrl-C");
        }
    });
    Ok(())
}

/// Elsewhere Ctrl-C ends the process.
#[cfg(not(unix))]
pub(crate) fn on_ctrl_c(_: CancelToken) -> Result<(), String> {
    Ok(())
}

/// The program. `plan` is what the arguments say, or nothing when help was asked for; `start` says whether it came to its end, or was stopped.
pub(crate) fn run<P>(
    name: &str,
    usage: &str,
    plan: Result<Option<P>, String>,
    start: impl FnOnce(P) -> Result<bool, String>,
) -> ExitCode {
    let ended = match plan {
        Ok(Some(plan)) => start(plan),
        Ok(None) => {
            println!("{usage}");
            Ok(true)
        }
        Err(why) => Err(format!("{why}\n{usage}")),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(130),
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::FAILURE
        }
    }
}
