//! What is compared: cases, and the goals they have.

use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Ours,
    Peer,
    /// Neither: shows what the measuring itself costs.
    Bare,
}

/// One thing that is measured: does it once, and says how much that took, in nanoseconds or bytes.
pub struct Case {
    pub name: &'static str,
    pub side: Side,
    pub run: Box<dyn FnMut() -> f64>,
}

/// What a run of a case may say.
pub trait Amount {
    fn amount(self) -> f64;
}

impl Amount for Duration {
    fn amount(self) -> f64 {
        self.as_nanos() as f64
    }
}

/// Bytes.
impl Amount for usize {
    fn amount(self) -> f64 {
        self as f64
    }
}

/// What the figures of a table come from, and so how they are taken.
#[derive(Clone, Copy, PartialEq)]
pub enum From {
    /// The clock of this process. Many rounds; where allocations are counted, none.
    Clock,
    /// The counting allocator: the same in every round.
    Allocator,
    /// A process for each run: few rounds.
    Process,
}

/// What a case has to reach.
pub enum Goal {
    /// At least this many times as fast as the best of these peers (none named: of all).
    Faster {
        ours: &'static str,
        peers: &'static [&'static str],
        times: f64,
    },
    /// At most this much more than `base` (none: than nothing), divided by `parts`.
    AtMost {
        ours: &'static str,
        base: Option<&'static str>,
        parts: f64,
        most: f64,
    },
}

/// Cases that are compared with one another.
pub struct Table {
    pub title: String,
    pub unit: &'static str,
    pub from: From,
    /// Nanoseconds or bytes of a run that make one unit.
    pub divisor: f64,
    /// Operations in a run, for the count of allocations.
    pub ops: usize,
    pub cases: Vec<Case>,
    pub goals: Vec<Goal>,
}

impl Table {
    /// A run does `ops` operations; figures are nanoseconds for each.
    pub fn each(title: impl Into<String>, ops: usize) -> Self {
        Table {
            title: title.into(),
            unit: "ns each",
            from: From::Clock,
            divisor: ops as f64,
            ops,
            cases: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Figures are microseconds for the whole run, which does `ops` operations.
    pub fn whole(title: impl Into<String>, ops: usize) -> Self {
        Table {
            unit: "µs",
            divisor: 1e3,
            ..Table::each(title, ops)
        }
    }

    /// A run makes `ops` things that wait, and says how many bytes they hold; figures are bytes for each.
    pub fn bytes(title: impl Into<String>, ops: usize) -> Self {
        Table {
            unit: "bytes each",
            from: From::Allocator,
            ..Table::each(title, ops)
        }
    }

    /// Every run is a process of its own.
    pub fn in_processes(mut self) -> Self {
        self.from = From::Process;
        self
    }

    fn case<A: Amount>(
        mut self,
        name: &'static str,
        side: Side,
        mut run: impl FnMut() -> A + 'static,
    ) -> Self {
        self.cases.push(Case {
            name,
            side,
            run: Box::new(move || run().amount()),
        });
        self
    }

    pub fn ours<A: Amount>(self, name: &'static str, run: impl FnMut() -> A + 'static) -> Self {
        self.case(name, Side::Ours, run)
    }

    pub fn peer<A: Amount>(self, name: &'static str, run: impl FnMut() -> A + 'static) -> Self {
        self.case(name, Side::Peer, run)
    }

    pub fn bare<A: Amount>(self, name: &'static str, run: impl FnMut() -> A + 'static) -> Self {
        self.case(name, Side::Bare, run)
    }

    pub fn faster(
        mut self,
        ours: &'static str,
        peers: &'static [&'static str],
        times: f64,
    ) -> Self {
        self.goals.push(Goal::Faster { ours, peers, times });
        self
    }

    pub fn at_most(
        mut self,
        ours: &'static str,
        base: Option<&'static str>,
        parts: f64,
        most: f64,
    ) -> Self {
        self.goals.push(Goal::AtMost {
            ours,
            base,
            parts,
            most,
        });
        self
    }
}
