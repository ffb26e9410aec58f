//! Questions that go up the cancellation tree: which deadlines are above a node, and which of them have passed.

use super::node::Node;
use crate::runtime::{Instant, Runtime};
use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;

/// The nodes that were asked in one look, with all above them, so that none is asked twice: with several parents each, there are
/// exponentially many ways up, and of nodes that are asked one after the other, one may be above the next.
#[derive(Default)]
pub(crate) struct Look {
    begun: usize,
    seen: HashSet<*const Node>,
}

impl Look {
    /// So many may be asked before it costs memory to remember those that have one parent.
    const FEW: usize = 4;

    /// The look goes on to the next node. False when it has been there.
    fn begin(&mut self, node: &Node) -> bool {
        self.begun += 1;
        self.enter(node, 1)
    }

    /// One of `ways` to go on up leads to `node`. False when the look has been there.
    fn enter(&mut self, node: &Node, ways: usize) -> bool {
        ways == 1 && self.begun <= Look::FEW || self.seen.insert(std::ptr::from_ref(node))
    }
}

impl Node {
    fn passes(&self) -> bool {
        #[cfg(test)]
        super::effort::note();
        self.deadline.as_ref().is_some_and(|d| d.pass())
    }

    /// Nodes come after all above them, of several parents the last (the outermost) first; the first that passed wins.
    pub(super) fn outermost_passed(&self, look: &mut Look) -> Option<&Node> {
        let (mut node, mut found) = (self, None);
        if !look.begin(self) {
            return None;
        }
        // The usual case needs no memory: one parent each.
        loop {
            if node.passes() {
                found = Some(node);
            }
            match node.parents() {
                [] => return found,
                [only] if only.node.timed && look.enter(&only.node, 1) => node = &only.node,
                [_] => return found,
                _ => break,
            }
        }
        let mut path = vec![(node, node.parents().len())];
        while let Some((node, left)) = path.last_mut() {
            if *left == 0 {
                if node.passes() {
                    return Some(node);
                }
                path.pop();
                continue;
            }
            *left -= 1;
            let up: &Node = &node.parents()[*left].node;
            if up.timed && look.enter(up, 2) {
                path.push((up, up.parents().len()));
            }
        }
        found
    }

    /// Shows `visit` this node and the timed ones above it, each once, the nearest first: on from where it says true, until it breaks off.
    fn ascend<'a>(
        &'a self,
        look: &mut Look,
        mut visit: impl FnMut(&'a Node) -> ControlFlow<(), bool>,
    ) {
        if !look.begin(self) {
            return;
        }
        let mut next = VecDeque::from([self]);
        while let Some(node) = next.pop_front() {
            #[cfg(test)]
            super::effort::note();
            match visit(node) {
                ControlFlow::Break(()) => return,
                ControlFlow::Continue(false) => {}
                ControlFlow::Continue(true) => {
                    let links = node.parents();
                    let above = links.iter().map(|l| &*l.node).filter(|n| n.timed);
                    next.extend(above.filter(|n| look.enter(n, links.len())));
                }
            }
        }
    }

    /// The earliest deadline of this node and those above it, and the runtime whose clock it is on.
    pub(crate) fn effective_deadline(&self) -> Option<(Instant, &Runtime)> {
        self.deadline_seen_by(&mut Look::default())
    }

    /// [`effective_deadline`](Node::effective_deadline), in a look at several nodes; of those it was at before it says nothing.
    pub(crate) fn deadline_seen_by(&self, look: &mut Look) -> Option<(Instant, &Runtime)> {
        if !self.moves {
            let cell = self.earliest.as_ref()?;
            return Some((cell.at()?, &cell.runtime));
        }
        let mut earliest: Option<(Instant, &Runtime)> = None;
        self.ascend(look, |node| {
            if let Some(deadline) = &node.deadline
                && let Some(at) = deadline.at()
                && earliest.is_none_or(|(e, _)| at < e)
            {
                earliest = Some((at, &deadline.runtime));
            }
            ControlFlow::Continue(true)
        });
        earliest
    }

    /// Whether a deadline has passed for which work under this node is dropped without a grace.
    pub(crate) fn drops_by_deadline(&self, look: &mut Look) -> bool {
        let mut found = false;
        if self.timed {
            self.ascend(look, |node| {
                found = !node.lenient && node.passes();
                if found {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(!node.lenient)
                }
            });
        }
        found
    }
}
