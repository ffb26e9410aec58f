//! [`ErrorGroup`]: every error of a group, with the names of the tasks.

use crate::internal::reason::Reason;
use std::convert::Infallible;
use std::sync::Arc;
use std::{mem, vec};

/// One entry of an [`ErrorGroup`]. Public only because a sealed trait mentions it; no path leads here.
#[derive(Clone)]
pub enum Fault<E> {
    /// The error of one task, and its name.
    Leaf(Option<Arc<str>>, E),
    /// The errors of a group inside.
    Group(ErrorGroup<E>),
}

/// The faults of one group. A tree may be deep, so nothing here calls itself for the groups inside, not even to drop
/// them.
pub(super) struct Faults<E>(pub(super) Vec<Fault<E>>);

impl<E> Faults<E> {
    fn take(mut self) -> vec::IntoIter<Fault<E>> {
        mem::take(&mut self.0).into_iter()
    }
}

impl<E> Drop for Faults<E> {
    fn drop(&mut self) {
        if !self.0.iter().any(|f| matches!(f, Fault::Group(_))) {
            return;
        }
        let mut pending = mem::take(&mut self.0);
        while let Some(fault) = pending.pop() {
            if let Fault::Group(mut group) = fault {
                pending.append(&mut group.faults.0);
            }
        }
    }
}

impl<E> Fault<E> {
    /// The reason, when this is a group that was cancelled on request and where nothing else happened.
    pub(super) fn into_cancellation(self) -> Result<Reason, Self> {
        match self {
            Fault::Group(ErrorGroup {
                faults,
                cancelled: Some(reason),
                stragglers,
                ..
            }) if faults.0.is_empty() && stragglers.is_empty() && reason != Reason::Shutdown => {
                Ok(reason)
            }
            other => Err(other),
        }
    }
}

/// Every error of a [task group](super::task_group), as a tree: groups inside groups stay together. No cancellation is among them.
///
/// `{}` prints one line, `{:#}` a tree (levels below the 32nd say how deep they are, and are indented no further).
/// Take it apart with [`into_first`](ErrorGroup::into_first), [`iter`](ErrorGroup::iter),
/// [`split`](ErrorGroup::split) (by a test) and [`extract`](ErrorGroup::extract) (by type, Python's `except*`).
///
/// A group that was [cancelled](super::TaskGroup::cancel) on request, where something was cut short and nothing failed, gives one without
/// an error, which says so: [`cancelled`](ErrorGroup::cancelled). So does one whose runtime stopped, with the reason
/// [`Shutdown`](crate::cancel::Reason::Shutdown).
///
/// # Examples
///
/// ```
/// use regatta::task::{self, ErrorGroup};
///
/// regatta::testing::run(async || {
///     let result: Result<(), ErrorGroup<String>> = task::task_group(async |g| {
///         g.named("disk").spawn(async { Err::<(), _>("full".to_string()) });
///         std::future::pending().await
///     })
///     .await;
///     let errors = result.expect_err("the disk is full");
///     assert_eq!(errors.to_string(), "1 task failed: disk: full");
///     assert_eq!(errors.into_first().as_deref(), Some("full"));
/// });
/// ```
pub struct ErrorGroup<E> {
    pub(super) label: Option<Arc<str>>,
    pub(super) faults: Faults<E>,
    pub(super) cancelled: Option<Reason>,
    pub(super) stragglers: Vec<String>,
}

/// What is to become of an error when its tree is taken apart.
enum Side<L, R> {
    Left(L),
    Right(R),
    Gone,
}

/// A group that is being taken apart; what is not in a fault goes to the right.
struct Level<E, L, R> {
    group: ErrorGroup<R>,
    rest: vec::IntoIter<Fault<E>>,
    left: Vec<Fault<L>>,
}

impl<E, L, R> Level<E, L, R> {
    fn open(group: ErrorGroup<E>) -> Self {
        Level {
            group: ErrorGroup {
                label: group.label,
                faults: Faults(Vec::new()),
                cancelled: group.cancelled,
                stragglers: group.stragglers,
            },
            rest: group.faults.take(),
            left: Vec::new(),
        }
    }

    fn close(self) -> (ErrorGroup<L>, ErrorGroup<R>) {
        let left = ErrorGroup::new(self.group.label.clone(), self.left);
        (left, self.group)
    }
}

impl<E> ErrorGroup<E> {
    pub(crate) fn new(label: Option<Arc<str>>, faults: Vec<Fault<E>>) -> Self {
        ErrorGroup {
            label,
            faults: Faults(faults),
            cancelled: None,
            stragglers: Vec::new(),
        }
    }

    pub(crate) fn from_fault(fault: Fault<E>) -> Self {
        ErrorGroup::new(None, vec![fault])
    }

    pub(crate) fn with_cancelled(mut self, reason: Option<Reason>) -> Self {
        self.cancelled = reason;
        self
    }

    pub(crate) fn with_stragglers(mut self, names: Vec<String>) -> Self {
        self.stragglers = names;
        self
    }

    /// Gives the group a name if it has none.
    pub(crate) fn labelled(mut self, label: Option<Arc<str>>) -> Self {
        self.label = self.label.or(label);
        self
    }

    /// The name of the group.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// How many errors there are, in the whole tree.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no task failed: the group was cancelled, or left stragglers behind.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Why the group was cancelled, if somebody asked for it.
    pub fn cancelled(&self) -> Option<&Reason> {
        self.cancelled.as_ref()
    }

    /// The tasks that had not ended when the group's [close deadline](super::TaskGroup::close_within) passed.
    pub fn stragglers(&self) -> &[String] {
        &self.stragglers
    }

    /// The errors, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.iter_named().map(|(_, e)| e)
    }

    /// The errors with the names of their tasks.
    pub fn iter_named(&self) -> impl Iterator<Item = (Option<&str>, &E)> {
        // A stack instead of nested iterators: trees may be deep.
        let mut stack = vec![self.faults.0.iter()];
        std::iter::from_fn(move || {
            loop {
                match stack.last_mut()?.next() {
                    Some(Fault::Leaf(name, e)) => return Some((name.as_deref(), e)),
                    Some(Fault::Group(g)) => stack.push(g.faults.0.iter()),
                    None => {
                        stack.pop();
                    }
                }
            }
        })
    }

    /// The error that came first.
    pub fn first(&self) -> Option<&E> {
        self.iter().next()
    }

    /// Takes the error that came first. `None` when no task failed.
    pub fn into_first(self) -> Option<E> {
        self.into_iter().next()
    }

    /// Splits by a test; both halves keep the shape of the tree. What was cancelled or left behind stays with the second half.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task::{self, OnFailure};
    ///
    /// regatta::testing::run(async || {
    ///     let errors = task::task_group(async |g| {
    ///         g.on_failure(OnFailure::Collect);
    ///         for n in [3, -1, 5, -2] {
    ///             g.spawn(async move { if n < 0 { Err(n) } else { Ok(n) } });
    ///         }
    ///         Ok(())
    ///     })
    ///     .await
    ///     .expect_err("two are negative");
    ///     let (low, rest) = errors.split(|n| *n < -1);
    ///     assert_eq!(low.and_then(|l| l.into_first()), Some(-2));
    ///     assert_eq!(rest.and_then(|r| r.into_first()), Some(-1));
    /// });
    /// ```
    pub fn split(self, mut test: impl FnMut(&E) -> bool) -> (Option<Self>, Option<Self>) {
        let (hits, rest) = self.sort(true, &mut |e| match test(&e) {
            true => Side::Left(e),
            false => Side::Right(e),
        });
        (hits.some(), rest.some())
    }

    /// Takes out what `pick` accepts, for example `|e| e.downcast::<io::Error>()`: Python's `except*`. The rest keeps its shape.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task;
    /// use std::{error::Error, io};
    ///
    /// regatta::testing::run(async || {
    ///     type BoxError = Box<dyn Error + Send + Sync>;
    ///     let errors = task::task_group::<(), BoxError, _, _>(async |g| {
    ///         g.spawn(async { Err::<(), BoxError>(io::Error::other("disk").into()) });
    ///         std::future::pending().await
    ///     })
    ///     .await
    ///     .expect_err("the disk failed");
    ///     let (io_errors, rest) = errors.extract(|e| e.downcast::<io::Error>());
    ///     assert_eq!(io_errors.len(), 1);
    ///     assert!(rest.is_none());
    /// });
    /// ```
    pub fn extract<T>(self, mut pick: impl FnMut(E) -> Result<T, E>) -> (Vec<T>, Option<Self>) {
        let mut taken = Vec::new();
        let (_, rest) = self.sort(true, &mut |e| match pick(e) {
            Ok(t) => {
                taken.push(t);
                Side::<Infallible, E>::Gone
            }
            Err(e) => Side::Right(e),
        });
        (taken, rest.some())
    }

    /// The same tree with other errors.
    pub fn map<U>(self, mut f: impl FnMut(E) -> U) -> ErrorGroup<U> {
        let (_, mapped) = self.sort(false, &mut |e| Side::<Infallible, U>::Right(f(e)));
        mapped
    }

    /// All errors side by side, without the groups inside.
    pub fn flatten(self) -> Self {
        let mut flat = Vec::new();
        let mut stack = vec![self.faults.take()];
        while let Some(level) = stack.last_mut() {
            match level.next() {
                Some(Fault::Group(g)) => stack.push(g.faults.take()),
                Some(leaf) => flat.push(leaf),
                None => {
                    stack.pop();
                }
            }
        }
        ErrorGroup {
            label: self.label,
            faults: Faults(flat),
            cancelled: self.cancelled,
            stragglers: self.stragglers,
        }
    }

    /// `None` when there is nothing in it.
    pub(super) fn some(self) -> Option<Self> {
        let anything =
            !self.faults.0.is_empty() || self.cancelled.is_some() || !self.stragglers.is_empty();
        anything.then_some(self)
    }

    /// Takes the tree apart into two of the same shape, error by error. `prune`: groups that have nothing left to
    /// tell go.
    fn sort<L, R>(
        self,
        prune: bool,
        place: &mut dyn FnMut(E) -> Side<L, R>,
    ) -> (ErrorGroup<L>, ErrorGroup<R>) {
        let mut level = Level::open(self);
        let mut above = Vec::new();
        loop {
            match level.rest.next() {
                Some(Fault::Leaf(name, error)) => match place(error) {
                    Side::Left(e) => level.left.push(Fault::Leaf(name, e)),
                    Side::Right(e) => level.group.faults.0.push(Fault::Leaf(name, e)),
                    Side::Gone => {}
                },
                Some(Fault::Group(group)) => {
                    above.push(mem::replace(&mut level, Level::open(group)));
                }
                None => {
                    let Some(outer) = above.pop() else {
                        return level.close();
                    };
                    let (left, right) = mem::replace(&mut level, outer).close();
                    level.left.extend(left.some().map(Fault::Group));
                    let right = if prune { right.some() } else { Some(right) };
                    level.group.faults.0.extend(right.map(Fault::Group));
                }
            }
        }
    }
}

impl<E: Clone> Clone for ErrorGroup<E> {
    fn clone(&self) -> Self {
        let start = |group: &ErrorGroup<E>| ErrorGroup {
            label: group.label.clone(),
            faults: Faults(Vec::with_capacity(group.faults.0.len())),
            cancelled: group.cancelled.clone(),
            stragglers: group.stragglers.clone(),
        };
        let (mut copy, mut rest) = (start(self), self.faults.0.iter());
        let mut above = Vec::new();
        loop {
            match rest.next() {
                Some(Fault::Leaf(name, e)) => {
                    copy.faults.0.push(Fault::Leaf(name.clone(), e.clone()));
                }
                Some(Fault::Group(group)) => {
                    above.push((mem::replace(&mut copy, start(group)), rest));
                    rest = group.faults.0.iter();
                }
                None => {
                    let Some((outer, others)) = above.pop() else {
                        return copy;
                    };
                    let inner = mem::replace(&mut copy, outer);
                    copy.faults.0.push(Fault::Group(inner));
                    rest = others;
                }
            }
        }
    }
}

impl<E> IntoIterator for ErrorGroup<E> {
    type Item = E;
    type IntoIter = IntoIter<E>;

    /// The errors, in the order they came.
    fn into_iter(self) -> IntoIter<E> {
        IntoIter {
            faults: self.flatten().faults.take(),
        }
    }
}

/// The errors of an [`ErrorGroup`], by value.
#[derive(Debug)]
pub struct IntoIter<E> {
    faults: vec::IntoIter<Fault<E>>,
}

impl<E> Iterator for IntoIter<E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.faults.find_map(|fault| match fault {
            Fault::Leaf(_, e) => Some(e),
            Fault::Group(_) => None,
        })
    }
}
