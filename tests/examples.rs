//! What all examples have in common as programs: wrong arguments exit with 2 and a word, Ctrl-C with 130 and a word.
#![cfg(all(target_os = "linux", any(feature = "tokio", feature = "smol")))]

#[path = "support/example.rs"]
mod example;

use example::{RUNTIMES, program};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Each with arguments that keep it busy for longer than it takes to press Ctrl-C.
const LONG: &[(&str, &[&str])] = &[
    ("call_from_threads", &["--sales", "100000"]),
    ("crunch_numbers", &["--limit", "100000000"]),
    ("micro_batches", &[]),
    ("paged_api", &[]),
    ("producer_consumer", &["--documents", "100000"]),
    ("protect_everything", &["--phase", "60000"]),
    ("retry_flaky_call", &["--patience", "60000"]),
    ("share_connections", &["--questions", "100000"]),
    ("stay_under_a_quota", &["--requests", "10000"]),
    ("stop_calling_a_broken_service", &["--broken", "60000"]),
    ("worker_pool", &["--deliveries", "100000"]),
];

/// Those whose own tests press Ctrl-C.
const ELSEWHERE: &[&str] = &["crawl", "index_files", "word_count_pipeline"];

/// Until the program listens for SIGINT: before that, the signal would just end it.
fn listens(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    for _ in 0..6000 {
        let text = std::fs::read_to_string(&status).expect("the program runs");
        let caught = text.lines().find_map(|l| l.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.expect("Linux says it").trim(), 16);
        if caught.expect("a number") & (1 << 1) != 0 {
            return;
        }
        pause();
    }
    panic!("{status}: it does not listen for SIGINT");
}

#[expect(clippy::disallowed_methods, reason = "it waits for another process")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn start(mut command: Command) -> Child {
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

#[test]
fn ctrl_c_ends_each_with_130_and_a_word() {
    for (i, (name, arguments)) in LONG.iter().enumerate() {
        // One runtime each, all of them among the examples.
        let runtime = RUNTIMES[i % RUNTIMES.len()];
        let mut command = program(name);
        command.args(["--runtime", runtime]).args(*arguments);
        let child = start(command);
        listens(&child);
        kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(130),
            "{name} on {runtime}: {said}"
        );
        assert!(said.contains("stopped"), "{name} on {runtime}: {said}");
    }
}

#[test]
fn wrong_arguments_end_each_with_2_and_a_word() {
    for (name, _) in LONG {
        for wrong in [&["--runtime", "fast"][..], &["--no-such-thing"], &["x"]] {
            let mut command = program(name);
            command.args(wrong);
            let output = start(command).wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{name} {wrong:?}: {said}");
            // clap points at the help.
            let told = said.contains("usage") || said.contains("--help");
            assert!(told, "{name} {wrong:?}: {said}");
        }
    }
}

#[test]
fn every_example_is_here() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut names: Vec<_> = std::fs::read_dir(root)
        .expect("the examples are there")
        .map(|entry| entry.expect("readable").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "support")
        .collect();
    names.sort();
    let mut here: Vec<_> = LONG.iter().map(|(name, _)| *name).collect();
    here.extend(ELSEWHERE);
    here.sort_unstable();
    assert_eq!(names, here);
}
