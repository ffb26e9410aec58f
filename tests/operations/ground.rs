//! Where a harness runs: virtual time, and the runtimes that are compiled in.

use regatta::testing::{self, Config};
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Virtual(u64),
    #[cfg(feature = "tokio")]
    TokioCurrent,
    #[cfg(feature = "tokio")]
    TokioMulti,
    #[cfg(feature = "smol")]
    Smol,
}

/// All of them.
pub(crate) fn all() -> Vec<Ground> {
    vec![
        Ground::Virtual(0),
        #[cfg(feature = "tokio")]
        Ground::TokioCurrent,
        #[cfg(feature = "tokio")]
        Ground::TokioMulti,
        #[cfg(feature = "smol")]
        Ground::Smol,
    ]
}

impl Ground {
    pub(crate) fn is_virtual(self) -> bool {
        matches!(self, Ground::Virtual(_))
    }

    pub(crate) fn is_smol(self) -> bool {
        #[cfg(feature = "smol")]
        return self == Ground::Smol;
        #[cfg(not(feature = "smol"))]
        return false;
    }

    /// Runs `future` to its end; a panic goes on.
    pub(crate) fn run<T: 'static>(self, future: Pin<Box<dyn Future<Output = T> + '_>>) -> T {
        match self {
            Ground::Virtual(seed) => {
                // A poll that never returns is found by `in_time`.
                let config = Config::new(seed).max_real_time(Duration::MAX);
                testing::run_with(config, || future).unwrap()
            }
            #[cfg(feature = "tokio")]
            Ground::TokioCurrent => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(future),
            #[cfg(feature = "tokio")]
            Ground::TokioMulti => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(future),
            #[cfg(feature = "smol")]
            Ground::Smol => smol::block_on(future),
        }
    }
}

/// Panics on purpose are many, and say nothing.
pub(crate) fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>();
            let on_purpose = text.is_some_and(|text| text.ends_with(ON_PURPOSE));
            if !on_purpose {
                loud(info);
            }
        }));
    });
}

/// What such a panic says.
pub(crate) const ON_PURPOSE: &str = "on purpose";

/// On a thread of its own, which is given up when it takes longer than `limit`: what deadlocks is told, and does not
/// hang the rest.
pub(crate) fn in_time(
    limit: Duration,
    run: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    hush();
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new()
        .name("trial".into())
        .spawn(move || {
            let ended =
                crate::world::quietly(run).unwrap_or_else(|text| Err(format!("panicked: {text}")));
            // Nobody may be listening any more.
            drop(tell.send(ended));
        })
        .expect("a thread");
    told.recv_timeout(limit).unwrap_or_else(|_| {
        Err(format!(
            "did not return within {limit:?}: a deadlock or an endless loop"
        ))
    })
}
