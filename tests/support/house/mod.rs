//! The house rules as pure functions: source text in, violations out.
//!
//! [`source`] reads a file into facts (which paths it names, which features it tests), [`floors`] knows where
//! everything lives, and this module judges. `tests/architecture.rs` feeds it the sources, and planted offences.
//!
//! What it cannot see: renamed types (`use std::time::Instant as T; T::now()`) and calls through a value. The lints in `clippy.toml`
//! see types and cover those.

pub(crate) mod floors;
mod innocent;
mod plant;
mod planted;
pub(crate) mod source;
mod tokens;

use floors::{Floors, Place};
use source::{Facts, Named};
use std::fmt;

/// Longest file allowed, in lines.
pub(crate) const MOST_LINES: usize = 500;
/// Above this a file is worth a note.
pub(crate) const MANY_LINES: usize = 300;

/// Crates that are a runtime, or bring timers of their own.
const RUNTIMES: [&str; 6] = [
    "tokio",
    "smol",
    "async_io",
    "async_executor",
    "async_std",
    "futures_timer",
];
/// Features that choose a runtime.
const RUNTIME_FEATURES: [&str; 2] = ["tokio", "smol"];
/// Calls that read the real clock or block on it.
const REAL_TIME: [[&str; 2]; 3] = [
    ["Instant", "now"],
    ["SystemTime", "now"],
    ["thread", "sleep"],
];

/// A house rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Up,
    Sideways,
    WholeFloor,
    NoFloor,
    RuntimeNamed,
    RuntimeFeature,
    StrayFeature,
    RealTime,
    Unsafe,
    TooLong,
    Stub,
    Unreadable,
}

impl Rule {
    fn text(self) -> &'static str {
        match self {
            Rule::Up => "imports go down only",
            Rule::Sideways => "siblings on a floor never import each other",
            Rule::WholeFloor => "import what is used by name, not the module that holds the floors",
            Rule::NoFloor => "every module has a floor: add it to tests/support/house/floors.rs",
            Rule::RuntimeNamed => "only src/runtime/ names a runtime crate",
            Rule::RuntimeFeature => "only src/runtime/ tests a runtime feature",
            Rule::StrayFeature => "features are tested in src/runtime/ and src/integrations/ only",
            Rule::RealTime => "time is read from the runtime, and nothing blocks a thread to wait",
            Rule::Unsafe => "no unsafe code",
            Rule::TooLong => "a file has at most 500 lines",
            Rule::Stub => "nothing unfinished is committed",
            Rule::Unreadable => "a source file must lex as Rust",
        }
    }
}

/// A broken rule, with the place that breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {} ({})",
            self.file,
            self.line,
            self.what,
            self.rule.text()
        )
    }
}

/// What [`check`] found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) violations: Vec<Violation>,
    /// Long files, for information.
    pub(crate) notes: Vec<String>,
}

/// Judges a whole source tree, given as (path below `src/`, text).
pub(crate) fn check(files: &[(String, String)]) -> Report {
    let mut report = Report::default();
    let mut read = Vec::new();
    for (path, text) in files {
        length(path, text, &mut report);
        match Facts::read(&source::module_of(path), text) {
            Ok(facts) => read.push((path, facts)),
            Err(line) => report.violations.push(Violation {
                file: format!("src/{path}"),
                line,
                rule: Rule::Unreadable,
                what: "cannot be read".into(),
            }),
        }
    }
    let floors = Floors::new(read.iter().map(|(_, facts)| facts));
    for (path, facts) in &read {
        let tests_only = read
            .iter()
            .flat_map(|(_, f)| &f.test_modules)
            .any(|t| facts.module.starts_with(t));
        report
            .violations
            .extend(judge(path, facts, &floors, tests_only));
    }
    report
        .violations
        .sort_by(|a, b| (&a.file, a.line, a.rule).cmp(&(&b.file, b.line, b.rule)));
    report.violations.dedup();
    report
}

/// Judges text outside `src/` (tests, examples), where only unfinished work is an offence.
pub(crate) fn stubs(file: &str, text: &str) -> Vec<Violation> {
    let of = |line, rule, what: String| Violation {
        file: file.into(),
        line,
        rule,
        what,
    };
    match Facts::read(&[], text) {
        Ok(facts) => facts
            .stubs
            .into_iter()
            .map(|(line, what)| of(line, Rule::Stub, what))
            .collect(),
        Err(line) => vec![of(line, Rule::Unreadable, "cannot be read".into())],
    }
}

fn length(path: &str, text: &str, report: &mut Report) {
    let lines = text.lines().count();
    if lines > MOST_LINES {
        report.violations.push(Violation {
            file: format!("src/{path}"),
            line: lines,
            rule: Rule::TooLong,
            what: format!("{lines} lines"),
        });
    } else if lines > MANY_LINES {
        report
            .notes
            .push(format!("src/{path}: {lines} lines, more than {MANY_LINES}"));
    }
}

fn judge(path: &str, facts: &Facts, floors: &Floors, tests_only: bool) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut say = |line: usize, rule: Rule, what: String| {
        found.push(Violation {
            file: format!("src/{path}"),
            line,
            rule,
            what,
        });
    };
    for line in &facts.unsafes {
        say(*line, Rule::Unsafe, "`unsafe`".into());
    }
    for (line, what) in &facts.stubs {
        say(*line, Rule::Stub, what.clone());
    }
    let home = floors::place(&facts.module);
    if home == Place::Unknown {
        say(
            1,
            Rule::NoFloor,
            format!("`{}` has no floor", facts.module.join("::")),
        );
    }
    if tests_only {
        return found;
    }

    let in_runtime = facts.module.first().is_some_and(|m| m == "runtime");
    let in_integrations = facts.module.first().is_some_and(|m| m == "integrations");
    for (line, name) in &facts.features {
        if RUNTIME_FEATURES.contains(&name.as_str()) && !in_runtime {
            say(
                *line,
                Rule::RuntimeFeature,
                format!("`feature = \"{name}\"`"),
            );
        } else if !in_runtime && !in_integrations {
            say(*line, Rule::StrayFeature, format!("`feature = \"{name}\"`"));
        }
    }
    for named in &facts.paths {
        if !in_runtime {
            if named.is_global() && RUNTIMES.contains(&named.segments[0].as_str()) {
                say(named.line, Rule::RuntimeNamed, format!("`{named}`"));
            }
            if named
                .segments
                .windows(2)
                .any(|w| REAL_TIME.iter().any(|r| w == *r))
            {
                say(named.line, Rule::RealTime, format!("`{named}`"));
            }
        }
        if let Some((rule, target)) = import(home, named, floors) {
            say(named.line, rule, format!("`{named}` reaches {target}"));
        }
    }
    found
}

/// What is wrong with naming `named` from `home`, and where it leads.
fn import(home: Place, named: &Named, floors: &Floors) -> Option<(Rule, String)> {
    let Place::Unit { name: own, floor } = home else {
        return None; // lib.rs and the listings only re-export
    };
    let target = floors.resolve(&named.absolute()?);
    match floors::place(&target) {
        Place::Unit { name, .. } if name == own => None,
        Place::Unit {
            floor: theirs,
            name,
        } if theirs > floor => Some((
            Rule::Up,
            format!("{name} on floor {theirs} from {own} on floor {floor}"),
        )),
        Place::Unit {
            floor: theirs,
            name,
        } if theirs == floor => Some((
            Rule::Sideways,
            format!("{name} from {own}, both on floor {floor}"),
        )),
        Place::Unit { .. } => None,
        Place::Listing => Some((Rule::WholeFloor, "a module that holds floors".into())),
        Place::Unknown => Some((Rule::NoFloor, format!("`crate::{}`", target.join("::")))),
    }
}
