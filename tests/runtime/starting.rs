//! `run`, `run_on`, `Flavor`.

use crate::ambient::{Threads, name};
use crate::ground::{panic_of, spawn};
use regatta::runtime::{Flavor, run_on};
use regatta::testing::yield_now;
use regatta::{Runtime, testing};

fn available() -> impl Iterator<Item = Flavor> {
    Flavor::ALL.into_iter().filter(|f| f.is_available())
}

#[test]
fn every_flavor_runs_a_future_to_its_end() {
    for flavor in available() {
        let local = String::from("borrowed");
        let (running, length) = run_on(flavor, async {
            yield_now().await;
            regatta::time::sleep(std::time::Duration::from_millis(1)).await;
            (name(), local.len())
        });
        assert!(flavor.name().starts_with(running), "{flavor}: {running}");
        assert_eq!(length, 8);
    }
}

#[test]
fn run_takes_the_first_flavor_there_is() {
    let first = available().next().unwrap();
    let running = regatta::run(async { name() });
    assert!(first.name().starts_with(running));
}

#[test]
fn run_takes_the_runtime_that_was_entered() {
    let _entered = Runtime::neutral().enter();
    assert_eq!(regatta::run(async { name() }), "neutral");
    let threads = Runtime::custom(Threads::default());
    let _entered = threads.enter();
    let names = regatta::run(async { (name(), spawn(async { name() }).await.unwrap()) });
    assert_eq!(names, ("custom", "custom"));
}

#[test]
fn run_on_is_not_moved_by_what_was_entered() {
    let _entered = Runtime::custom(Threads::default()).enter();
    for flavor in available() {
        let running = run_on(flavor, async {
            let root = name();
            let task = Runtime::current().try_spawn(async { name() });
            match task {
                Ok(task) => assert_eq!(task.await.unwrap(), root),
                Err(_) => assert_eq!(root, "neutral"),
            }
            root
        });
        assert!(flavor.name().starts_with(running), "{flavor}: {running}");
        assert_eq!(name(), "custom");
    }
}

#[test]
fn a_flavor_may_be_given_by_its_name() {
    for flavor in available() {
        let running = run_on(flavor.name(), async { name() });
        assert!(flavor.name().starts_with(running), "{flavor}: {running}");
    }
    let said = panic_of(|| run_on("async-std", async {}));
    assert!(
        said.starts_with("regatta::run_on: unknown runtime `async-std`: use one of"),
        "{said}"
    );
    for missing in Flavor::ALL.into_iter().filter(|f| !f.is_available()) {
        let said = panic_of(|| run_on(missing.name(), async {}));
        assert!(said.contains("enable regatta's feature"), "{said}");
    }
}

#[test]
fn nobody_is_advised_to_do_what_was_done() {
    let here = || {
        Runtime::current()
            .try_spawn(async {})
            .unwrap_err()
            .to_string()
    };
    let on_purpose = [
        run_on(Flavor::Neutral, async { here() }),
        futures::executor::block_on(Runtime::neutral().within(async { here() })),
        Runtime::neutral()
            .try_spawn(async {})
            .unwrap_err()
            .to_string(),
    ];
    for said in on_purpose {
        if available().count() == 1 {
            assert!(
                said.contains("without the features `tokio` and `smol`"),
                "{said}"
            );
            assert!(!said.contains("run`"), "{said}");
        } else {
            assert!(said.contains("was chosen here"), "{said}");
            assert!(!said.contains("call this inside"), "{said}");
        }
    }
}

#[test]
fn a_panic_passes_run() {
    for flavor in available() {
        let said = panic_of(|| run_on(flavor, async { panic!("on {flavor}") }));
        assert_eq!(said, format!("on {flavor}"));
        assert_eq!(run_on(flavor, async { 1 }), 1, "and the next run works");
    }
}

#[track_caller]
fn refused(said: &str) {
    assert!(
        said.contains("regatta::run inside a running runtime"),
        "{said}"
    );
    for advice in [".await", "try_spawn_blocking", "Handle::block_on"] {
        assert!(said.contains(advice), "{said}");
    }
}

#[test]
fn run_inside_run_is_refused_whichever_they_are() {
    for outer in available() {
        let said = run_on(outer, async { panic_of(|| regatta::run(async {})) });
        refused(&said);
        for inner in available() {
            let said = run_on(outer, async { panic_of(|| run_on(inner, async {})) });
            refused(&said);
        }
    }
}

async fn run_inside_a_task_is_refused() {
    refused(&panic_of(|| regatta::run(async {})));
    for inner in available() {
        refused(&panic_of(|| run_on(inner, async {})));
    }
    // Also under a runtime that was entered in the task,
    {
        let _entered = Runtime::current().enter();
        refused(&panic_of(|| regatta::run(async {})));
    }
    // and within another one.
    let within = Runtime::neutral().within(async { panic_of(|| regatta::run(async {})) });
    refused(&within.await);
}

#[test]
fn run_inside_a_simulation_is_refused() {
    refused(&testing::run(async || panic_of(|| regatta::run(async {}))));
}

#[test]
fn run_may_follow_run() {
    for flavor in available() {
        for n in 0..3 {
            assert_eq!(run_on(flavor, async move { spawn_or_await(n).await }), n);
        }
    }
}

async fn spawn_or_await(n: u32) -> u32 {
    match Runtime::current().try_spawn(async move { n }) {
        Ok(task) => task.await.unwrap(),
        Err(_) => n,
    }
}

#[test]
fn flavors_are_parsed_from_their_names() {
    for flavor in Flavor::ALL {
        match flavor.name().parse::<Flavor>() {
            Ok(parsed) => assert_eq!((parsed, flavor.is_available()), (flavor, true)),
            Err(error) => {
                assert!(!flavor.is_available());
                let feature = if flavor == Flavor::Smol {
                    "smol"
                } else {
                    "tokio"
                };
                assert_eq!(
                    error.to_string(),
                    format!(
                        "runtime `{flavor}` is not compiled in: enable regatta's feature `{feature}`"
                    )
                );
            }
        }
    }
}

#[test]
fn an_unknown_flavor_is_told_with_what_there_is() {
    for unknown in ["", "Tokio", "async-std", "tokio "] {
        let text = unknown.parse::<Flavor>().unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("unknown runtime `{unknown}`: use one of")),
            "{text}"
        );
        assert!(text.contains("`neutral`"), "{text}");
        assert_eq!(
            text.contains("`tokio-current`"),
            cfg!(feature = "tokio"),
            "{text}"
        );
        assert_eq!(text.contains("`smol`"), cfg!(feature = "smol"), "{text}");
    }
}

#[test]
fn a_flavor_that_is_not_compiled_in_names_its_feature() {
    for flavor in Flavor::ALL.into_iter().filter(|f| !f.is_available()) {
        let said = panic_of(|| run_on(flavor, async {}));
        let feature = if flavor == Flavor::Smol {
            "smol"
        } else {
            "tokio"
        };
        assert_eq!(
            said,
            format!("regatta::run_on({flavor}): enable regatta's feature `{feature}`")
        );
    }
}

regatta::matrix! {
    run_inside_a_task_is_refused [tokio_current, tokio_multi, smol];
}
