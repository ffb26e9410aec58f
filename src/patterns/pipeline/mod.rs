//! Pipelines: a source, stages and a sink, each working while the others do, with figures for every stage.
//!
//! Use one for a run that moves many items through several steps: read, parse, look up, save. For a single step,
//! [`map_concurrent`](crate::stream::StreamOps::map_concurrent) on a stream is enough; for work that comes from many places,
//! take [`workers`](crate::workers).
//!
//! # Example
//!
//! ```
//! use regatta::{pipeline::{OnError, Pipeline, Stage}, time};
//! use std::time::Duration;
//!
//! const MS: Duration = Duration::from_millis(1);
//!
//! regatta::testing::run(async || {
//!     let pipeline = Pipeline::from_stream("walk", futures::stream::iter(0..1000u32))
//!         .stage(Stage::new("fetch").width(10), async |id| {
//!             time::sleep(20 * MS).await;
//!             Ok::<_, String>(format!("page {id}"))
//!         })
//!         .stage(Stage::new("parse").on_error(OnError::Collect(100)), async |page: String| {
//!             time::sleep(MS).await;
//!             if page.ends_with("13") { Err(format!("{page} is damaged")) } else { Ok(page.len()) }
//!         })
//!         .through("batch", |sizes| regatta::stream::StreamOps::batch(sizes, 50))
//!         .sink("save", async |_batch: Vec<usize>| {
//!             time::sleep(30 * MS).await;
//!             Ok(())
//!         });
//!     let report = pipeline.run().await.expect("only `parse` fails, and it collects");
//!     assert_eq!(report.errors.len(), 10);
//!     assert_eq!(report.stats.stage("save").map(|save| save.given), Some(20));
//!     // The slowest stage counts, not the sum.
//!     assert_eq!(report.stats.bottleneck().map(|stage| &*stage.name), Some("fetch"));
//!     assert!(report.stats.elapsed < 2100 * MS);
//! });
//! ```
//!
//! # How it behaves
//!
//! **Stages are tasks** of one [task group](crate::task::task_group): in parallel on a runtime, in place, in turns, where nothing can be spawned. Within a stage, up to
//! its width items are worked on concurrently, on the stage's task; computing belongs on a [`CpuPool`](crate::blocking::CpuPool).
//!
//! **Back-pressure.** A stage takes an item only if it has a free place in its width, and keeps the place until the next stage has room for the result. So a slow sink
//! slows the source, and no more than the sum of all widths and buffers is under way at any time.
//!
//! **Order** is kept, unless a stage is [unordered](Stage::unordered).
//!
//! **Errors** go by the policy of their stage: [stop](OnError::Stop) the whole, [skip](OnError::skip) with a sink, or [collect](OnError::Collect) for the report. An item ends
//! in one way: handed on, failed, or dropped with the pipeline. Panics stop the whole, and go on in the caller, with the stage's name.
//!
//! **The end.** The run returns when every stage has ended and is dropped. A stage that stands on the one above sees its end only if that ended well: a batch that is
//! begun is not saved as if it were whole. [`drain_on`](Assembled::drain_on) ends the source and lets what is under way go through.
//!
//! **The bottleneck** is the stage whose width was at work for the largest share of the time: there a larger width, or faster code, helps.

mod error;
mod meter;
mod policy;
mod report;
mod source;
mod work;

pub use error::RunError;
pub use policy::{OnError, Stage};
pub use report::{Collected, Report, StageStats, Stats, Watch};

use crate::cancel::CancelToken;
use crate::internal::lock::Lock;
use crate::internal::pipe::{Inlet, pipe};
use crate::runtime::BoxFuture;
use crate::task::task_group;
use futures_core::Stream;
use meter::Meter;
use report::Board;
use source::{Drain, Intake, draw, pass};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use work::{Judge, Keep, Kept, Work};

/// The task of a stage.
struct Planned<E> {
    name: Arc<str>,
    task: BoxFuture<'static, Result<(), E>>,
}

/// What all stages share.
struct Wiring<E> {
    board: Arc<Board>,
    keep: Keep<E>,
    drain: Arc<Drain>,
    planned: Vec<Planned<E>>,
}

impl<E> Wiring<E> {
    fn judge(&self, stage: OnError<E>, meter: &Arc<Meter>) -> Judge<E> {
        Judge {
            policy: stage,
            meter: meter.clone(),
            keep: self.keep.clone(),
            kept: 0,
        }
    }
}

/// A stage that does not know yet where its results go.
type Open<T, E> = Box<dyn FnOnce(Inlet<T>) -> BoxFuture<'static, Result<(), E>> + Send>;

/// A pipeline that is being put together; see the [module](self). `T` is what its last stage gives.
#[must_use = "a pipeline does nothing before it has a sink and is run"]
pub struct Pipeline<T, E> {
    wiring: Wiring<E>,
    name: Arc<str>,
    last: Open<T, E>,
}

impl<T, E> fmt::Debug for Pipeline<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("stages", &(self.wiring.planned.len() + 1))
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static, E: Send + 'static> Pipeline<T, E> {
    /// Begins with a stream, as the stage of this name.
    pub fn from_stream<S>(name: &str, stream: S) -> Self
    where
        S: Stream<Item = T> + Send + 'static,
    {
        let mut stream = Box::pin(stream);
        let results = futures_util::stream::poll_fn(move |cx| {
            stream.as_mut().poll_next(cx).map(|item| item.map(Ok))
        });
        Self::try_from_stream(name, results)
    }

    /// Begins with a stream of results; errors go by the stage's policy. Of the stage's settings, name and policy count.
    pub fn try_from_stream<S>(stage: impl Into<Stage<E>>, stream: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
    {
        let stage = stage.into();
        let wiring = Wiring {
            board: Board::new(),
            keep: Arc::new(Lock::new(Kept {
                errors: Vec::new(),
                missed: 0,
            })),
            drain: Arc::default(),
            planned: Vec::new(),
        };
        let meter = Meter::new(stage.name.clone(), 1, 0, None);
        wiring.board.add(meter.clone());
        let judge = wiring.judge(stage.on_error, &meter);
        let drain = wiring.drain.clone();
        let last: Open<T, E> =
            Box::new(move |inlet| Box::pin(draw(Box::pin(stream), inlet, judge, drain)));
        Pipeline {
            wiring,
            name: stage.name,
            last,
        }
    }

    /// Adds a stage that makes one item of each.
    pub fn stage<U, F, Fut>(mut self, stage: impl Into<Stage<E>>, f: F) -> Pipeline<U, E>
    where
        U: Send + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
    {
        let stage = stage.into();
        let (inlet, input) = pipe(stage.buffer);
        self.close(inlet);
        let Stage { name, width, .. } = stage;
        let gauge = Some(input.gauge());
        let meter = Meter::new(name.clone(), width, stage.buffer, gauge);
        self.wiring.board.add(meter.clone());
        let judge = self.wiring.judge(stage.on_error, &meter);
        let last: Open<U, E> = Box::new(move |output| {
            Box::pin(async move { Work::new(input, Some(output), stage.ordered, judge, f).await })
        });
        Pipeline {
            wiring: self.wiring,
            name,
            last,
        }
    }

    /// Adds what an operator makes of the stream of items: [`batch`](crate::stream::StreamOps::batch), a filter, a fold that gives one item at the end.
    ///
    /// Its statistics have numbers, and no times: what it waits for is the stage above.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::StreamExt;
    /// use regatta::{pipeline::Pipeline, stream::generate};
    /// use std::{convert::Infallible, pin::pin};
    ///
    /// regatta::testing::run(async || {
    ///     let numbers = Pipeline::from_stream("count", futures::stream::iter(1..=100u32));
    ///     // Many items into one: nothing comes out if the stages above failed.
    ///     let sum = numbers.through("sum", |numbers| {
    ///         generate(async move |y| {
    ///             let mut numbers = pin!(numbers);
    ///             let mut sum = 0;
    ///             while let Some(n) = numbers.next().await {
    ///                 sum += n;
    ///             }
    ///             y.put(sum).await;
    ///         })
    ///     });
    ///     let done = sum.sink("check", async |sum| {
    ///         assert_eq!(sum, 5050);
    ///         Ok::<_, Infallible>(())
    ///     });
    ///     done.run().await.expect("nothing fails");
    /// });
    /// ```
    pub fn through<U, S>(
        mut self,
        stage: impl Into<Stage<E>>,
        operator: impl FnOnce(Pin<Box<dyn Stream<Item = T> + Send>>) -> S,
    ) -> Pipeline<U, E>
    where
        U: Send + 'static,
        S: Stream<Item = U> + Send + 'static,
    {
        let stage = stage.into();
        let (inlet, input) = pipe(stage.buffer);
        self.close(inlet);
        let gauge = Some(input.gauge());
        let meter = Meter::new(stage.name.clone(), 1, stage.buffer, gauge);
        self.wiring.board.add(meter.clone());
        let stream = operator(Box::pin(Intake {
            input,
            meter: meter.clone(),
            lost: false,
        }));
        let last: Open<U, E> = Box::new(move |output| {
            Box::pin(async move {
                pass(Box::pin(stream), output, meter).await;
                Ok(())
            })
        });
        Pipeline {
            wiring: self.wiring,
            name: stage.name,
            last,
        }
    }

    /// Ends with a stage that gives nothing on. An item is done when its future has ended with `Ok`.
    pub fn sink<F, Fut>(mut self, stage: impl Into<Stage<E>>, f: F) -> Assembled<E>
    where
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        let stage = stage.into();
        let (inlet, input) = pipe(stage.buffer);
        self.close(inlet);
        let gauge = Some(input.gauge());
        let meter = Meter::new(stage.name.clone(), stage.width, stage.buffer, gauge);
        self.wiring.board.add(meter.clone());
        let judge = self.wiring.judge(stage.on_error, &meter);
        let task = Box::pin(async move { Work::new(input, None, false, judge, f).await });
        self.wiring.planned.push(Planned {
            name: stage.name,
            task,
        });
        Assembled {
            wiring: self.wiring,
        }
    }

    /// The last stage hands on here.
    fn close(&mut self, inlet: Inlet<T>) {
        let taken: Open<T, E> = Box::new(|_| Box::pin(std::future::ready(Ok(()))));
        let last = std::mem::replace(&mut self.last, taken);
        self.wiring.planned.push(Planned {
            name: self.name.clone(),
            task: last(inlet),
        });
    }
}

/// A pipeline from source to sink; made by [`Pipeline::sink`].
#[must_use = "a pipeline does nothing before it is run"]
pub struct Assembled<E> {
    wiring: Wiring<E>,
}

impl<E> fmt::Debug for Assembled<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.wiring.planned.iter().map(|stage| &stage.name);
        f.debug_list().entries(names).finish()
    }
}

impl<E: Send + 'static> Assembled<E> {
    /// Looks at the pipeline while it runs: for progress bars, and to see who holds up whom.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{pipeline::Pipeline, task, time};
    /// use std::{convert::Infallible, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let naps = Pipeline::from_stream("count", futures::stream::iter(0..10u32)).sink("nap", async |_| {
    ///         time::sleep(Duration::from_secs(1)).await;
    ///         Ok::<_, Infallible>(())
    ///     });
    ///     let watch = naps.watch();
    ///     let run = naps.run();
    ///     let look = async {
    ///         time::sleep(Duration::from_millis(4500)).await;
    ///         assert_eq!(watch.stats().stages[1].given, 4);
    ///     };
    ///     futures::future::join(run, look).await.0.expect("nothing fails");
    /// });
    /// ```
    pub fn watch(&self) -> Watch {
        let board = self.wiring.board.clone();
        Watch { board }
    }

    /// When this token is cancelled, the source ends, and what is under way goes through to the sink. To drop all of it instead, run
    /// the pipeline [under the token](CancelToken::run).
    pub fn drain_on(self, token: &CancelToken) -> Self {
        *self.wiring.drain.on.lock() = Some(token.clone());
        self
    }

    /// Runs until the source has ended and the sink is done with everything, or a stage stops it all. When it returns, every stage is dropped.
    ///
    /// # Errors
    ///
    /// [`RunError`], when a stage whose policy is [`OnError::Stop`] failed, or when the runtime stopped.
    ///
    /// # Panics
    ///
    /// With the panic of a stage, and its name, after all have been joined.
    ///
    /// # Cancel safety
    ///
    /// As [`task_group`](crate::task::task_group): when a scope around it is cancelled, the stages are cancelled and joined, cleanup included. Dropped from
    /// outside, the stages are dropped at their next poll. What is under way is dropped, each item in the stage it had come to: what the sink has
    /// done stays done.
    pub async fn run(self) -> Result<Report<E>, RunError<E>> {
        let Wiring {
            board,
            keep,
            drain,
            planned,
        } = self.wiring;
        board.start();
        let stopping = Stopping(&board);
        let ended = task_group(async move |group| {
            for stage in planned {
                drop(group.named(stage.name).spawn(stage.task));
            }
            Ok(())
        })
        .await;
        drop(stopping);
        let mut kept = keep.lock();
        let report = Report {
            stats: board.stats(),
            errors: std::mem::take(&mut kept.errors),
            missed: kept.missed,
            drained: drain.why.get().cloned(),
        };
        drop(kept);
        match ended {
            Ok(()) => Ok(report),
            Err(errors) => Err(RunError { errors, report }),
        }
    }
}

/// Stops the clock of the statistics, also when the run is dropped.
struct Stopping<'a>(&'a Board);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
