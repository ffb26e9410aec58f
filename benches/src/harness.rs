//! Runs the cases of a table in turns, so that a busy machine hurts all of them alike, and judges the goals by paired figures.

use crate::allocations;
use crate::table::{Case, From, Goal, Side, Table};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What the command line says.
pub struct Options {
    pub budget: Duration,
    pub only: String,
    pub case: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            budget: Duration::from_secs(3),
            only: String::new(),
            case: String::new(),
        }
    }
}

const LEAST_ROUNDS: usize = 5;
/// Of what is the same in every round, and of processes.
const FEW_ROUNDS: usize = 3;
/// Runs are short (a few milliseconds at most, where the row allows), so that most fit between two turns of other processes.
const MOST_ROUNDS: usize = 501;

/// The figures of one case, in the unit of its table.
pub struct Figures {
    pub name: &'static str,
    pub side: Side,
    pub min: f64,
    pub median: f64,
    /// How many times as fast (or as small) as the best peer, from figures of the same round.
    pub ratio: Option<f64>,
    /// Allocations for an operation, when they are counted.
    pub allocs: Option<f64>,
}

pub struct Verdict {
    pub goal: String,
    pub found: String,
    pub met: bool,
}

pub struct Measured {
    pub row: &'static str,
    pub title: String,
    pub unit: &'static str,
    pub rounds: usize,
    pub figures: Vec<Figures>,
    pub verdicts: Vec<Verdict>,
}

/// `None` when the options leave nothing of the table.
pub fn measure(row: &'static str, mut table: Table, options: &Options) -> Option<Measured> {
    // A whole name means that case alone, though others contain it.
    let whole = table.cases.iter().any(|c| c.name == options.case);
    table.cases.retain(|c| {
        if whole {
            c.name == options.case
        } else {
            c.name.contains(&options.case)
        }
    });
    if !table.title.contains(&options.only) || table.cases.is_empty() {
        return None;
    }
    let (least, most) = match (table.from, allocations::COUNTED) {
        (From::Clock, false) => (LEAST_ROUNDS, MOST_ROUNDS),
        (From::Clock, true) => (0, 0),
        (From::Allocator, true) | (From::Process, false) => (FEW_ROUNDS, FEW_ROUNDS),
        (From::Allocator, false) | (From::Process, true) => return None,
    };
    if table.from != From::Process {
        for case in &mut table.cases {
            (case.run)(); // warm up
        }
    }
    let counts = allocations::COUNTED.then(|| count_allocs(&mut table));
    let n = table.cases.len();
    let mut samples = vec![Vec::new(); n];
    let mut rounds = 0;
    let start = now();
    while rounds < most && (rounds < least || now() - start < options.budget) {
        for turn in 0..n {
            // Another one begins each time, and every other round goes backwards: nobody always runs after the same neighbour.
            let i = (if rounds % 2 == 0 { turn } else { n - 1 - turn } + rounds) % n;
            samples[i].push((table.cases[i].run)() / table.divisor);
        }
        rounds += 1;
    }
    let best = best_peer(&table.cases, &samples, &[]);
    let figures = (0..n).map(|i| Figures {
        name: table.cases[i].name,
        side: table.cases[i].side,
        min: samples[i].iter().copied().fold(f64::INFINITY, f64::min),
        median: median(samples[i].clone()),
        ratio: best.map(|best| ratio(&samples[best], &samples[i])),
        allocs: counts.as_ref().map(|c| c[i]),
    });
    let figures = figures.collect();
    let verdicts = if rounds == 0 {
        Vec::new()
    } else {
        table
            .goals
            .iter()
            .filter_map(|g| judge(g, &table.cases, &samples))
            .collect()
    };
    Some(Measured {
        row,
        title: table.title,
        unit: table.unit,
        rounds,
        figures,
        verdicts,
    })
}

fn count_allocs(table: &mut Table) -> Vec<f64> {
    let ops = table.ops as f64;
    let count = |case: &mut Case| {
        let before = allocations::count();
        (case.run)();
        (allocations::count() - before) as f64 / ops
    };
    table.cases.iter_mut().map(count).collect()
}

fn best_peer(cases: &[Case], samples: &[Vec<f64>], named: &[&str]) -> Option<usize> {
    (0..cases.len())
        .filter(|i| cases[*i].side == Side::Peer && !samples[*i].is_empty())
        .filter(|i| named.is_empty() || named.contains(&cases[*i].name))
        .min_by(|a, b| median(samples[*a].clone()).total_cmp(&median(samples[*b].clone())))
}

/// `None` when a case it speaks of was left out.
fn judge(goal: &Goal, cases: &[Case], samples: &[Vec<f64>]) -> Option<Verdict> {
    let find = |name: &str| cases.iter().position(|c| c.name == name);
    match goal {
        Goal::Faster { ours, peers, times } => {
            let peer = best_peer(cases, samples, peers)?;
            let found = ratio(&samples[peer], &samples[find(ours)?]);
            Some(Verdict {
                goal: format!("{ours}: ≥ {times} × {}", cases[peer].name),
                found: format!("{found:.2} ×"),
                met: found >= *times,
            })
        }
        Goal::AtMost {
            ours,
            base,
            parts,
            most,
        } => {
            let own = &samples[find(ours)?];
            let extra = match base {
                Some(base) => own
                    .iter()
                    .zip(&samples[find(base)?])
                    .map(|(a, b)| a - b)
                    .collect(),
                None => own.clone(),
            };
            let found = median(extra) / parts;
            let more = base.map_or(String::new(), |b| format!(" more than {b}"));
            let share = if *parts > 1.0 {
                format!(", a {parts}th")
            } else {
                String::new()
            };
            Some(Verdict {
                goal: format!("{ours}: ≤ {most} ns{more}{share}"),
                found: format!("{found:.2} ns"),
                met: found <= *most,
            })
        }
    }
}

fn ratio(peer: &[f64], own: &[f64]) -> f64 {
    median(peer.iter().zip(own).map(|(p, o)| p / o).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The real clock: this is what is measured here.
#[expect(clippy::disallowed_methods, reason = "benches measure real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Does `f` so many times, one after the other.
pub async fn time<Fut: Future>(times: usize, mut f: impl FnMut() -> Fut) -> Duration {
    let start = now();
    for _ in 0..times {
        black_box(f().await);
    }
    now() - start
}

/// The same for plain calls.
pub fn time_calls<R>(times: usize, mut f: impl FnMut() -> R) -> Duration {
    let start = now();
    for _ in 0..times {
        black_box(f());
    }
    now() - start
}
