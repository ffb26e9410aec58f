//! What is said of a scope besides its mark.

/// What only the owner changes, and not while the scope is on the stack; and, on the stack, what was found out there in this poll.
/// Two bytes: moved with every poll.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const NONE: Flags = Flags(0);
    /// The outermost scope of a spawned task: what lies below belongs to the executor.
    pub(super) const ROOT: u16 = 1;
    /// The scope is dropping and has no frame that could say so.
    pub(super) const DROPPING: u16 = 1 << 1;
    /// The scope's future waits, and is polled a second time in one poll of its owner, for those in it that have to hear that it is dropping.
    pub(super) const CUT: u16 = 1 << 2;
    pub(super) const POLLED: u16 = 1 << 3;
    /// What only gave way has one more poll to come before it is dropped.
    pub(super) const OWED: u16 = 1 << 4;
    /// It has had it.
    pub(super) const GRANTED: u16 = 1 << 5;
    /// It has given way before its first poll, and does not do so again.
    pub(super) const GAVE_WAY: u16 = 1 << 14;

    /// The owner watches for the dropping of the scopes around it, and passes it on to this one before it polls what is inside. So watches
    /// inside need not reach further out.
    pub(super) const RELAYS: u16 = 1 << 6;
    /// The owner holds the scopes around it as long as its future lives. So shields inside need not reach further out.
    pub(super) const HOLDS: u16 = 1 << 7;
    /// The scope's node is below the nodes of all scopes that are around it in this poll. So what is to follow them all need only
    /// follow those up to this one.
    pub(super) const COVERS: u16 = 1 << 8;

    // Only on the stack, where every poll begins without them. Those that say something about the scopes further out are true as long as
    // the scope lies there, for those lie below it. A question that comes from many scopes inside each other stops where it was answered.

    /// What lies on the stack is to go back to the owner. Without it the owner has kept all there is to it, and it was not looked at.
    pub(super) const LENT: u16 = 1 << 9;
    /// The clocks of this scope and of all around it have started.
    pub(super) const STAMPED: u16 = 1 << 10;
    /// Neither this scope nor one around it is `CUT`.
    pub(super) const UNCUT: u16 = 1 << 11;
    /// Neither this scope nor one around it is `GRANTED`.
    pub(super) const UNGRANTED: u16 = 1 << 12;
    /// A scope around this one is cancelled, and what follows both has heard of it.
    pub(super) const TOLD: u16 = 1 << 13;

    #[inline]
    pub(super) fn lent(self) -> Flags {
        Flags(self.0 | Flags::LENT)
    }

    #[inline]
    pub(super) fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }

    #[inline]
    pub(super) fn add(&mut self, flag: u16) {
        self.0 |= flag;
    }

    pub(super) fn set(&mut self, flag: u16, on: bool) {
        self.0 &= !flag;
        self.0 |= if on { flag } else { 0 };
    }
}
