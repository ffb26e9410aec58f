//! `integrations::tower`.

use crate::world::{Entry, Gate, World, entry};
use futures::future::BoxFuture;
use regatta::integrations::tower::PolicyLayer;
use regatta::policy::Policy;
use regatta::retry::Backoff;
use std::convert::Infallible;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Waits at the gate that it is asked for.
#[derive(Clone)]
struct Passes;

impl Service<Gate> for Passes {
    type Response = ();
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, gate: Gate) -> Self::Future {
        Box::pin(async move {
            gate.pass().await;
            Ok(())
        })
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![entry("tower::ResponseFuture", |_| {
        World::around(|gate| async move {
            let policy = Policy::new()
                .retry(Backoff::constant(Duration::ZERO))
                .timeout(Duration::from_secs(3600));
            let mut service = PolicyLayer::new(policy).layer(Passes);
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(|e| e.to_string())?;
            service.call(gate).await.map_err(|e| e.to_string())
        })
    })]
}
