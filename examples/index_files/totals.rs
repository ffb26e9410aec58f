//! Adds up, and prints.

use crate::count::Counts;
use crate::job::Outcome;
use crate::report::file_type;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// How many file types are kept apart; the rest is one. Trees with a number as the extension of every file exist.
const MOST_TYPES: usize = 1000;
/// How many of them are printed.
const PRINTED: usize = 20;
const REST: &str = "(other)";

/// What became of the entries so far.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    types: BTreeMap<String, PerType>,
    errors: BTreeMap<&'static str, u64>,
    symlinks: u64,
    not_done: u64,
}

/// The files of one type.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct PerType {
    pub(crate) files: u64,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

impl PerType {
    fn add(&mut self, files: u64, counts: Counts) {
        self.files += files;
        self.counts += counts;
    }
}

impl Totals {
    pub(crate) fn add(&mut self, path: &Path, outcome: &Outcome) {
        match outcome {
            Outcome::Counted(counts) => {
                let mut name = file_type(path);
                if self.types.len() >= MOST_TYPES && !self.types.contains_key(&name) {
                    name = REST.into();
                }
                self.types.entry(name).or_default().add(1, *counts);
            }
            Outcome::Symlink => self.symlinks += 1,
            Outcome::Error(trouble) => *self.errors.entry(trouble.kind()).or_default() += 1,
            Outcome::NotDone => self.not_done += 1,
        }
    }
}

/// The last line of the report. `found` = `done` + `not_done`; `done` = counted + errors + symlinks.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) dir: String,
    pub(crate) runtime: &'static str,
    pub(crate) jobs: usize,
    pub(crate) elapsed_seconds: f64,
    /// Stopped before the end.
    pub(crate) interrupted: bool,
    /// Whether everything in the tree was found; false after an early stop.
    pub(crate) walked_all: bool,
    pub(crate) found: u64,
    pub(crate) done: u64,
    pub(crate) not_done: u64,
    pub(crate) symlinks: u64,
    pub(crate) errors: BTreeMap<&'static str, u64>,
    pub(crate) counted: PerType,
    pub(crate) types: BTreeMap<String, PerType>,
}

impl From<Totals> for Summary {
    fn from(totals: Totals) -> Self {
        let mut counted = PerType::default();
        for of_type in totals.types.values() {
            counted.add(of_type.files, of_type.counts);
        }
        let done = counted.files + totals.symlinks + totals.errors.values().sum::<u64>();
        Summary {
            found: done + totals.not_done,
            done,
            not_done: totals.not_done,
            symlinks: totals.symlinks,
            errors: totals.errors,
            counted,
            types: totals.types,
            ..Summary::default()
        }
    }
}

/// Prints the summary for people, on stdout.
pub(crate) fn print(summary: &Summary, report: &Path) {
    // `index_files | head` closes the pipe early, which is no error of ours.
    let _ = print_to(&mut io::stdout().lock(), summary, report);
}

fn print_to(out: &mut impl Write, s: &Summary, report: &Path) -> io::Result<()> {
    let mut types: Vec<(&str, PerType)> = s.types.iter().map(|(t, n)| (t.as_str(), *n)).collect();
    types.sort_by_key(|(_, of_type)| std::cmp::Reverse(of_type.counts.bytes));
    let rest = types.split_off(types.len().min(PRINTED));
    writeln!(
        out,
        "{:<16}{:>10}{:>14}{:>14}{:>16}",
        "type", "files", "lines", "words", "bytes"
    )?;
    for (name, of_type) in types {
        row(out, name, of_type)?;
    }
    if !rest.is_empty() {
        let mut sum = PerType::default();
        for (_, of_type) in &rest {
            sum.add(of_type.files, of_type.counts);
        }
        row(out, &format!("{} other types", rest.len()), sum)?;
    }
    row(out, "total", s.counted)?;
    if !s.errors.is_empty() {
        let all: u64 = s.errors.values().sum();
        let kinds: Vec<String> = s
            .errors
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        writeln!(out, "errors: {all} ({})", kinds.join(", "))?;
    }
    if s.symlinks > 0 {
        writeln!(out, "symbolic links, not followed: {}", s.symlinks)?;
    }
    let (secs, done) = (s.elapsed_seconds, s.done);
    let rate = done as f64 / secs.max(1e-9);
    let on = s.runtime;
    writeln!(
        out,
        "{done} files in {secs:.2} s on {on}: {rate:.0} files/s; report: {}",
        report.display()
    )?;
    if s.interrupted {
        let more = if s.walked_all {
            ""
        } else {
            "; not all of the tree was looked at"
        };
        writeln!(
            out,
            "interrupted: {done} done, {} found but not done{more}",
            s.not_done
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, of_type: PerType) -> io::Result<()> {
    let Counts {
        lines,
        words,
        bytes,
    } = of_type.counts;
    writeln!(
        out,
        "{name:<16}{:>10}{lines:>14}{words:>14}{bytes:>16}",
        of_type.files
    )
}
