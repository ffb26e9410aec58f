//! Outputs that come in any order, and are kept in that of their numbers.

use std::collections::VecDeque;

/// What has come without a gap before it is in its final place already: the usual case costs no second pass, and no `Option` around each output.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    done: Vec<T>,
    /// What came before its turn; the first place belongs to the number `done.len()`.
    early: VecDeque<Option<T>>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        InOrder {
            done: Vec::new(),
            early: VecDeque::new(),
        }
    }
}

impl<T> InOrder<T> {
    /// Every number comes once at most.
    #[inline]
    pub(super) fn put(&mut self, number: usize, output: T) {
        let place = number - self.done.len();
        if place > 0 {
            if self.early.len() <= place {
                self.early.resize_with(place + 1, || None);
            }
            self.early[place] = Some(output);
            return;
        }
        self.done.push(output);
        self.early.pop_front();
        while let Some(Some(_)) = self.early.front() {
            self.done.extend(self.early.pop_front().flatten());
        }
    }

    /// What came; a number that did not come is left out.
    pub(super) fn take(&mut self) -> Vec<T> {
        let mut done = std::mem::take(&mut self.done);
        done.extend(std::mem::take(&mut self.early).into_iter().flatten());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::InOrder;

    #[test]
    fn outputs_are_in_the_order_of_their_numbers_whatever_the_order_they_came_in() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut numbers: Vec<usize> = (0..random.usize(..40)).collect();
            random.shuffle(&mut numbers);
            let mut outputs = InOrder::default();
            for &number in &numbers {
                outputs.put(number, number);
            }
            numbers.sort_unstable();
            assert_eq!(outputs.take(), numbers, "seed {seed}");
        }
    }

    #[test]
    fn what_did_not_come_is_left_out() {
        let mut outputs = InOrder::default();
        outputs.put(0, 'a');
        outputs.put(3, 'd');
        outputs.put(2, 'c');
        assert_eq!(outputs.take(), ['a', 'c', 'd']);
    }
}
