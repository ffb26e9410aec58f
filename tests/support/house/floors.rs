//! Which module lives on which floor. A new pattern adds its name here.

use super::source::Facts;
use std::collections::HashMap;

/// Units directly below the crate root.
const TOP: [(&str, u8); 4] = [
    ("runtime", 0),
    ("internal", 1),
    ("monitor", 4),
    ("testing", 5),
];
/// Units below `patterns`.
const PATTERNS: [(u8, &[&str]); 3] = [
    (2, &["cancel", "time"]),
    (
        3,
        &[
            "task",
            "sync",
            "queue",
            "stream",
            "retry",
            "rate_limit",
            "circuit_breaker",
            "bulkhead",
            "hedge",
            "fallback",
            "load_shed",
        ],
    ),
    (
        4,
        &[
            "pool",
            "workers",
            "pipeline",
            "policy",
            "background",
            "blocking",
        ],
    ),
];
/// Every folder below `integrations` is a unit of its own.
const INTEGRATIONS: u8 = 5;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A pattern, or another unit with a floor.
    Unit { name: &'a str, floor: u8 },
    /// The crate root, `patterns` or `integrations` itself: they hold floors and have none.
    Listing,
    /// Not in the table.
    Unknown,
}

/// The unit that an absolute path (without `crate`) lies in.
pub(crate) fn place<S: AsRef<str>>(path: &[S]) -> Place<'_> {
    let mut names = path.iter().map(AsRef::as_ref);
    match (names.next(), names.next()) {
        (None, _) | (Some("patterns" | "integrations"), None) => Place::Listing,
        (Some("patterns"), Some(name)) => {
            pattern_floor(name).map_or(Place::Unknown, |floor| Place::Unit { name, floor })
        }
        (Some("integrations"), Some(name)) => Place::Unit {
            name,
            floor: INTEGRATIONS,
        },
        (Some(name), _) => match TOP.iter().find(|(n, _)| *n == name) {
            Some(&(_, floor)) => Place::Unit { name, floor },
            None => Place::Unknown,
        },
    }
}

fn pattern_floor(name: &str) -> Option<u8> {
    PATTERNS
        .iter()
        .find(|(_, names)| names.contains(&name))
        .map(|(floor, _)| *floor)
}

/// The short cuts that `lib.rs` offers: `crate::task` means `crate::patterns::task`.
pub(crate) struct Floors {
    shortcuts: HashMap<String, Vec<String>>,
}

impl Floors {
    /// Collects what the crate root re-exports, and the macros that `#[macro_export]` puts there.
    pub(crate) fn new<'a>(files: impl Iterator<Item = &'a Facts>) -> Self {
        let mut shortcuts = HashMap::new();
        for facts in files {
            for name in &facts.exported_macros {
                shortcuts.insert(name.clone(), facts.module.clone());
            }
            if facts.module.is_empty() {
                for named in facts
                    .paths
                    .iter()
                    .filter(|n| n.import && n.module.is_empty())
                {
                    let target = named.absolute().unwrap_or_else(|| named.segments.clone());
                    if let Some(name) = named.bound_name() {
                        shortcuts.insert(name.to_owned(), target);
                    }
                }
            }
        }
        Floors { shortcuts }
    }

    /// Follows the short cuts; a pattern's own name leads to it also without one, as after `pub use patterns::*`.
    pub(crate) fn resolve(&self, path: &[String]) -> Vec<String> {
        let mut path = path.to_vec();
        // A bound on the steps, in case two short cuts name each other.
        for _ in 0..8 {
            let Some(first) = path.first() else { break };
            if place(&path) != Place::Unknown || first == "patterns" {
                break;
            }
            let base = match self.shortcuts.get(first) {
                Some(target) => target.clone(),
                None if pattern_floor(first).is_some() => {
                    vec!["patterns".to_owned(), first.clone()]
                }
                None => break,
            };
            path.splice(0..1, base);
        }
        path
    }
}
