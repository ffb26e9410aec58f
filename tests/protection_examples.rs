//! The examples of protection: what they show happens, on every runtime; they stop cleanly. Runs the programs that `cargo test` has built.
#![cfg(all(unix, any(feature = "tokio", feature = "smol")))]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the helpers beside them"
)]

#[path = "support/example.rs"]
mod example;

use example::{RUNTIMES, program};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const BROKEN: &str = "stop_calling_a_broken_service";
const EVERYTHING: &str = "protect_everything";
const FLAKY: &str = "retry_flaky_call";
const QUOTA: &str = "stay_under_a_quota";

/// What it prints, when it succeeds.
fn run(name: &str, arguments: &[&str]) -> String {
    let output = program(name).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_service_that_hangs_is_left_alone_and_found_again() {
    for runtime in RUNTIMES {
        let said = run(BROKEN, &["--runtime", runtime, "--broken", "700"]);
        let changes: Vec<_> = said
            .lines()
            .filter_map(|l| l.split_once("breaker: "))
            .collect();
        let (_, first) = changes.first().unwrap();
        let (_, last) = changes.last().unwrap();
        assert_eq!(
            (*first, *last),
            ("closed -> open", "half open -> closed"),
            "{said}"
        );
        let asked = said.lines().find_map(|l| l.split_once("it was asked "));
        let asked: u32 = asked
            .and_then(|(_, n)| n.split(' ').next())
            .and_then(|n| n.parse().ok())
            .unwrap();
        // Three to five find out, before anybody's limit is over; then it is probes.
        assert!((3..20).contains(&asked), "{said}");
    }
}

#[test]
fn the_day_is_drawn_with_every_call() {
    for runtime in RUNTIMES {
        let said = run(EVERYTHING, &["--runtime", runtime, "--phase", "700"]);
        assert!(said.starts_with("load shed > timeout 1s > retry 4 attempts > hedge"));
        let line = |name: &str| {
            let line = said.lines().find(|l| l.starts_with(name)).unwrap();
            line[20..].trim().to_owned()
        };
        assert!(line("is well").contains('.'), "{said}");
        assert!(line("resets connections").contains('+'), "{said}");
        assert!(line("is broken").contains('o'), "{said}");
        let drawn: usize = ["is well", "resets", "is slow", "is broken", "has recovered"]
            .iter()
            .map(|name| line(name).len())
            .sum();
        let counted: usize = said
            .lines()
            .find(|l| l.contains(" answered, "))
            .unwrap()
            .split([',', ';'])
            .take(2)
            .filter_map(|part| part.trim().split(' ').next()?.parse::<usize>().ok())
            .sum();
        assert_eq!(drawn, counted, "{said}");
    }
}

#[test]
fn a_server_that_restarts_is_asked_until_it_answers() {
    for runtime in RUNTIMES {
        let said = run(FLAKY, &["--runtime", runtime, "--patience", "60000"]);
        assert!(said.contains("server: up"), "{said}");
        let failed = said.lines().filter(|l| l.contains("; again in ")).count();
        // Nobody listened, then one was reset, and one was too late.
        assert!(failed >= 3, "{said}");
        assert!(said.lines().any(|l| l.starts_with("client: 42, after ")));
    }
}

#[test]
fn who_waits_no_longer_is_told_at_once() {
    for runtime in RUNTIMES {
        let arguments = ["--runtime", runtime, "--patience", "150"];
        let output = program(FLAKY).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("the next would come after the deadline")
                || said.contains("the caller's patience"),
            "{said}"
        );
    }
}

#[test]
fn no_request_is_over_the_quota() {
    for runtime in RUNTIMES {
        let arguments = ["--runtime", runtime, "--rate", "100", "--requests", "150"];
        let said = run(QUOTA, &arguments);
        assert!(said.starts_with("150 requests in "), "{said}");
        assert!(said.contains("none refused"), "{said}");
    }
}

#[test]
fn wrong_arguments_are_told_with_the_usage() {
    for (name, arguments, why) in [
        (BROKEN, &["--broken", "0"], "use a number from 1 to 60000"),
        (BROKEN, &["--what", "1"], "there is no option \"--what\""),
        (EVERYTHING, &["--phase", "x"], "--phase is \"x\""),
        (EVERYTHING, &["--runtime", "fast"], "--runtime: "),
        (FLAKY, &["--patience", "-1"], "--patience is \"-1\""),
        (FLAKY, &["--runtime", "fast"], "--runtime: "),
        (QUOTA, &["--rate", "0"], "use a number from 1 to 1000000"),
        (QUOTA, &["--at-once", "many"], "--at-once is \"many\""),
        (
            EVERYTHING,
            &["--calls", "501"],
            "use a number from 1 to 500",
        ),
    ] {
        let output = program(name).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why) && said.contains("usage: "), "{said}");
    }
    for name in [BROKEN, EVERYTHING, FLAKY, QUOTA] {
        assert!(run(name, &["--help"]).starts_with(&format!("usage: {name}")));
    }
}

#[test]
fn the_first_signal_ends_with_what_there_is() {
    for (name, long, waits_for) in [
        (BROKEN, "--broken", "the service hangs"),
        (EVERYTHING, "--phase", "load shed > "),
    ] {
        let mut child = program(name)
            .args([long, "60000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It is under way, and listens for signals.
        let begun = lines
            .by_ref()
            .find(|l| l.as_ref().unwrap().contains(waits_for));
        assert!(begun.is_some());
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let rest: Vec<_> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let last = rest.last().unwrap();
        assert!(
            last.contains("stopped early: cancelled: Ctrl-C"),
            "{rest:?}"
        );
        assert!(rest.iter().any(|l| l.contains(" answered, ")), "{rest:?}");
    }
}
