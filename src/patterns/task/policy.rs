//! What a group does when a child fails.

/// What a [`TaskGroup`](super::TaskGroup) does when a child ends with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Cancels the other children and interrupts the body: nobody works for a result that cannot come any more.
    #[default]
    CancelSiblings,
    /// Lets everybody finish, and returns the errors together at the end.
    ///
    /// The call gives the value of its body, or the errors. For both take a
    /// [`supervisor_group`](super::supervisor_group), or one of its siblings.
    Collect,
}
