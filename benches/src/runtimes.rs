//! The runtimes that cases run on.

use regatta::Runtime;
use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime as Tokio};

#[derive(Clone, Copy, PartialEq)]
pub enum On {
    /// tokio with two workers.
    Multi,
    /// tokio on one thread.
    Current,
    /// smol's global executor; one thread unless `SMOL_THREADS` says otherwise.
    Smol,
}

impl On {
    pub const ALL: [On; 3] = [On::Multi, On::Current, On::Smol];
    pub const TOKIO: [On; 2] = [On::Multi, On::Current];

    pub fn name(self) -> &'static str {
        match self {
            On::Multi => "tokio-mt",
            On::Current => "tokio-ct",
            On::Smol => "smol",
        }
    }

    /// Runs `future` as a task, which is where async code lives, and blocks until it ends.
    pub fn run<F>(self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match self {
            On::Multi => on_tokio(multi(), future),
            On::Current => CURRENT.with(|rt| on_tokio(rt, future)),
            On::Smol => smol::block_on(smol::spawn(Runtime::smol().within(future))),
        }
    }
}

fn on_tokio<F>(runtime: &Tokio, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    runtime.block_on(async { tokio::spawn(future).await.expect("no case panics") })
}

pub fn multi() -> &'static Tokio {
    static MULTI: OnceLock<Tokio> = OnceLock::new();
    MULTI.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        builder.build().expect("tokio starts")
    })
}

thread_local! {
    static CURRENT: Tokio = Builder::new_current_thread().enable_all().build().expect("tokio starts");
}
