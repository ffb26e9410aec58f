//! An async function that answers by script and remembers its calls.

mod calls;

pub use calls::{Call, CallEnd};

use super::control::yield_now;
use crate::internal::label;
use crate::runtime::Runtime;
use calls::Recorder;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

enum Answer<T, E> {
    Ok(T),
    Err(E),
    Panic(String),
    Hang,
}

type Latency = RangeInclusive<Duration>;
type Otherwise<A, T, E> = Arc<dyn Fn(&A) -> Result<T, E> + Send + Sync>;
type Failing<E> = (f64, Arc<dyn Fn() -> E + Send + Sync>);

struct Script<A, T, E> {
    answers: VecDeque<(Latency, Answer<T, E>)>,
    otherwise: Option<Otherwise<A, T, E>>,
    fails: Option<Failing<E>>,
    latency: Latency,
}

/// Stands in for an async function in tests: it gives scripted answers, takes its time, and remembers each call, when it was made and how it
/// ended.
///
/// Answers are given in the order in which calls are first polled; when the script is used up,
/// [`fail_rate`](Mock::fail_rate) and [`otherwise`](Mock::otherwise) answer. Works on every runtime, on its timers and its clock; in a simulation
/// all chance comes from the seed. Clones share script and calls.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Mock};
/// use std::time::Duration;
///
/// testing::run(async || {
///     let second = Duration::from_secs(1);
///     let get = Mock::new("get").latency(second..=second).err("down").ok(7);
///     assert_eq!(get.call("/a").await, Err("down"));
///     assert_eq!(get.call("/b").await, Ok(7));
///     assert_eq!(testing::now(), 2 * second);
///
///     drop(get.call("/c"));
///     get.assert_called(3);
///     get.assert_awaited(2);
///     get.assert_awaited_with(&"/b");
/// });
/// ```
pub struct Mock<A, T, E> {
    name: Arc<str>,
    script: Arc<Mutex<Script<A, T, E>>>,
    calls: Arc<Recorder<A>>,
}

impl<A, T, E> Mock<A, T, E> {
    /// A mock that has no answer yet; `name` is what panics call it.
    pub fn new(name: &str) -> Self {
        let script = Script {
            answers: VecDeque::new(),
            otherwise: None,
            fails: None,
            latency: Duration::ZERO..=Duration::ZERO,
        };
        Mock {
            name: name.into(),
            script: Arc::new(Mutex::new(script)),
            calls: Arc::default(),
        }
    }

    fn script(&self) -> MutexGuard<'_, Script<A, T, E>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn then(self, answer: Answer<T, E>) -> Self {
        let mut script = self.script();
        let latency = script.latency.clone();
        script.answers.push_back((latency, answer));
        drop(script);
        self
    }

    /// The next answer is `Ok(value)`.
    #[must_use]
    pub fn ok(self, value: T) -> Self {
        self.then(Answer::Ok(value))
    }

    /// The next answer is `Err(error)`.
    #[must_use]
    pub fn err(self, error: E) -> Self {
        self.then(Answer::Err(error))
    }

    /// The next call panics.
    #[must_use]
    pub fn panics(self, message: &str) -> Self {
        self.then(Answer::Panic(message.to_owned()))
    }

    /// The next call never returns.
    #[must_use]
    pub fn hangs(self) -> Self {
        self.then(Answer::Hang)
    }

    /// How long the answers scripted after this, and those beyond the script, take: drawn anew for each. Zero, the default, still gives way to other tasks once.
    #[must_use]
    pub fn latency(self, range: RangeInclusive<Duration>) -> Self {
        self.script().latency = range;
        self
    }

    /// Answers when the script is used up.
    #[must_use]
    pub fn otherwise(self, f: impl Fn(&A) -> Result<T, E> + Send + Sync + 'static) -> Self {
        self.script().otherwise = Some(Arc::new(f));
        self
    }

    /// When the script is used up, the share `rate` (0.0 to 1.0) of the calls fails with `error`, before [`otherwise`](Mock::otherwise) is asked.
    #[must_use]
    pub fn fail_rate(self, rate: f64, error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        self.script().fails = Some((rate, Arc::new(error)));
        self
    }
}

impl<A: Clone, T, E> Mock<A, T, E> {
    /// One call. It is recorded now, and counts as awaited from its first poll.
    ///
    /// # Errors
    ///
    /// Those of the script, or of what answers beyond it.
    ///
    /// # Panics
    ///
    /// The future does, when it is told to, and when no answer is left.
    ///
    /// # Cancel safety
    ///
    /// Dropping it uses up its answer, if it was polled, and is recorded as [`CallEnd::Cancelled`].
    pub fn call(&self, args: A) -> impl Future<Output = Result<T, E>> + use<A, T, E> {
        let me = self.clone();
        let call = self.calls.called(args.clone());
        async move {
            let mut ending = call.awaited(Runtime::current());
            let (latency, answer) = me.next_answer();
            take_time(latency).await;
            let result = match answer {
                Some(Answer::Ok(value)) => Ok(value),
                Some(Answer::Err(error)) => Err(error),
                Some(Answer::Panic(message)) => {
                    ending.end(CallEnd::Panicked);
                    panic!("{message}")
                }
                Some(Answer::Hang) => {
                    label::set("a mock that hangs");
                    std::future::pending().await
                }
                None => {
                    // Should the closures panic, or there be none.
                    ending.end(CallEnd::Panicked);
                    me.beyond_the_script(&args)
                }
            };
            ending.end(match result {
                Ok(_) => CallEnd::Ok,
                Err(_) => CallEnd::Err,
            });
            result
        }
    }

    fn next_answer(&self) -> (Latency, Option<Answer<T, E>>) {
        let mut script = self.script();
        match script.answers.pop_front() {
            Some((latency, answer)) => (latency, Some(answer)),
            None => (script.latency.clone(), None),
        }
    }

    fn beyond_the_script(&self, args: &A) -> Result<T, E> {
        let script = self.script();
        let (fails, otherwise) = (script.fails.clone(), script.otherwise.clone());
        // The closures may use the mock.
        drop(script);
        match (fails, otherwise) {
            (Some((rate, error)), _) if fastrand::f64() < rate => Err(error()),
            (_, Some(otherwise)) => otherwise(args),
            _ => panic!("mock `{}` has no answer left", self.name),
        }
    }
}

async fn take_time(latency: Latency) {
    let nanos = |d: &Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    let (least, most) = (nanos(latency.start()), nanos(latency.end()));
    let drawn = fastrand::u64(least..=most.max(least));
    if drawn == 0 {
        return yield_now().await;
    }
    label::set("the latency of a mock");
    Runtime::current().sleep(Duration::from_nanos(drawn)).await;
}

impl<A, T, E> Clone for Mock<A, T, E> {
    fn clone(&self) -> Self {
        Mock {
            name: self.name.clone(),
            script: self.script.clone(),
            calls: self.calls.clone(),
        }
    }
}

impl<A, T, E> fmt::Debug for Mock<A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("name", &self.name)
            .field("answers", &self.script().answers.len())
            .finish_non_exhaustive()
    }
}
