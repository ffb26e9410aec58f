//! Results that come out in the order in which their work began.

use std::collections::VecDeque;

/// What runs in numbered [slots](super::slots::Slots) and what has ended, from the oldest that is not given yet on.
#[derive(Debug)]
pub(crate) struct Reorder<O> {
    /// `None` where it still runs.
    waiting: VecDeque<Option<O>>,
    /// The number of the first in `waiting`.
    first: u64,
    /// Which number is in a slot.
    numbers: Vec<u64>,
}

impl<O> Default for Reorder<O> {
    fn default() -> Self {
        Reorder {
            waiting: VecDeque::new(),
            first: 0,
            numbers: Vec::new(),
        }
    }
}

impl<O> Reorder<O> {
    /// How many have begun and are not given yet.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The next one runs in this slot.
    pub(crate) fn runs_in(&mut self, slot: usize) {
        if slot >= self.numbers.len() {
            self.numbers.resize(slot + 1, 0);
        }
        self.numbers[slot] = self.first + self.waiting.len() as u64;
        self.waiting.push_back(None);
    }

    /// The next one has ended already.
    pub(crate) fn ended_at_once(&mut self, output: O) {
        self.waiting.push_back(Some(output));
    }

    pub(crate) fn ended(&mut self, slot: usize, output: O) {
        let place = self.numbers[slot] - self.first;
        self.waiting[place as usize] = Some(output);
    }

    /// What runs in this slot ends without an output, and is waited for no longer.
    pub(crate) fn lost(&mut self, slot: usize) {
        let number = self.numbers[slot];
        self.waiting.remove((number - self.first) as usize);
        // Those of slots where nothing runs mean nothing.
        for later in self.numbers.iter_mut().filter(|n| **n > number) {
            *later -= 1;
        }
    }

    /// Whether the oldest has ended.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.waiting.front(), Some(Some(_)))
    }

    /// The oldest, if it has ended.
    pub(crate) fn pop(&mut self) -> Option<O> {
        if !self.is_ready() {
            return None;
        }
        self.first += 1;
        self.waiting.pop_front().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::Reorder;

    #[test]
    fn what_is_lost_holds_up_nobody() {
        let mut turns = Reorder::default();
        for slot in 0..4 {
            turns.runs_in(slot);
        }
        turns.ended(3, "3");
        turns.ended(0, "0");
        assert_eq!(turns.pop(), Some("0"));
        turns.lost(1);
        turns.runs_in(1);
        assert_eq!((turns.pop(), turns.len()), (None, 3));
        turns.ended(1, "later");
        turns.ended(2, "2");
        assert_eq!([turns.pop(), turns.pop()], [Some("2"), Some("3")]);
        assert_eq!([turns.pop(), turns.pop()], [Some("later"), None]);
    }
}
