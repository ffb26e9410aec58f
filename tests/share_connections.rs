//! `examples/share_connections`: every question has its own answer, and connections are shared. Runs the program that `cargo test` has built.
#![cfg(any(feature = "tokio", feature = "smol"))]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the helpers beside them"
)]

#[path = "support/example.rs"]
mod example;

use example::RUNTIMES;
use std::process::Output;

fn run(arguments: &[&str]) -> Output {
    let mut program = example::program("share_connections");
    program.args(arguments).output().unwrap()
}

/// The numbers of a line, in order.
fn numbers(line: &str) -> Vec<usize> {
    let parts = line.split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn every_question_has_its_own_answer_on_every_runtime() {
    for runtime in RUNTIMES {
        let sizes = ["--tasks", "20", "--questions", "20", "--connections", "4"];
        let output = run(&[&["--runtime", runtime], &sizes[..]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{runtime}: {errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().map(numbers).collect();
        let [answered, mixed_up, late, hung_up] = lines[0][..] else {
            panic!("{text}");
        };
        let [opened, turns, most, half_way, checked] = lines[1][..] else {
            panic!("{text}");
        };
        assert_eq!((answered, mixed_up, most), (400, 0, 4), "{text}");
        assert!(late > 0, "the server is late now and then: {text}");
        assert_eq!(half_way, late + hung_up, "{text}");
        assert!(turns >= answered + late + hung_up, "{text}");
        assert!(opened <= 4 + half_way + checked, "{text}");
    }
}

#[test]
fn bad_arguments_are_explained() {
    let output = run(&["--connections", "0"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("--connections is \"0\": use a number from 1 to 100000"),
        "{errors}"
    );
    assert!(errors.contains("usage: share_connections"), "{errors}");
}
