//! [`Exclusive`]: notices when two use one thing at once.

use crate::internal::lock::Lock;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Notices when two tasks use one thing at once, and says who they are, instead of letting them mix up each other's bytes.
///
/// For things that must not be used concurrently, and where waiting for one's turn would only hide the mistake: a socket that two
/// tasks read, a connection in the middle of a transaction. Where a turn is what you want, use a [`Mutex`](super::Mutex).
///
/// A clone guards the same thing. It is Trio's `ConflictDetector`, AnyIO's `ResourceGuard`.
///
/// # Examples
///
/// ```
/// use regatta::{sync::Exclusive, testing::yield_now};
///
/// struct Socket {
///     reading: Exclusive,
/// }
///
/// impl Socket {
///     async fn read(&self, who: &'static str) -> Result<u8, regatta::sync::Conflict> {
///         let _reading = self.reading.enter_as(who)?;
///         yield_now().await;
///         Ok(42)
///     }
/// }
///
/// regatta::testing::run(async || {
///     let socket = Socket { reading: Exclusive::new("the read side") };
///     let (one, two) = futures::join!(socket.read("parser"), socket.read("logger"));
///     assert_eq!(one.expect("it was first"), 42);
///     let conflict = two.expect_err("it was second").to_string();
///     assert!(conflict.starts_with("`logger` (at "), "{conflict}");
///     assert!(conflict.contains("the read side is in use by `parser`"), "{conflict}");
///     assert!(socket.read("logger").await.is_ok());
/// });
/// ```
#[derive(Clone)]
pub struct Exclusive {
    inner: Arc<Inner>,
}

struct Inner {
    what: Cow<'static, str>,
    user: Lock<Option<User>>,
}

/// Who uses it, and where that was said.
#[derive(Clone, Debug)]
struct User {
    who: Cow<'static, str>,
    at: &'static Location<'static>,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (at {})", self.who, self.at)
    }
}

impl Exclusive {
    /// Guards something, named for the error.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Exclusive {
            inner: Arc::new(Inner {
                what: what.into(),
                user: Lock::new(None),
            }),
        }
    }

    /// Begins to use it, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`Conflict`], when it is in use.
    #[track_caller]
    pub fn enter(&self) -> Result<InUse, Conflict> {
        self.enter_as("somebody")
    }

    /// [`enter`](Exclusive::enter), with a name for the error.
    ///
    /// # Errors
    ///
    /// [`Conflict`], when it is in use.
    #[track_caller]
    pub fn enter_as(&self, who: impl Into<Cow<'static, str>>) -> Result<InUse, Conflict> {
        let user = User {
            who: who.into(),
            at: Location::caller(),
        };
        let mut place = self.inner.user.lock();
        if let Some(first) = place.clone() {
            drop(place);
            return Err(Conflict {
                what: self.inner.what.clone(),
                first,
                second: user,
            });
        }
        *place = Some(user);
        drop(place);
        Ok(InUse {
            inner: self.inner.clone(),
        })
    }

    /// Whether it is in use.
    pub fn is_in_use(&self) -> bool {
        self.inner.user.lock().is_some()
    }
}

impl fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive")
            .field("what", &self.inner.what)
            .field("user", &*self.inner.user.lock())
            .finish()
    }
}

/// The exclusive use of a thing; it ends when this is dropped.
#[must_use = "the use ends when it is dropped: bind it to a name"]
pub struct InUse {
    inner: Arc<Inner>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let user = self.inner.user.lock().take();
        drop(user);
    }
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InUse").field(&self.inner.what).finish()
    }
}

/// Two use one thing at once: the error of [`Exclusive::enter`], for the second.
#[derive(Clone, Debug)]
pub struct Conflict {
    what: Cow<'static, str>,
    first: User,
    second: User,
}

impl Conflict {
    /// What both use.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Who has it, and where that began.
    pub fn first(&self) -> (&str, &'static Location<'static>) {
        (&self.first.who, self.first.at)
    }

    /// Who wanted it too, and where.
    pub fn second(&self) -> (&str, &'static Location<'static>) {
        (&self.second.who, self.second.at)
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cannot enter: {} is in use by {}; give each a thing of its own, or a turn through a `Mutex`",
            self.second, self.what, self.first
        )
    }
}

impl Error for Conflict {}
