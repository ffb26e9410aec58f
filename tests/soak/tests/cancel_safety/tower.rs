//! Drops calls of protected services at every await, 100,000 times, and counts what is left: every place, and no attempt.

use regatta::bulkhead::Bulkhead;
use regatta::integrations::tower::PolicyLayer;
use regatta::policy::{Failure, Policy};
use regatta::retry::Backoff;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Becomes ready after a while, and fails every time.
#[derive(Clone)]
struct Down(Arc<()>);

#[derive(Debug)]
struct IsDown;

impl Service<u32> for Down {
    type Response = u32;
    type Error = IsDown;
    type Future = Pin<Box<dyn Future<Output = Result<u32, IsDown>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), IsDown>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        let alive = self.0.clone();
        Box::pin(async move {
            time::sleep(MS).await;
            drop(alive);
            Err(IsDown)
        })
    }
}

#[test]
fn a_dropped_call_of_a_service_leaves_nothing() {
    let setup = || async { (Bulkhead::new(1, 0), Arc::new(())) };
    let op = |(bulkhead, alive): (Bulkhead, Arc<()>)| async move {
        let policy = Policy::new()
            .bulkhead(bulkhead)
            .hedge(MS / 2)
            .retry(Backoff::constant(MS).max_attempts(3));
        let mut service = PolicyLayer::new(policy).layer(Down(alive));
        poll_fn(|cx| service.poll_ready(cx))
            .await
            .expect("it is ready");
        service.call(1).await
    };
    let verify = |(bulkhead, alive): (Bulkhead, Arc<()>),
                  _: Outcome<Result<u32, Failure<IsDown>>>| async move {
        match (bulkhead.stats().running, Arc::strong_count(&alive)) {
            // Ours alone.
            (0, 1) => Ok(()),
            left => Err(format!("{left:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    passed(&report);
}
