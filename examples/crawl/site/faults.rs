//! What goes wrong, and when. A fault is either for good, and makes a broken link, or passes: then whoever asks again gets the page.

use super::FLAPPING;
use super::tree::{Tree, html};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// What the server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Answers as it should.
    Answer,
    /// Answers after a while.
    After(Duration),
    /// Says that it cannot; with a number, when to come back, in seconds.
    Status(u16, Option<u32>),
    /// Says where to go.
    Moved(String),
    /// Cuts the connection in the middle of the page.
    CutShort,
    /// Cuts it without an answer.
    Reset,
    /// Never answers.
    Silent,
}

/// The faults of a host.
#[derive(Debug)]
pub(crate) enum Faults {
    None,
    /// Pages of their own below `/_faults/`, and now and then a fault in the tree that passes.
    Every(Mutex<HashSet<String>>),
    /// Is away twice for a while, and back.
    Flapping(Mutex<Flapping>),
}

/// Below here are the pages that show a fault each, and the page with links to them.
pub(crate) const FOLDER: &str = "/_faults/";

/// The pages below it, in words that the code understands.
const PAGES: [&str; 15] = [
    "always-500.html",
    "always-cut.html",
    "always-reset.html",
    "busy.html",
    "gone.html",
    "loop-a.html",
    "missing.html",
    "moved.html",
    "moved-nowhere.html",
    "once-500.html",
    "once-cut.html",
    "once-reset.html",
    "once-silent.html",
    "silent.html",
    "slow.html",
];

impl Faults {
    pub(crate) fn every() -> Self {
        Faults::Every(Mutex::default())
    }

    pub(crate) fn flapping() -> Self {
        Faults::Flapping(Mutex::default())
    }

    /// What a request for `path` gets.
    pub(crate) fn deed(&self, path: &str, now: Instant) -> Deed {
        match self {
            Faults::None => Deed::Answer,
            Faults::Every(seen) => {
                let first = || {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.insert(path.to_owned())
                };
                match path.strip_prefix(FOLDER) {
                    Some(name) => own(name, first),
                    None => now_and_then(path, first),
                }
            }
            Faults::Flapping(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.deed(now)
            }
        }
    }

    /// A page that is not in the tree.
    pub(crate) fn page(&self, path: &str) -> Option<String> {
        let Faults::Every(_) = self else { return None };
        let name = path.strip_prefix(FOLDER)?;
        if name.is_empty() {
            return Some(html("Faults", &PAGES.map(String::from)));
        }
        let there = PAGES.contains(&name) && !["missing.html", "gone.html"].contains(&name);
        (there || name == "there.html").then(|| html(name, &["./".into()]))
    }

    /// What is written at the end of the first page, so that they are found.
    pub(crate) fn signpost(&self) -> String {
        match self {
            Faults::Every(_) => format!(
                "\n<p><a href=\"{FOLDER}\">faults</a> <a href=\"http://{FLAPPING}/\">more faults</a>\n"
            ),
            Faults::None | Faults::Flapping(_) => String::new(),
        }
    }
}

fn own(name: &str, first: impl Fn() -> bool) -> Deed {
    match name {
        "always-500.html" => Deed::Status(500, None),
        "always-cut.html" => Deed::CutShort,
        "always-reset.html" => Deed::Reset,
        "gone.html" => Deed::Status(410, None),
        "loop-a.html" => Deed::Moved(format!("{FOLDER}loop-b.html")),
        "loop-b.html" => Deed::Moved("loop-a.html".into()),
        "moved.html" => Deed::Moved("there.html".into()),
        "moved-nowhere.html" => Deed::Moved("nowhere.html".into()),
        "silent.html" => Deed::Silent,
        "slow.html" => Deed::After(200 * MS),
        "busy.html" if first() => Deed::Status(503, Some(1)),
        "once-500.html" if first() => Deed::Status(500, None),
        "once-cut.html" if first() => Deed::CutShort,
        "once-reset.html" if first() => Deed::Reset,
        "once-silent.html" if first() => Deed::Silent,
        _ => Deed::Answer,
    }
}

/// One page in a hundred is slow or fails at first: always the same ones.
fn now_and_then(path: &str, first: impl Fn() -> bool) -> Deed {
    // FNV-1a: the same in every process, unlike the standard library's.
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    match hash >> 32 & 0x3ff {
        0..=3 => Deed::After(150 * MS),
        4..=6 if first() => Deed::Status(500, None),
        7..=8 if first() => Deed::Reset,
        9..=10 if first() => Deed::CutShort,
        _ => Deed::Answer,
    }
}

/// A host that is away for a while after some answers. Twice, so that whoever asks four times with growing pauses is answered.
#[derive(Debug, Default)]
pub(crate) struct Flapping {
    asked: u32,
    away_until: Option<Instant>,
    refused: u32,
}

impl Flapping {
    /// Before which answers it goes away, and for how long.
    const AWAY_BEFORE: [u32; 2] = [5, 15];
    const AWAY: Duration = Duration::from_millis(400);

    fn deed(&mut self, now: Instant) -> Deed {
        if self.away_until.is_none_or(|until| now >= until) {
            self.asked += 1;
            if !Self::AWAY_BEFORE.contains(&self.asked) {
                return Deed::Answer;
            }
            self.away_until = now.checked_add(Self::AWAY);
        }
        self.refused += 1;
        match self.refused % 2 {
            0 => Deed::Reset,
            _ => Deed::Status(503, None),
        }
    }

    /// What it serves while it is there.
    pub(crate) fn tree() -> Tree {
        Tree::list(24)
    }
}
