//! `examples/index_files`: counts like `wc`, loses no file, stops cleanly.
//!
//! The first half tests its parts, the job itself on every runtime; the second half runs the program that `cargo test` has built.

#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the helpers beside them"
)]
#![allow(
    dead_code,
    reason = "the parts are written for the program; the tests use some of each"
)]

#[path = "../examples/index_files/count.rs"]
mod count;
#[path = "../examples/index_files/error.rs"]
mod error;
#[path = "support/example.rs"]
mod example;
#[path = "../examples/index_files/job.rs"]
mod job;
#[path = "../examples/index_files/report.rs"]
mod report;
#[path = "../examples/index_files/totals.rs"]
mod totals;
#[path = "../examples/index_files/walk.rs"]
mod walk;

#[cfg(all(unix, any(feature = "tokio", feature = "smol")))]
#[path = "index_files/program.rs"]
mod program;
#[cfg(all(unix, any(feature = "tokio", feature = "smol")))]
#[path = "support/running.rs"]
mod running;

use count::{Counter, Counts, Trouble};
use regatta::cancel::CancelToken;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

fn program() -> Command {
    example::program("index_files")
}

#[cfg(not(any(feature = "tokio", feature = "smol")))]
#[test]
fn without_a_runtime_the_program_says_how_to_build_it() {
    for arguments in [&["."] as &[_], &[".", "--runtime", "neutral"]] {
        let output = program().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("build with `--features tokio`"), "{said}");
    }
}

fn counts(lines: u64, words: u64, bytes: u64) -> Counts {
    Counts {
        lines,
        words,
        bytes,
    }
}

fn count_whole(text: &[u8]) -> Counts {
    let mut counter = Counter::default();
    counter.feed(text);
    counter.counts
}

/// The rule in other words: pieces between white space that have a printable ASCII character.
fn count_naively(text: &[u8]) -> Counts {
    let space = |b: &u8| b" \t\n\x0b\x0c\r".contains(b);
    let words = text
        .split(space)
        .filter(|w| w.iter().any(u8::is_ascii_graphic));
    counts(
        text.iter().filter(|b| **b == b'\n').count() as u64,
        words.count() as u64,
        text.len() as u64,
    )
}

/// Text from a small alphabet in which every class of bytes is frequent.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let alphabet = b"ab~! \t\n\x0b\x0c\r\x00\x01\x1f\x7f\x80\xa0\xc3\xff";
    (0..length)
        .map(|_| alphabet[random.usize(..alphabet.len())])
        .collect()
}

#[test]
fn counts_are_those_of_wc_in_the_c_locale() {
    assert_eq!(count_whole(b""), counts(0, 0, 0));
    assert_eq!(count_whole(b"no newline at the end"), counts(0, 5, 21));
    assert_eq!(count_whole(b" two\r\n\x0bwords\x0c\n"), counts(2, 2, 14));
    // Beyond ASCII: part of a word, but none alone.
    assert_eq!(count_whole("né é\n".as_bytes()), counts(1, 1, 7));
    assert_eq!(count_whole(b"a\x01b \x01 \x7f x\xa0y"), counts(0, 2, 11));
}

#[test]
fn counts_agree_with_a_naive_count_however_the_text_is_cut() {
    for seed in 0..200 {
        let text = noise(seed, 300);
        let naive = count_naively(&text);
        assert_eq!(count_whole(&text), naive, "seed {seed}");
        let mut counter = Counter::default();
        for piece in text.chunks(1 + seed as usize % 17) {
            counter.feed(piece);
        }
        assert_eq!(counter.counts, naive, "seed {seed}, in pieces");
    }
}

#[test]
fn a_file_is_binary_by_a_nul_byte_in_its_first_8_kib() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f");
    let file = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        count::file(&path, || Ok(()))
    };
    let mut text = vec![b'x'; 200_000];
    assert_eq!(file(&text).unwrap(), counts(0, 1, 200_000));
    text[8191] = 0;
    assert!(matches!(file(&text), Err(Trouble::Binary)));
    text[8191] = b'x';
    text[8192] = 0;
    assert_eq!(file(&text).unwrap(), count_naively(&text));
    assert!(matches!(file(b"\0"), Err(Trouble::Binary)));
}

#[test]
fn what_is_no_file_any_more_is_an_error_with_a_kind() {
    let folder = TempDir::new().unwrap();
    let kind = |name: &str| {
        let trouble = count::file(&folder.path().join(name), || Ok(()));
        trouble.expect_err("it is no file").kind()
    };
    assert_eq!(kind("gone"), "vanished");
    #[cfg(unix)]
    {
        // No writer ever comes: a plain open would wait for one.
        let path = folder.path().join("fifo");
        let made = Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
        assert_eq!(kind("fifo"), "no regular file");
        std::os::unix::fs::symlink("gone", folder.path().join("link")).unwrap();
        assert_eq!(kind("link"), "unreadable");
    }
}

#[test]
fn a_file_is_left_when_told_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, vec![b'x'; 1_000_000]).unwrap();
    let mut looks = 0;
    let left = count::file(&path, || {
        looks += 1;
        if looks < 5 {
            Ok(())
        } else {
            Err(Trouble::Stopped)
        }
    });
    assert!(matches!(left, Err(Trouble::Stopped)));
    assert_eq!(looks, 5);
}

/// A folder with a bit of everything but binary files, and what is in it.
fn small_tree() -> (TempDir, u64, Counts) {
    let folder = TempDir::new().unwrap();
    let mut sum = Counts::default();
    let mut files = 0;
    for (i, name) in [
        "a.txt",
        "b.TXT",
        "c",
        "deep/er/d.rs",
        "deep/e.tar.gz",
        "empty.md",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!("{name} né\n").repeat(i * 1000 % 4999);
        fs::write(&path, &text).unwrap();
        sum += count_naively(text.as_bytes());
        files += 1;
    }
    (folder, files, sum)
}

async fn index(dir: &Path, out: &Path, jobs: usize, stop: &CancelToken) -> totals::Summary {
    let report = report::Report::create(out).unwrap();
    let plan = job::Plan {
        tree: walk::Tree::open(Some(dir.into())).unwrap().without(out),
        jobs,
        deadline: Duration::from_secs(60),
        grace: Duration::from_secs(60),
    };
    job::run(plan, report, indicatif::ProgressBar::hidden(), stop)
        .await
        .unwrap()
}

/// Every line of a report, which must all be whole.
fn lines_of(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "half a line: {text}"
    );
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

async fn every_file_is_counted_once() {
    let (folder, files, sum) = small_tree();
    // The report lies in the tree it is about.
    let out = folder.path().join("deep/report.jsonl");
    for jobs in [1, 2, 100] {
        let summary = index(folder.path(), &out, jobs, &CancelToken::new()).await;
        assert!(summary.walked_all && !summary.interrupted);
        assert_eq!((summary.found, summary.done), (files, files));
        assert_eq!(summary.counted.counts, sum);
        assert_eq!(summary.types["txt"].files, 2, "upper case is the same type");
        let lines = lines_of(&out);
        assert_eq!(lines.len() as u64, files + 1);
        assert_eq!(lines.last().unwrap()["summary"]["found"], files);
    }
}

async fn a_job_that_is_stopped_at_once_says_so() {
    let (folder, files, _) = small_tree();
    let out = TempDir::new().unwrap();
    let out = out.path().join("report.jsonl");
    let stop = CancelToken::new();
    stop.cancel();
    let summary = index(folder.path(), &out, 1, &stop).await;
    assert!(summary.interrupted && !summary.walked_all);
    assert_eq!(summary.done, 0);
    assert!(summary.not_done <= files);
    assert_eq!(lines_of(&out).len() as u64, summary.found + 1);
}

regatta::matrix! {
    every_file_is_counted_once;
    a_job_that_is_stopped_at_once_says_so;
}

#[test]
fn without_a_runtime_the_message_says_what_to_enable() {
    let (folder, ..) = small_tree();
    let out = TempDir::new().unwrap();
    let plan = job::Plan {
        tree: walk::Tree::open(Some(folder.path().into())).unwrap(),
        jobs: 1,
        deadline: Duration::from_secs(60),
        grace: Duration::ZERO,
    };
    let report = report::Report::create(&out.path().join("r")).unwrap();
    let bar = indicatif::ProgressBar::hidden();
    let stop = CancelToken::new();
    let job = job::run(plan, report, bar, &stop);
    let errors = regatta::run_on(regatta::runtime::Flavor::Neutral, job).unwrap_err();
    let text = errors.to_string();
    assert!(text.contains("no async runtime to spawn on"), "{text}");
}
