//! `cancel`.

use crate::world::{Entry, Gate, World, entry, on_drop};
use regatta::cancel::{self, CancelToken};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

const INSIDE: &str = "it is as ready as what it is around";

/// The token of the moment: a cancelled one stays cancelled.
type Current = Arc<Mutex<CancelToken>>;

fn cancelled_one() -> Current {
    let token = CancelToken::new();
    token.cancel();
    Arc::new(Mutex::new(token))
}

fn renew(current: &Current) -> impl Sized + use<> {
    let token = CancelToken::new();
    *current.lock().expect("nobody panics") = token.clone();
    on_drop(move || token.cancel())
}

fn token(current: &Current) -> CancelToken {
    current.lock().expect("nobody panics").clone()
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("cancel::CancelToken::cancelled", |_| {
            World::new(
                cancelled_one(),
                |current| {
                    let token = token(&current);
                    async move { Ok::<_, Infallible>(token.cancelled().await) }
                },
                renew,
            )
        }),
        entry("cancel::cancelled", |_| {
            World::new(
                cancelled_one(),
                |current| {
                    let token = token(&current);
                    async move {
                        // A grace, so that it is there to see that its scope is cancelled.
                        let seen = token.run_graceful(HOUR, cancel::cancelled()).await;
                        drop(seen);
                        Ok::<_, Infallible>(())
                    }
                },
                renew,
            )
        }),
        entry("cancel::CancelToken::run", |_| {
            World::around(|gate| async move { CancelToken::new().run(gate.pass()).await })
                .transparent(INSIDE)
        }),
        entry("cancel::CancelToken::run_graceful", |_| {
            World::around(
                |gate| async move { CancelToken::new().run_graceful(HOUR, gate.pass()).await },
            )
            .transparent(INSIDE)
        }),
        entry("cancel::finally", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let cleanup = async move { user.call() };
                    cancel::finally(gate.pass(), cleanup).await;
                    Ok::<_, Infallible>(())
                }
            })
            .transparent(INSIDE)
        }),
        entry("cancel::on_cancel", |_| {
            World::around(|gate| async move {
                cancel::on_cancel(gate.pass(), async {}).await;
                Ok::<_, Infallible>(())
            })
            .transparent(INSIDE)
        }),
        entry("cancel::shield", |_| {
            World::around(|gate| async move {
                cancel::shield(gate.pass()).await;
                Ok::<_, Infallible>(())
            })
            .transparent(INSIDE)
        }),
        entry("cancel::shield_for", |_| {
            World::around(|gate| async move { cancel::shield_for(HOUR, gate.pass()).await })
                .transparent(INSIDE)
        }),
    ]
}
