//! Short words for what the tests do all the time.

use regatta::Runtime;
use regatta::runtime::JoinHandle;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) async fn sleep(duration: Duration) {
    Runtime::current().sleep(duration).await;
}

#[track_caller]
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Runtime::current()
        .try_spawn(future)
        .expect("a simulation can spawn")
}

pub(crate) fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: {got:?} instead of {want:?}"))
}
