//! `examples/word_count_pipeline`: counts what is there, lists what it cannot count, stops cleanly. Runs the program that `cargo test` has built.
#![cfg(all(unix, any(feature = "tokio", feature = "smol")))]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the helpers beside them"
)]

#[path = "support/example.rs"]
mod example;

use example::RUNTIMES;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn program() -> Command {
    example::program("word_count_pipeline")
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn counts_are_those_of_a_plain_loop_on_every_runtime() {
    let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir_all(folder.path().join("deep/er")).unwrap();
    let mut words = BTreeMap::<String, u64>::new();
    for i in 0..200usize {
        let body = format!("The {} boats of crew{}, Äpfel-{}\n", i % 7, i % 3, i % 2).repeat(i % 5);
        let place = ["", "deep/", "deep/er/"][i % 3];
        fs::write(folder.path().join(format!("{place}{i}.txt")), &body).unwrap();
        for word in body
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
        {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    fs::write(folder.path().join("binary"), b"ELF\0\0").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    for runtime in RUNTIMES {
        let out = outside.path().join("words.json");
        let [dir, out_arg] = [folder.path(), &out].map(|p| p.to_str().unwrap());
        let output = run(&[dir, "--out", out_arg, "--runtime", runtime, "--jobs", "3"]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{runtime}: {said}");
        assert!(said.contains("binary: no text"), "{said}");
        let saved: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        assert_eq!(saved["files"], 200);
        assert_eq!(saved["words"], words.values().sum::<u64>());
        let listed: Vec<(String, u64)> =
            serde_json::from_value(saved["most_frequent"].clone()).unwrap();
        assert!(listed.is_sorted_by(|a, b| a.1 >= b.1));
        assert_eq!(listed.into_iter().collect::<BTreeMap<_, _>>(), words);
        assert!(text(&output.stdout).contains("bottleneck"));
        assert!(!outside.path().join("words.json.part").exists());
    }
}

#[test]
fn what_cannot_be_done_is_told_with_exit_code_2() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.txt"), "a").unwrap();
    let dir = folder.path().to_str().unwrap();
    for (arguments, why) in [
        (vec!["/nowhere/at/all"], "/nowhere/at/all"),
        (
            vec![dir, "--out", "/nowhere/words.json"],
            "choose another place with --out",
        ),
        (vec![dir, "--jobs", "0"], "0 is not in 1.."),
    ] {
        let output = run(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn the_first_signal_saves_what_was_found() {
    let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let out = outside.path().join("words.json");
    // Half a gigabyte to count, in the room of one file.
    let first = folder.path().join("0.txt");
    fs::write(&first, "the boats of the crew ".repeat(12_000)).unwrap();
    for i in 1..2000 {
        fs::hard_link(&first, folder.path().join(format!("{i}.txt"))).unwrap();
    }
    let mut child = program()
        .args([folder.path(), Path::new("--out"), &out])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "another process keeps no virtual time"
    )]
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let saved: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    let files = saved["files"].as_u64().unwrap();
    assert!(files < 2000, "all were counted before the signal came");
    assert_eq!(saved["words"], files * 60_000);
}
