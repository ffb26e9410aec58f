//! Every operation, cancelled by the token around it at every await: cleanup runs, and nothing is left.

use crate::user::User;
use crate::world::{Held, World, made_outside, quietly, same};
use crate::{catalogue, failing, ground};
use regatta::testing::{Outcome, cancel_at_every_await};
use regatta::{cancel, task};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

struct Trial {
    world: World,
    /// Cleanups that have begun to be needed, and that have ended.
    begun: Cell<u32>,
    ended: Cell<u32>,
    cancelled: Cell<bool>,
}

/// Twice: once when it is free, and once when it has to wait.
async fn operate(trial: Rc<Trial>) -> Result<(), String> {
    trial.begun.set(trial.begun.get() + 1);
    let both = async {
        drop(trial.world.op().await?);
        let block: Option<Held> = trial
            .world
            .never_waits
            .is_none()
            .then(|| trial.world.block());
        let freed = async {
            task::yield_now().await;
            task::yield_now().await;
            drop(block);
        };
        let (ended, ()) = futures::join!(trial.world.op(), freed);
        ended.map(drop)
    };
    let both = async {
        let ended = both.await;
        trial.cancelled.set(cancel::check().is_err());
        ended
    };
    let cleanup = async {
        task::yield_now().await;
        trial.ended.set(trial.ended.get() + 1);
    };
    cancel::finally(both, cleanup).await
}

async fn verify(trial: Rc<Trial>, outcome: Outcome<Result<(), String>>) -> Result<(), String> {
    same("cleanups", trial.ended.get(), trial.begun.get())?;
    trial.world.is_quiet_soon().await?;
    if let Outcome::Completed(Err(why)) = outcome
        // Under a cancelled token some give the error that they have, and go no further.
        && !trial.cancelled.get()
    {
        return Err(why);
    }
    drop(
        trial
            .world
            .op()
            .await
            .map_err(|why| format!("afterwards: {why}"))?,
    );
    trial.world.is_quiet_soon().await
}

#[test]
fn by_a_token_at_every_await() {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        let build = entry.build;
        let from_outside = made_outside(build).is_some_and(|world| world.outside.is_some());
        if failing::is_known("cancels", entry.name) || from_outside {
            continue;
        }
        let ended = ground::in_time(Duration::from_secs(20), move || {
            let setup = || async move {
                Rc::new(Trial {
                    world: build(&User::default()),
                    begun: Cell::new(0),
                    ended: Cell::new(0),
                    cancelled: Cell::new(false),
                })
            };
            let report = cancel_at_every_await(0..3, setup, operate, verify);
            quietly(|| report.unwrap())?;
            same("runs enough", report.schedules > 10, true)
        });
        if let Err(why) = ended {
            wrong.push((entry.name, why));
        }
    }
    failing::report(&wrong);
}
