//! Ctrl-C and SIGTERM: the first stops cleanly, the second at once.
//!
//! A plain thread that waits for signals and cancels a token: this works the same below every runtime.

use regatta::cancel::CancelToken;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What the signals do to the program.
#[derive(Debug, Default)]
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

    /// Listens from now on. `first` is called after the token was cancelled, `second` before the process ends.
    ///
    /// # Errors
    ///
    /// When the system does not let it.
    #[cfg(unix)]
    pub(crate) fn on_signals(
        first: impl Fn() + Send + 'static,
        second: impl Fn() + Send + 'static,
    ) -> Result<Stop, String> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Stop::default();
        let refused = |e: std::io::Error| format!("cannot listen for Ctrl-C: {e}");
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(refused)?;
        let (token, code) = (stop.token.clone(), stop.code.clone());
        let listen = move || {
            for signal in signals.forever() {
                let exit = 128 + signal;
                if token.is_cancelled() {
                    second();
                    std::process::exit(exit);
                }
                // Before the token: whoever sees that one cancelled reads the code.
                code.store(exit as u8, Ordering::Release);
                token.cancel_with(if signal == SIGINT {
                    "Ctrl-C"
                } else {
                    "SIGTERM"
                });
                first();
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(listen)
            .map_err(refused)?;
        Ok(stop)
    }

    /// Elsewhere Ctrl-C ends the process at once.
    #[cfg(not(unix))]
    pub(crate) fn on_signals(
        _: impl Fn() + Send + 'static,
        _: impl Fn() + Send + 'static,
    ) -> Result<Stop, String> {
        Ok(Stop::default())
    }
}
