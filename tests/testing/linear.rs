//! Histories of concurrent calls.

use crate::support::{MS, sleep, spawn};
use regatta::testing::{self, History, Spec, linearizable};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Fifo(VecDeque<u32>);

#[derive(Clone, Debug)]
enum Op {
    Push(u32),
    Pop,
}

impl Spec for Fifo {
    type Op = Op;
    type Ret = Option<u32>;

    fn step(&mut self, op: &Op) -> Option<Option<u32>> {
        match op {
            Op::Push(x) => {
                self.0.push_back(*x);
                Some(None)
            }
            Op::Pop => self.0.pop_front().map(Some),
        }
    }
}

type Calls = History<Op, Option<u32>>;

#[test]
fn a_channel_is_a_fifo_even_when_receives_are_dropped() {
    let report = testing::check(300, async || {
        let (tx, rx) = async_channel::bounded(2);
        let calls = Calls::new();
        let mut tasks = vec![];
        for p in 0..3 {
            let (calls, tx) = (calls.clone(), tx.clone());
            tasks.push(spawn(async move {
                for x in p * 10..p * 10 + 3 {
                    let send = async { tx.send(x).await.map(|()| None).unwrap() };
                    calls.record(Op::Push(x), send).await;
                }
            }));
        }
        for _ in 0..3 {
            let (calls, rx) = (calls.clone(), rx.clone());
            tasks.push(spawn(async move {
                for i in 0..3 {
                    let receive = calls.record(Op::Pop, async { rx.recv().await.ok() });
                    if i == 1 {
                        let late = async {
                            sleep(MS).await;
                            None
                        };
                        futures_lite::future::or(receive, late).await;
                    } else {
                        receive.await;
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(linearizable(Fifo::default(), &calls), "{calls:?}");
    });
    assert!(report.distinct > 100, "{report}");
}

#[test]
fn a_stack_is_no_fifo() {
    let report = testing::explore(0..1000, async || {
        let (calls, stack) = (Calls::new(), Arc::new(Mutex::new(vec![])));
        let (pushes, shared) = (calls.clone(), stack.clone());
        let pushing = spawn(async move {
            for x in 0..3 {
                let push = async {
                    shared.lock().unwrap().push(x);
                    None
                };
                pushes.record(Op::Push(x), push).await;
                testing::yield_now().await;
            }
        });
        for _ in 0..3 {
            let pop = async {
                loop {
                    let top = stack.lock().unwrap().pop();
                    if top.is_some() {
                        break top;
                    }
                    testing::yield_now().await;
                }
            };
            calls.record(Op::Pop, pop).await;
        }
        pushing.await.unwrap();
        assert!(linearizable(Fifo::default(), &calls), "no fifo: {calls:?}");
    });
    let found = report.failure.expect("two pushes before a pop");
    assert!(found.to_string().contains("no fifo"));
}
