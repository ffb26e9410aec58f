//! The program as a user meets it: exit codes, messages, signals, and totals against `wc`.

use crate::example::RUNTIMES;
use crate::running::{Running, until};
use crate::{lines_of, program};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn start(arguments: &[&str]) -> Running {
    let mut command = program();
    command.args(arguments);
    Running::start(command)
}

/// A text file that nobody reads to its end: it is sparse, and takes minutes at the speed of memory.
fn endless(path: &Path) {
    let mut file = File::create(path).unwrap();
    file.write_all(&vec![b'x'; 8192]).unwrap();
    file.set_len(1 << 40).unwrap();
}

fn summary_of(out: &Path) -> Value {
    let lines = lines_of(out);
    let last = lines.last().expect("the report has lines");
    assert!(
        last["summary"].is_object(),
        "the last line is the summary: {last}"
    );
    last["summary"].clone()
}

fn with_status<'a>(lines: &'a [Value], status: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |l| l["status"] == status)
}

/// lines, words, bytes as `LC_ALL=C wc` counts them.
fn wc(files: &[PathBuf]) -> [u64; 3] {
    let output = Command::new("wc")
        .env("LC_ALL", "C")
        .args(files)
        .output()
        .unwrap();
    assert!(output.status.success());
    let output = text(&output.stdout);
    let total = output.lines().last().unwrap();
    let mut numbers = total.split_whitespace().map_while(|n| n.parse().ok());
    [(); 3].map(|()| numbers.next().unwrap())
}

/// Whether this `wc` has the rule of coreutils 9.1 for words without a printable ASCII character.
fn wc_is_like_ours(folder: &Path) -> bool {
    let probe = folder.join("probe");
    fs::write(&probe, "é\n").unwrap();
    let like_ours = wc(std::slice::from_ref(&probe))[1] == 0;
    fs::remove_file(probe).unwrap();
    like_ours
}

#[test]
fn the_program_is_built_with_the_features_of_this_test() {
    for name in ["tokio", "smol"] {
        let output = run(&["/nowhere", "--runtime", name]);
        let refused = text(&output.stderr).contains("is not compiled in");
        assert_eq!(
            refused,
            !RUNTIMES.contains(&name),
            "target/*/examples/index_files is from another build: run `cargo test` without `--test`"
        );
    }
}

#[test]
fn totals_are_those_of_wc_and_trouble_is_counted() {
    let folder = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("deep/er")).unwrap();
    let mut texts = vec![];
    for i in 0..300_u64 {
        let path = match i % 3 {
            0 => at(&format!("{i}.txt")),
            1 => at(&format!("deep/{i}.rs")),
            _ => at(&format!("deep/er/{i}")),
        };
        let body = match i % 4 {
            0 => "plain text\nof two lines\n".repeat(i as usize * 37),
            1 => "Äpfel x\u{a0}y crêpe\n日本go\r\n".repeat(i as usize),
            2 => String::new(),
            _ => "no newline".into(),
        };
        fs::write(&path, body).unwrap();
        texts.push(path);
    }
    if wc_is_like_ours(outside.path()) {
        let path = at("odd");
        let noise = crate::noise(7, 100_000);
        // Text as far as anybody looks.
        fs::write(&path, [&[b'x'; 8192], noise.as_slice()].concat()).unwrap();
        texts.push(path);
    }
    fs::write(at("binary.o"), b"ELF\0\0\0").unwrap();
    std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("loop")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let fifo = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
    assert!(fifo.success());
    let [lines, words, bytes] = wc(&texts);

    let out = outside.path().join("r.jsonl");
    for runtime in RUNTIMES {
        let [dir, out_arg] = [folder.path(), &out].map(|p| p.to_str().unwrap());
        let output = run(&[dir, "--runtime", runtime, "--out", out_arg]);
        assert!(
            output.status.success(),
            "{runtime}: {}",
            text(&output.stderr)
        );
        let summary = summary_of(&out);
        assert_eq!(summary["interrupted"], false);
        assert_eq!(summary["counted"]["files"], texts.len());
        assert_eq!(summary["counted"]["lines"], lines);
        assert_eq!(summary["counted"]["words"], words);
        assert_eq!(summary["counted"]["bytes"], bytes);
        assert_eq!(summary["symlinks"], 2);
        assert_eq!(summary["errors"]["binary"], 1);
        assert_eq!(summary["errors"]["no regular file"], 2);
        let all = lines_of(&out);
        assert_eq!(with_status(&all, "counted").count(), texts.len());
        let reasons: Vec<&str> = with_status(&all, "error")
            .filter_map(|l| l["reason"].as_str())
            .collect();
        assert!(
            reasons.contains(&"a FIFO, which is not read"),
            "{reasons:?}"
        );
        let printed = text(&output.stdout);
        let total = printed.lines().find(|l| l.starts_with("total")).unwrap();
        let numbers: Vec<u64> = total
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        assert_eq!(numbers, [texts.len() as u64, lines, words, bytes]);
        assert!(output.stderr.is_empty(), "no progress bar off a terminal");
    }
}

#[test]
fn a_file_over_its_deadline_is_an_error_and_the_run_goes_on() {
    let folder = TempDir::new().unwrap();
    endless(&folder.path().join("endless.log"));
    fs::write(folder.path().join("short.txt"), "x\n").unwrap();
    let out = folder.path().join("r.jsonl");
    for runtime in RUNTIMES {
        let [dir, out_arg] = [folder.path(), &out].map(|p| p.to_str().unwrap());
        let output = run(&[
            dir,
            "--runtime",
            runtime,
            "--out",
            out_arg,
            "--jobs",
            "1",
            "--deadline",
            "0.3",
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let summary = summary_of(&out);
        assert_eq!(summary["errors"]["deadline"], 1);
        assert_eq!(summary["counted"]["files"], 1);
    }
}

#[test]
fn a_file_that_vanishes_is_an_error_and_the_run_goes_on() {
    // One file holds the only turn while the rest, found already, is deleted.
    let folder = TempDir::new().unwrap();
    let (dir, out) = (folder.path().join("d"), folder.path().join("r.jsonl"));
    for runtime in RUNTIMES {
        fs::create_dir(&dir).unwrap();
        endless(&dir.join("endless"));
        let gone: Vec<PathBuf> = (0..500).map(|i| dir.join(format!("{i}.txt"))).collect();
        for path in &gone {
            fs::write(path, "x\n").unwrap();
        }
        let [dir_arg, out_arg] = [&dir, &out].map(|p| p.to_str().unwrap());
        let mut running = start(&[
            dir_arg,
            "--runtime",
            runtime,
            "--out",
            out_arg,
            "--jobs",
            "1",
            "--deadline",
            "2",
        ]);
        until("the report", || fs::metadata(&out).ok());
        for path in &gone {
            fs::remove_file(path).unwrap();
        }
        assert!(running.end().success());
        // How many were counted before they went is chance; nothing is lost.
        let summary = summary_of(&out);
        let vanished = summary["errors"]["vanished"].as_u64().unwrap_or(0);
        let counted = summary["counted"]["files"].as_u64().unwrap();
        assert_eq!(summary["errors"]["deadline"], 1, "{summary}");
        assert_eq!(summary["found"], vanished + counted + 1, "{summary}");
        fs::remove_dir_all(&dir).unwrap();
        fs::remove_file(&out).unwrap();
    }
}

/// Starts a run that counts `short` files and then sits on two endless ones, and waits until it sits there.
fn stuck_run(folder: &TempDir, runtime: &str, short: usize, grace: &str) -> (Running, PathBuf) {
    let (dir, out) = (folder.path().join("d"), folder.path().join("r.jsonl"));
    fs::create_dir_all(&dir).unwrap();
    let _ = fs::remove_file(&out);
    for i in 0..short {
        fs::write(dir.join(format!("{i}.txt")), "a line\n").unwrap();
    }
    endless(&dir.join("endless.1"));
    endless(&dir.join("endless.2"));
    let [dir, out_arg] = [&dir, &out].map(|p| p.to_str().unwrap());
    let running = start(&[
        dir,
        "--runtime",
        runtime,
        "--out",
        out_arg,
        "--jobs",
        "3",
        "--deadline",
        "600",
        "--grace",
        grace,
    ]);
    until("the short files to be in the report", || {
        (out.exists() && lines_of(&out).len() == short).then_some(())
    });
    (running, out)
}

#[test]
fn the_first_signal_stops_cleanly_and_says_what_was_not_done() {
    let folder = TempDir::new().unwrap();
    for runtime in RUNTIMES {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let (mut running, out) = stuck_run(&folder, runtime, 40, "0.05");
            running.signal(signal);
            assert_eq!(running.end().code(), Some(code), "{runtime}");
            let summary = summary_of(&out);
            assert_eq!(summary["interrupted"], true);
            assert_eq!(summary["done"], 40);
            assert_eq!(summary["not_done"], 2);
            assert_eq!(summary["found"], 42);
            let lines = lines_of(&out);
            assert_eq!(with_status(&lines, "counted").count(), 40);
            assert_eq!(with_status(&lines, "not_done").count(), 2);
        }
    }
}

#[test]
fn a_signal_in_the_midst_loses_no_file() {
    let folder = TempDir::new().unwrap();
    let (dir, out) = (folder.path().join("d"), folder.path().join("r.jsonl"));
    fs::create_dir(&dir).unwrap();
    for i in 0..3000 {
        fs::write(dir.join(format!("{i}.txt")), "a line\n").unwrap();
    }
    // These keep the run from ending before the signal.
    endless(&dir.join("endless.1"));
    endless(&dir.join("endless.2"));
    for runtime in RUNTIMES {
        let _ = fs::remove_file(&out);
        let [dir, out_arg] = [&dir, &out].map(|p| p.to_str().unwrap());
        let mut running = start(&[
            dir,
            "--runtime",
            runtime,
            "--out",
            out_arg,
            "--jobs",
            "2",
            "--grace",
            "0",
        ]);
        // The report is made first; the signals are listened to before.
        until("the report", || fs::metadata(&out).ok());
        running.signal(Signal::INT);
        assert_eq!(running.end().code(), Some(130));
        let (summary, lines) = (summary_of(&out), lines_of(&out));
        let number = |key: &str| summary[key].as_u64().unwrap();
        assert_eq!(summary["interrupted"], true);
        assert_eq!(number("found"), number("done") + number("not_done"));
        assert_eq!(number("found"), lines.len() as u64 - 1, "a line each");
        assert_eq!(
            with_status(&lines, "not_done").count() as u64,
            number("not_done")
        );
    }
}

#[test]
fn the_second_signal_ends_at_once_and_leaves_whole_lines() {
    let folder = TempDir::new().unwrap();
    for runtime in RUNTIMES {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let (mut running, out) = stuck_run(&folder, runtime, 40, "600");
            running.signal(Signal::INT);
            let mut said = String::new();
            let stderr = running.0.stderr.take().unwrap();
            BufReader::new(stderr).read_line(&mut said).unwrap();
            assert!(said.contains("stopping"), "{said}");
            running.signal(signal);
            assert_eq!(running.end().code(), Some(code), "{runtime}");
            let lines = lines_of(&out);
            assert_eq!(with_status(&lines, "counted").count(), 40);
            assert!(
                lines.iter().all(|l| l["summary"].is_null()),
                "no time for a summary"
            );
        }
    }
}

#[test]
fn bad_arguments_are_refused_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let [dir, file, empty] = [folder.path(), &file, &empty].map(|p| p.to_str().unwrap());
    let cases: &[(&[&str], &str)] = &[
        (&["/no/such/folder"], "/no/such/folder: no such folder"),
        (&[file], "not a folder"),
        (&[empty], "the folder is empty"),
        (&[dir, "--jobs", "0"], "use at least 1"),
        (&[dir, "--jobs", "-1"], "use a whole number"),
        (&[dir, "--jobs", "99999999"], "use at most 65536"),
        (&[dir, "--deadline", "NaN"], "NaN is no number of seconds"),
        (&[dir, "--deadline", "-1"], "-1 is no number of seconds"),
        (&[dir, "--deadline", "0"], "use more than zero"),
        (&[dir, "--deadline", "soon"], "use a number of seconds"),
        (
            &[dir, "--runtime", "async-std"],
            "unknown runtime `async-std`: use one of",
        ),
        (
            &[dir, "--runtime", "neutral"],
            "no threads to read files on: use",
        ),
        (
            &[dir, "--out", "/no/such/folder/r"],
            "choose another place with --out",
        ),
        (&[dir, "--out", dir], "choose another place with --out"),
        (
            &[dir, "--out", "/dev/full"],
            "/dev/full: the report cannot be written",
        ),
    ];
    for (arguments, message) in cases {
        if arguments.contains(&"/dev/full") && !Path::new("/dev/full").exists() {
            continue;
        }
        let output = run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
    let output = program().current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("name the folder to read"));
}

#[test]
fn a_mistyped_folder_does_not_cost_the_last_report() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("r.jsonl");
    fs::write(&out, "{}\n").unwrap();
    let output = run(&["/no/such/folder", "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&out).unwrap(), "{}\n");
}
