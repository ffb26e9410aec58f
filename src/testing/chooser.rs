//! Decides who runs next, and records every decision so that it can be replayed.

use super::config::{Config, Policy};
use super::shared::{ROOT, State};
use fastrand::Rng;

pub(super) struct Chooser {
    policy: Policy,
    rng: Rng,
    spurious: u8,
    /// Apart from `rng`, so that spurious polls stay where they are when a schedule is shrunk.
    spurious_rng: Rng,
    /// The steps at which [`Policy::Pct`] demotes, latest first.
    demotions: Vec<u64>,
    /// Below every priority given so far.
    lowest: u64,
    /// What was chosen wherever there was a choice, and out of how many.
    pub(super) choices: Vec<u16>,
    pub(super) widths: Vec<u16>,
    /// A fingerprint of who ran when.
    pub(super) trace: u64,
    /// The same in full, when it was asked for.
    pub(super) log: Option<Vec<Logged>>,
}

/// Which task ran at what time (in nanoseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) serial: u64,
    pub(super) now: u64,
}

/// A list of choices holds 16 bits each.
const MOST: usize = u16::MAX as usize;

impl Chooser {
    pub(super) fn new(config: &mut Config) -> Self {
        let policy = std::mem::replace(&mut config.policy, Policy::Fifo);
        let seed = config.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5;
        let mut rng = Rng::with_seed(seed);
        let spurious_rng = rng.fork();
        let mut demotions = Vec::new();
        if let Policy::Pct { changes, horizon } = policy {
            let horizon = u64::from(horizon.max(1));
            demotions.extend((0..changes).map(|_| rng.u64(1..=horizon)));
            demotions.sort_unstable_by(|a, b| b.cmp(a));
        }
        Chooser {
            policy,
            rng,
            spurious: config.spurious,
            spurious_rng,
            demotions,
            lowest: FIRST_PRIORITY - 1,
            choices: Vec::with_capacity(32),
            widths: Vec::with_capacity(32),
            trace: 0xcbf2_9ce4_8422_2325,
            log: config.log.then(Vec::new),
        }
    }

    /// Takes the slot of the next task out of `s.ready`, which is not empty.
    pub(super) fn choose(&mut self, s: &mut State, step: u64) -> usize {
        if self.spurious > 0 && self.spurious_rng.u8(..) < self.spurious {
            self.wake_somebody(s);
        }
        let n = s.ready.len().min(MOST);
        let pick = if n == 1 { 0 } else { self.pick(s, n, step) };
        if n > 1 {
            self.choices.push(pick as u16);
            self.widths.push(n as u16);
        }
        let slot = s.ready.remove(pick).unwrap_or(ROOT);
        let task = &mut s.tasks[slot];
        task.queued = false;
        let event = task.serial.wrapping_add(1) ^ s.now.rotate_left(20);
        if let Some(log) = &mut self.log {
            let (serial, now) = (task.serial, s.now);
            log.push(Logged { serial, now });
        }
        self.trace = (self.trace ^ event).wrapping_mul(0x0000_0100_0000_01B3);
        slot
    }

    fn wake_somebody(&mut self, s: &mut State) {
        let idle = |s: &State, i: &usize| s.tasks[*i].live && !s.tasks[*i].queued;
        let slots = 0..s.tasks.len();
        let n = slots.clone().filter(|i| idle(s, i)).count();
        if n == 0 {
            return;
        }
        let nth = self.spurious_rng.usize(..n);
        if let Some(slot) = slots.filter(|i| idle(s, i)).nth(nth) {
            s.tasks[slot].queued = true;
            s.ready.push_back(slot);
        }
    }

    fn pick(&mut self, s: &mut State, n: usize, step: u64) -> usize {
        let State { ready, tasks, .. } = s;
        let highest = |tasks: &[super::shared::Meta]| {
            let by_priority = |i: &usize| tasks[ready[*i]].priority;
            (0..n).max_by_key(by_priority).unwrap_or(0)
        };
        match &self.policy {
            Policy::Fifo => 0,
            Policy::Lifo => {
                let eager = (0..n).rev().find(|i| tasks[ready[*i]].priority != 0);
                let pick = eager.unwrap_or(0);
                tasks[ready[pick]].priority = 1;
                pick
            }
            Policy::Random => self.rng.usize(..n),
            Policy::Pct { .. } => {
                let best = highest(tasks);
                if self.demotions.last().is_none_or(|at| *at > step) {
                    return best;
                }
                self.demotions.pop();
                // A busy-waiting task sinks below this one in time, so nobody starves.
                self.lowest -= 1;
                tasks[ready[best]].priority = self.lowest;
                highest(tasks)
            }
            Policy::Replay(choices) => {
                let at = self.choices.len();
                choices.get(at).map_or(0, |c| usize::from(*c).min(n - 1))
            }
        }
    }

    /// The task in `slot` woke itself: it gives way, or it would starve the others under an unfair policy.
    pub(super) fn yielded(&mut self, s: &mut State, slot: usize) {
        match self.policy {
            Policy::Lifo => s.tasks[slot].priority = 0,
            Policy::Pct { .. } => {
                self.lowest -= 1;
                s.tasks[slot].priority = self.lowest;
            }
            _ => {}
        }
    }
}

/// Priorities of new tasks start here; below is room for those that gave way or were demoted.
pub(super) const FIRST_PRIORITY: u64 = 1 << 41;
