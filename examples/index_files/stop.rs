//! Ctrl-C and SIGTERM: the first stops cleanly, the second at once.
//!
//! A plain thread that waits for signals and cancels a token: this works the same below every runtime.

use indicatif::ProgressBar;
use regatta::cancel::CancelToken;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// What the signals do to the job.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Cancelled by the first signal.
    pub(crate) token: CancelToken,
    code: Arc<AtomicU8>,
}

impl Stop {
    /// What shells expect of a program that a signal ended: 128 and its number.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code.load(Ordering::Acquire))
    }
}

/// Listens from now on.
///
/// # Errors
///
/// When the system does not let it.
#[cfg(unix)]
pub(crate) fn on_signals(progress: ProgressBar, grace: Duration) -> Result<Stop, String> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Stop {
        token: CancelToken::new(),
        code: Arc::default(),
    };
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))?;
    let (token, code) = (stop.token.clone(), stop.code.clone());
    let listen = move || {
        for signal in signals.forever() {
            let exit = 128 + signal;
            if token.is_cancelled() {
                crate::report::let_a_write_end();
                std::process::exit(exit);
            }
            // Before the token: whoever sees that one cancelled reads the code.
            code.store(exit as u8, Ordering::Release);
            token.cancel_with(if signal == SIGINT {
                "Ctrl-C"
            } else {
                "SIGTERM"
            });
            // Above the progress bar, not through it.
            progress.suspend(|| {
                eprintln!("index_files: stopping; files in flight get {grace:?}; once more to stop at once");
            });
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)
        .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))?;
    Ok(stop)
}

/// Elsewhere Ctrl-C ends the process at once; the report holds whole lines all the same.
#[cfg(not(unix))]
pub(crate) fn on_signals(_: ProgressBar, _: Duration) -> Result<Stop, String> {
    Ok(Stop {
        token: CancelToken::new(),
        code: Arc::default(),
    })
}
