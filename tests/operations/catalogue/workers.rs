//! `workers`, and `background`.

use crate::user::User;
use crate::world::{Entry, Gate, World, entry, same};
use regatta::background::Background;
use regatta::workers::Workers;
use std::convert::Infallible;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SPAWNED: &str = "its workers are tasks of the runtime";
const STARTED: &str =
    "its workers are tasks of the runtime that it was started on, and end with it";

type Team = Workers<Gate, (), Infallible>;

/// One worker, which waits at the gate that it is given, and room for one job.
fn team(user: &User) -> Team {
    let user = user.clone();
    let handler = move |gate: Gate| {
        let value = user.value();
        async move {
            gate.pass().await;
            drop(value);
            Ok(())
        }
    };
    let team = Workers::builder(1, handler).queue(1);
    team.start().expect("there is a runtime")
}

/// The gate of the jobs that `op` submits. What `block` submits keeps the team busy.
fn submitting<F, T, E>(user: &User, op: impl Fn(Team, Gate) -> F + Send + Sync + 'static) -> World
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: std::fmt::Debug,
{
    let team = team(user);
    let seen = team.clone();
    World::around(move |gate| op(team.clone(), gate))
        .check(move || {
            let now = seen.stats();
            same("running and waiting", (now.running, now.waiting), (0, 0))
        })
        .bound(STARTED)
        .never_at_once(SPAWNED)
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("workers::Workers::submit", |user| {
            submitting(user, |team, gate| async move {
                team.submit(gate)
                    .await
                    .map_err(|e| e.to_string())?
                    .await
                    .map_err(|e| e.to_string())
            })
        })
        .covers(&[
            "workers::Workers::try_submit",
            "workers::Job::cancel_on_drop",
        ]),
        entry("workers::Workers::submit_timeout", |user| {
            submitting(user, |team, gate| async move {
                let job = team
                    .submit_timeout(HOUR, gate)
                    .await
                    .map_err(|e| e.to_string())?;
                job.cancel_on_drop().await.map_err(|e| e.to_string())
            })
        }),
        entry("workers::Workers::join", |user| {
            submitting(user, |team, gate| async move {
                drop(team.submit(gate).await.map_err(|e| e.to_string())?);
                team.join().await;
                Ok::<_, String>(())
            })
        }),
        entry("workers::Workers::stop", |user| {
            let user = user.clone();
            World::around(move |gate| {
                let team = team(&user);
                async move {
                    drop(team.submit(gate).await.map_err(|e| e.to_string())?);
                    let report = team.stop(HOUR).await;
                    same(
                        "stuck and dropped",
                        (report.stuck.len(), report.dropped.len()),
                        (0, 0),
                    )
                }
            })
            .never_at_once(SPAWNED)
        }),
        entry("background::Background::shutdown", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let sink = user.clone();
                    let background =
                        Background::<&str>::new(move |_| sink.call()).map_err(|e| e.to_string())?;
                    background.spawn("passes", async move {
                        gate.pass().await;
                        Ok(user.value())
                    });
                    background.spawn("fails", async { Err::<(), _>("it fails") });
                    let report = background.shutdown(HOUR).await;
                    same("stragglers", report.stragglers.len(), 0)
                }
            })
            .never_at_once("its tasks are those of the runtime")
        }),
    ]
}
