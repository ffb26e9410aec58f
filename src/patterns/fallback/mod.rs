//! Fallbacks: something else when a call failed.
//!
//! Use one where an older, smaller or emptier answer is better than none: the cache, the default, another service. A fallback hides failures from the caller, so count them:
//! the closure is the place.
//!
//! # Example
//!
//! ```
//! use regatta::fallback::fallback;
//!
//! async fn recommended() -> Result<Vec<&'static str>, &'static str> {
//!     Err("the service is down")
//! }
//!
//! regatta::testing::run(async || {
//!     let shown = fallback(recommended(), |error| async move {
//!         println!("showing the bestsellers: {error}");
//!         Ok(vec!["tea", "milk"])
//!     });
//!     assert_eq!(shown.await, Ok(vec!["tea", "milk"]));
//! });
//! ```
//!
//! # How it behaves
//!
//! **Cancellation is no failure.** An error that a call gives while a scope around it is cancelled comes back as it is.
//!
//! **One after the other.** The call has ended and is dropped before the fallback begins.

use crate::internal::scope;
use crate::runtime::coop;
use std::future::Future;

/// Awaits `future`; when it fails, what `other` makes of the error.
///
/// # Errors
///
/// That of `other`, which may be the one it was given.
///
/// # Panics
///
/// When `future` or `other` does.
///
/// # Cancel safety
///
/// Dropping it drops the one that is running; nothing is left behind.
pub async fn fallback<F, T, E, G, H>(future: F, other: G) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    G: FnOnce(E) -> H,
    H: Future<Output = Result<T, E>>,
{
    fallback_when(future, |_| true, other).await
}

/// [`fallback`] for some errors: the others come back as they are.
///
/// # Errors
///
/// That of `other`, or the one for which `when` is false.
///
/// # Panics
///
/// When `future`, `when` or `other` does.
///
/// # Cancel safety
///
/// Dropping it drops the one that is running; nothing is left behind.
///
/// # Examples
///
/// ```
/// use regatta::fallback::fallback_when;
/// use std::io;
///
/// regatta::testing::run(async || {
///     let settings = fallback_when(
///         async { std::fs::read_to_string("no such file") },
///         |e| e.kind() == io::ErrorKind::NotFound,
///         |_| async { Ok("the defaults".to_owned()) },
///     );
///     assert_eq!(settings.await.expect("there are defaults"), "the defaults");
/// });
/// ```
pub async fn fallback_when<F, T, E, P, G, H>(future: F, when: P, other: G) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    P: FnOnce(&E) -> bool,
    G: FnOnce(E) -> H,
    H: Future<Output = Result<T, E>>,
{
    coop::spend().await;
    // Awaited by value: it is dropped here, before the other begins.
    match future.await {
        Err(error) if scope::reason().is_none() && when(&error) => other(error).await,
        ended => ended,
    }
}
