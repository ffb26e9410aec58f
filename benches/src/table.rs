//! What is compared: cases, and the goals they have.

use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Ours,
    Peer,
    /// Neither: shows what the measuring itself costs.
    Bare,
}

/// One thing that is measured: does it once, and says how long that took.
pub struct Case {
    pub name: &'static str,
    pub side: Side,
    pub run: Box<dyn FnMut() -> Duration>,
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
    /// Nanoseconds of a run that make one unit.
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

    fn case(
        mut self,
        name: &'static str,
        side: Side,
        run: impl FnMut() -> Duration + 'static,
    ) -> Self {
        self.cases.push(Case {
            name,
            side,
            run: Box::new(run),
        });
        self
    }

    pub fn ours(self, name: &'static str, run: impl FnMut() -> Duration + 'static) -> Self {
        self.case(name, Side::Ours, run)
    }

    pub fn peer(self, name: &'static str, run: impl FnMut() -> Duration + 'static) -> Self {
        self.case(name, Side::Peer, run)
    }

    pub fn bare(self, name: &'static str, run: impl FnMut() -> Duration + 'static) -> Self {
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
