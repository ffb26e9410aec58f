//! What a scope is on the stack: the seed of a frame, or the frame that grew from it.

use super::frame::Frame;
use crate::internal::deadline::{DeadlineCell, When};
use crate::internal::node::Node;
use crate::internal::reason::Elapsed;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::sync::Arc;
use std::time::Duration;

/// At most one word besides the variant, so that a move is two loads and two stores of the same width: where widths differ, as they do in
/// moves of larger values, a load waits for the stores before it.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A scope that only its owner ends.
    Plain,
    /// Hides everything around it.
    Shield,
    /// A deadline, so many nanoseconds after its first poll, which is going on.
    After(u64),
    /// A scope that is cancelled with this node.
    Follow(Arc<Node>),
    /// A scope with a node of its own, which is cancelled with the members of this one.
    Member(Arc<Node>),
    /// A deadline.
    At(Box<(Instant, Option<Duration>)>),
    /// Either of them with a name, or one that is centuries away: few are.
    Named(Box<Named>),
    /// A deadline that can be moved.
    Cell(Arc<DeadlineCell>),
    /// Code inside has asked about this scope.
    Frame(Arc<Frame>),
}

#[derive(Clone, Debug)]
pub(crate) struct Named {
    when: When,
    limit: Option<Duration>,
    name: Option<Arc<str>>,
}

impl Mark {
    pub(crate) fn at(at: Instant, limit: Option<Duration>) -> Self {
        Mark::At(Box::new((at, limit)))
    }

    #[inline]
    pub(crate) fn after(limit: Duration) -> Self {
        match u64::try_from(limit.as_nanos()) {
            Ok(nanos) => Mark::After(nanos),
            Err(_) => Mark::centuries(limit),
        }
    }

    #[cold]
    fn centuries(limit: Duration) -> Self {
        Mark::Named(Box::new(Named {
            when: When::After(limit),
            limit: Some(limit),
            name: None,
        }))
    }

    /// Whether there is anything to drop.
    #[inline]
    pub(super) fn owns(&self) -> bool {
        !matches!(self, Mark::Plain | Mark::Shield | Mark::After(_))
    }

    /// Turns a deadline that starts now into a moment.
    pub(super) fn stamp(&mut self, now: Instant) {
        match self {
            Mark::After(nanos) => {
                let limit = Duration::from_nanos(*nanos);
                *self = now
                    .checked_add(limit)
                    .map_or(Mark::Plain, |at| Mark::at(at, Some(limit)));
            }
            Mark::Named(named) => {
                if let When::After(d) = named.when {
                    named.when = When::from_now(now, d);
                }
            }
            Mark::Cell(cell) => cell.start(now),
            _ => {}
        }
    }

    /// Whether its clock is still to be started.
    pub(super) fn is_unstarted(&self) -> bool {
        match self {
            Mark::After(_) => true,
            Mark::Named(named) => matches!(named.when, When::After(_)),
            Mark::Cell(cell) => cell.is_unstarted(),
            _ => false,
        }
    }

    /// Names a deadline that has no name.
    pub(super) fn name(&mut self, name: Arc<str>) {
        let (when, limit) = match self {
            Mark::After(nanos) => {
                let limit = Duration::from_nanos(*nanos);
                (When::After(limit), Some(limit))
            }
            Mark::At(at) => (When::At(at.0), at.1),
            Mark::Named(named) => return named.name = Some(name),
            _ => return,
        };
        let name = Some(name);
        *self = Mark::Named(Box::new(Named { when, limit, name }));
    }

    /// When its own deadline passes, if it has one that has started.
    pub(super) fn moment(&self) -> Option<Instant> {
        match self {
            Mark::At(at) => Some(at.0),
            Mark::Cell(cell) => cell.at(),
            Mark::Named(named) => match named.when {
                When::At(at) => Some(at),
                When::After(_) | When::Never => None,
            },
            Mark::Frame(frame) => frame.node.effective_deadline().map(|(at, _)| at),
            _ => None,
        }
    }

    /// Its own deadline, if it is in a cell.
    pub(super) fn cell(&self) -> Option<Arc<DeadlineCell>> {
        match self {
            Mark::Cell(cell) => Some(cell.clone()),
            Mark::Frame(frame) => frame.node.deadline().cloned(),
            _ => None,
        }
    }

    /// What is said when its own deadline has passed.
    pub(super) fn elapsed(&self) -> Elapsed {
        match self {
            Mark::After(nanos) => Elapsed::new(None, Some(Duration::from_nanos(*nanos))),
            Mark::At(at) => Elapsed::new(None, at.1),
            Mark::Named(named) => Elapsed::new(named.name.clone(), named.limit),
            Mark::Cell(cell) => cell.elapsed(),
            Mark::Frame(frame) => frame
                .node
                .deadline()
                .map_or(Elapsed::new(None, None), |cell| cell.elapsed()),
            _ => Elapsed::new(None, None),
        }
    }

    pub(super) fn into_node(mut self) -> Arc<Node> {
        if matches!(self, Mark::After(_) | Mark::Named(_) | Mark::Cell(_)) {
            self.stamp(Runtime::current().now());
        }
        let with_deadline = |when, limit, name| {
            Node::with_deadline(DeadlineCell::fixed(Runtime::current(), when, limit, name))
        };
        match self {
            Mark::Plain | Mark::Shield | Mark::After(_) => Node::root(),
            Mark::Follow(node) => node,
            Mark::Member(node) => Node::member_of(&node),
            Mark::At(at) => with_deadline(When::At(at.0), at.1, None),
            Mark::Named(named) => with_deadline(named.when, named.limit, named.name),
            Mark::Cell(cell) => Node::with_deadline(cell),
            Mark::Frame(frame) => frame.node.clone(),
        }
    }
}
