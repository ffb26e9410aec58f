//! The program as a user meets it: over real sockets, killed, stopped, told nonsense.

use super::example::{self, RUNTIMES};
use super::running::{Running, until};
use super::site::Tree;
use super::world::{Dump, dump};
use rusqlite::Connection;
use rustix::process::Signal;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn program() -> Command {
    example::program("crawl")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a site, and a place for databases.
struct Ground {
    folder: TempDir,
}

impl Ground {
    /// A book, with two links in it that lead nowhere.
    fn new() -> Self {
        let ground = Ground {
            folder: TempDir::new().unwrap(),
        };
        let Tree::Memory(files) = Tree::generated(6, 8) else {
            panic!("it is in memory");
        };
        for (name, mut body) in files {
            if name == "3/5.html" {
                body.extend_from_slice(b"<a href=nowhere.html>x</a><img src=/gone.png>");
            }
            let path = ground.tree().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        }
        ground
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program on this site.
    fn program(&self, out: &str, more: &[&str]) -> Command {
        let mut command = program();
        command.arg("--tree").arg(self.tree());
        command.arg("--out").arg(self.out(out)).args(more);
        // One page never answers, and is asked for four times.
        command.args(["--page-deadline", "0.6"]);
        command
    }

    fn run(&self, out: &str, more: &[&str]) -> Output {
        self.program(out, more).output().unwrap()
    }

    fn dump(&self, out: &str) -> Dump {
        dump(&self.out(out))
    }
}

fn broken(out: &Path) -> Vec<(String, String)> {
    let db = Connection::open(out).unwrap();
    let mut rows = db
        .prepare("SELECT url, CAST(why AS TEXT) FROM broken WHERE id IN (SELECT target FROM link) ORDER BY url")
        .unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// How much has been committed: the log grows with every batch.
fn written(out: &Path) -> u64 {
    let log = PathBuf::from(format!("{}-wal", out.display()));
    fs::metadata(log).map_or(0, |about| about.len())
}

#[test]
fn the_program_is_built_with_the_features_of_this_test() {
    for name in ["tokio", "smol"] {
        let output = program()
            .args([
                "--url",
                "http://127.0.0.1:1",
                "--out",
                "/no/where",
                "--runtime",
                name,
            ])
            .output()
            .unwrap();
        let refused = text(&output.stderr).contains("is not compiled in");
        assert_eq!(
            refused,
            !RUNTIMES.contains(&name),
            "target/*/examples/crawl is from another build: run `cargo test` without `--test`"
        );
    }
}

#[test]
fn what_was_planted_is_found_on_every_runtime_and_the_databases_are_the_same() {
    let ground = Ground::new();
    let mut dumps = Vec::new();
    for runtime in RUNTIMES {
        let output = ground.run(runtime, &["--runtime", runtime]);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        let own = [
            ("always-500", "500"),
            ("always-cut", "cut short"),
            ("always-reset", "broken off"),
            ("gone", "410"),
            ("loop-a", "redirects without end"),
            ("missing", "404"),
            ("moved-nowhere", "redirect to 404"),
            ("silent", "too slow"),
        ];
        let mut planted: Vec<(String, String)> = own
            .iter()
            .map(|(name, why)| {
                (
                    format!("http://site.test/_faults/{name}.html"),
                    (*why).into(),
                )
            })
            .collect();
        for place in ["3/nowhere.html", "gone.png"] {
            planted.push((format!("http://site.test/{place}"), "404".into()));
        }
        planted.sort();
        assert_eq!(broken(&ground.out(runtime)), planted, "{runtime}");
        for (url, why) in &planted {
            assert!(said.contains(&format!("  {why}: {url}\n")), "{said}");
        }
        assert!(
            said.contains("linked from http://site.test/3/5.html\n"),
            "{said}"
        );
        assert!(said.contains(" at flapping.test"), "{said}");
        assert!(said.contains(&format!("on {}", &runtime[..4])), "{said}");
        dumps.push(ground.dump(runtime));
    }
    // 55 pages of the book, 8 below `_faults`, 25 on the other host.
    assert_eq!(dumps[0].with("page"), 55 + 8 + 25);
    for dump in &dumps[1..] {
        assert_eq!(*dump, dumps[0]);
    }
}

#[test]
fn totals_are_those_of_a_plain_walk() {
    let ground = Ground::new();
    let output = ground.run("walk", &["--no-faults"]);
    assert!(output.status.success());
    let (mut pages, mut bytes, mut files) = (0_u64, 0_u64, 0_u64);
    for entry in walkdir::WalkDir::new(ground.tree()) {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|e| e == "html") {
            pages += 1;
            bytes += entry.metadata().unwrap().len();
        } else if entry.file_type().is_file() {
            files += 1;
        }
    }
    let db = Connection::open(ground.out("walk")).unwrap();
    let totals: (u64, u64, u64) = db
        .query_row(
            "SELECT count(*) FILTER (WHERE outcome = 'page'), sum(bytes), count(*) FILTER (WHERE outcome = 'file') FROM page",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(totals, (pages, bytes, files));
    let said = text(&output.stdout);
    assert!(
        said.contains("requests that failed: none; retries: 0\nbreaker trips: none\n"),
        "{said}"
    );
}

#[test]
fn killed_in_the_middle_and_resumed_it_ends_with_the_same_database() {
    let ground = Ground::new();
    assert!(ground.run("whole", &[]).status.success());
    let expected = ground.dump("whole");
    for runtime in RUNTIMES {
        let out = ground.out("killed");
        let slowly = ["--runtime", runtime, "--rate", "60", "--jobs", "8"];
        let mut kills = 0;
        while kills < 4 {
            let mut running = Running::start(ground.program("killed", &slowly));
            let before = written(&out);
            let ended = until("a commit", || {
                let ended = running.0.try_wait().unwrap();
                (written(&out) != before || ended.is_some()).then_some(ended)
            });
            assert!(
                ended.is_none(),
                "it ended before it could be killed: {ended:?}"
            );
            running.signal(Signal::KILL);
            running.end();
            kills += 1;
        }
        let waiting = ground.dump("killed").waiting();
        assert!(waiting > 0, "it had visited everything");
        let output = ground.run("killed", &["--runtime", runtime]);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("\nthis run: "), "{said}");
        assert!(text(&output.stderr).contains("going on with "));
        assert_eq!(ground.dump("killed"), expected, "{runtime}");
        fs::remove_file(out).unwrap();
    }
}

#[test]
fn ctrl_c_ends_it_with_a_report_and_a_database_that_goes_on() {
    let ground = Ground::new();
    assert!(ground.run("whole", &[]).status.success());
    for (signal, code, name) in [(Signal::INT, 130, "Ctrl-C"), (Signal::TERM, 143, "SIGTERM")] {
        let runtime = RUNTIMES[code as usize % RUNTIMES.len()];
        let out = ground.out("stopped");
        let slowly = ["--runtime", runtime, "--rate", "40"];
        let mut running = Running::start(ground.program("stopped", &slowly));
        // It is under way: the first page is saved.
        let begun = |line: &str| line.contains("flapping.test is http://127.0.0.1:");
        let mut lines = running.hears().lines();
        assert!(begun(&lines.next().unwrap().unwrap()));
        let first = written(&out);
        until("a commit", || (written(&out) > first).then_some(()));
        running.signal(signal);
        assert_eq!(running.end().code(), Some(code));
        let said = std::io::read_to_string(running.0.stdout.take().unwrap()).unwrap();
        let last = said.lines().last().unwrap();
        assert!(
            last.starts_with(&format!("interrupted (cancelled: {name})"))
                || last.starts_with(&format!("interrupted ({name})")),
            "{said}"
        );
        assert!(
            last.ends_with("the same command goes on from there"),
            "{said}"
        );
        assert!(ground.dump("stopped").waiting() > 0);
        assert!(
            !PathBuf::from(format!("{}-wal", out.display())).exists(),
            "closed in good order"
        );
        assert!(
            ground
                .run("stopped", &["--runtime", runtime])
                .status
                .success()
        );
        assert_eq!(ground.dump("stopped"), ground.dump("whole"));
        fs::remove_file(out).unwrap();
    }
}

#[test]
fn a_site_that_is_given_is_crawled_and_nobody_else() {
    let ground = Ground::new();
    // One that serves, and takes its time with its own crawl.
    let mut server = Running::start(ground.program("server", &["--no-faults", "--rate", "0.01"]));
    let line = server.hears().lines().next().unwrap().unwrap();
    let (_, address) = line.split_once("site.test is ").unwrap();
    let (address, _) = address.split_once(',').unwrap();
    let out = ground.out("url");
    let output = program()
        .args(["--url", address, "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Vec<_> = ["3/nowhere.html", "gone.png"]
        .map(|p| (format!("{address}{p}"), "404".to_owned()))
        .into();
    assert_eq!(broken(&out), found);
    assert_eq!(dump(&out).with("page"), 55);
    // Nobody is there, or no page.
    for (url, why) in [
        ("http://127.0.0.1:9/", "no connection"),
        (&format!("{address}nowhere.html"), "404"),
    ] {
        let output = program()
            .args(["--url", url, "--fresh", "--out"])
            .arg(&out)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("{url}: {why}: there is nothing to crawl")),
            "{said}"
        );
    }
}

#[test]
fn nonsense_is_told_with_the_value_and_the_fix() {
    let ground = Ground::new();
    for (arguments, parts) in [
        (
            &["--jobs", "0"][..],
            &["'0' for '--jobs", "use at least 1"][..],
        ),
        (
            &["--jobs", "-3"],
            &["'-3'", "use a whole number from 1 to 1024"],
        ),
        (&["--jobs", "5000"], &["'5000'", "use at most 1024"]),
        (&["--rate", "0"], &["'0' for '--rate", "use a number from"]),
        (&["--rate", "fast"], &["'fast'", "such as 10 or 0.5"]),
        (&["--limit", "0"], &["use at least 1"]),
        (
            &["--limit", "many"],
            &["'many'", "use a whole number from 1, or inf"],
        ),
        (&["--deadline", "0"], &["use more than zero"]),
        (&["--deadline", "nan"], &["'nan'"]),
        (
            &["--page-deadline", "soon"],
            &["'soon'", "such as 10 or 0.5"],
        ),
        (
            &["--url", "example.com"],
            &["'example.com'", "write it in full"],
        ),
        (&["--url", "ftp://h/"], &["use http or https"]),
        (
            &["--url", "http://h/", "--tree", "/"],
            &["cannot be used with"],
        ),
        (&["--runtime", "neutral"], &["has no sockets"]),
        (&["--runtime", "fast"], &["'fast' for '--runtime"]),
        (
            &["--tree", "/no/where"],
            &["--tree /no/where: no such folder"],
        ),
        (
            &["--out", "/no/where/x", "--tree", "."],
            &["/no/where/x: ", "choose another place with --out"],
        ),
        (&["--what"], &["--what"]),
    ] {
        let mut command = program();
        command.current_dir(ground.folder.path()).args(arguments);
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
    }
    // None of them has left anything behind.
    let left: Vec<_> = fs::read_dir(ground.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["site"]);
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success() && text(&help.stdout).contains("--page-deadline"));
}
