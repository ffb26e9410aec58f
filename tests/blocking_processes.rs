//! Worker processes that crash, hang, lie, or are killed: an error of one call, and never more.
//!
//! The workers are this test binary, started again: the test `worker` is their `main`.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use regatta::blocking::{
    ProcessError, ProcessFunction, ProcessPool, ProcessPoolBuilder, process_entry,
};
use regatta::task::gather;
use regatta::{matrix, time};
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(20);

const FUNCTIONS: &[(&str, ProcessFunction)] = &[
    ("echo", |input| Ok(input.to_vec())),
    ("pid", |_| Ok(std::process::id().to_string().into_bytes())),
    ("fail", |_| Err("no such thing".into())),
    ("panic", |_| panic!("boom")),
    ("abort", |_| std::process::abort()),
    ("exit", |_| std::process::exit(7)),
    ("hang", |input| {
        // Says who it is first, for those who want to kill it.
        std::fs::write(
            std::str::from_utf8(input).unwrap(),
            std::process::id().to_string(),
        )
        .unwrap();
        loop {
            std::thread::park();
        }
    }),
    ("garbage", |_| {
        let mut link = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
        link.write_all(b"Hello, I am no frame at all, sorry!")
            .unwrap();
        Ok(vec![])
    }),
    ("big", |_| Ok(vec![1; 3 << 20])),
    ("print", |_| {
        for _ in 0..2000 {
            println!("{}", "to standard output ".repeat(8));
            eprintln!("{}", "to standard error ".repeat(8));
        }
        Ok(b"printed".to_vec())
    }),
];

/// The `main` of the workers; nothing in a normal run.
#[test]
fn worker() {
    process_entry(FUNCTIONS);
}

fn builder() -> ProcessPoolBuilder {
    process_entry(FUNCTIONS);
    ProcessPool::builder()
        .max_workers(1)
        .args(["worker", "--exact", "--nocapture"])
        .output(|_, _| {})
}

fn pool() -> ProcessPool {
    builder().build().unwrap()
}

async fn pid(pool: &ProcessPool) -> u32 {
    let pid = pool.call("pid", []).await.unwrap();
    String::from_utf8(pid).unwrap().parse().unwrap()
}

/// Whether there is a process, or a zombie, of this number.
fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// The pool is as good as new, with another process than before.
async fn replaced(pool: &ProcessPool, before: u32) {
    assert_eq!(
        pool.call("echo", *b"still here").await.unwrap(),
        b"still here"
    );
    assert_ne!(pid(pool).await, before);
    assert!(!exists(before), "{before} was not reaped");
}

async fn a_call_gives_bytes_back() {
    let pool = pool();
    for size in [0, 1, 1000, 5 << 20] {
        let input: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
        assert_eq!(pool.call("echo", input.clone()).await.unwrap(), input);
    }
    assert_eq!(pool.stats().started, 1, "one process for all of them");
}

async fn errors_and_panics_leave_the_process_alone() {
    let pool = pool();
    let before = pid(&pool).await;
    let failed = pool.call("fail", []).await;
    assert!(matches!(&failed, Err(ProcessError::Failed(why)) if why == "no such thing"));
    let panicked = pool.call("panic", []).await;
    assert!(matches!(&panicked, Err(ProcessError::Panicked(why)) if why == "boom"));
    let unknown = pool.call("no such function", []).await;
    assert!(matches!(&unknown, Err(ProcessError::Unknown(name)) if name == "no such function"));
    assert_eq!(pid(&pool).await, before);
}

/// P21: a crashing worker is contained.
async fn a_crash_is_an_error_of_its_call() {
    let pool = pool();
    for (name, status) in [("abort", "signal: 6"), ("exit", "exit status: 7")] {
        let before = pid(&pool).await;
        match pool.call(name, []).await {
            Err(ProcessError::Died(why)) => assert!(why.contains(status), "{why}"),
            other => panic!("{other:?}"),
        }
        replaced(&pool, before).await;
    }
}

async fn garbage_is_an_error_of_its_call() {
    let pool = pool();
    let before = pid(&pool).await;
    let lied = pool.call("garbage", []).await;
    assert!(matches!(lied, Err(ProcessError::Garbage(_))), "{lied:?}");
    replaced(&pool, before).await;
}

async fn what_is_too_large_is_refused() {
    let pool = builder().max_bytes(1 << 20).build().unwrap();
    let before = pid(&pool).await;
    let sent = pool.call("echo", vec![0; (1 << 20) + 1]).await;
    assert!(matches!(
        sent,
        Err(ProcessError::TooLarge {
            size: 1_048_577,
            limit: 1_048_576
        })
    ));
    assert_eq!(pid(&pool).await, before, "it never left this process");
    let came = pool.call("big", []).await;
    assert!(
        matches!(came, Err(ProcessError::TooLarge { .. })),
        "{came:?}"
    );
    replaced(&pool, before).await;
}

async fn a_call_that_never_answers_is_killed() {
    let pool = builder().call_limit(MS * 300).build().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let late = pool.call("hang", path).await;
    assert!(
        matches!(late, Err(ProcessError::TimedOut(limit)) if limit == MS * 300),
        "{late:?}"
    );
    let hung = std::fs::read_to_string(path).unwrap().parse().unwrap();
    replaced(&pool, hung).await;
}

/// Waits until the function has said who it is.
async fn hanging(path: &std::path::Path) -> u32 {
    loop {
        if let Ok(pid) = std::fs::read_to_string(path).unwrap().parse() {
            return pid;
        }
        time::sleep(MS).await;
    }
}

async fn a_killed_process_is_an_error_of_its_call() {
    let pool = pool();
    let file = tempfile::NamedTempFile::new().unwrap();
    let killer = async {
        let pid = hanging(file.path()).await;
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
        pid
    };
    let call = pool.call("hang", file.path().to_str().unwrap());
    let (ended, pid) = futures_lite::future::zip(call, killer).await;
    match ended {
        Err(ProcessError::Died(why)) => assert!(why.contains("signal: 9"), "{why}"),
        other => panic!("{other:?}"),
    }
    replaced(&pool, pid).await;
}

async fn a_cancelled_call_kills_its_process() {
    let pool = pool();
    let file = tempfile::NamedTempFile::new().unwrap();
    let call = pool.call("hang", file.path().to_str().unwrap());
    let pid = futures_lite::future::or(
        async {
            call.await.unwrap();
            0
        },
        hanging(file.path()),
    )
    .await;
    replaced(&pool, pid).await;
}

async fn a_call_that_is_cancelled_in_the_queue_never_runs() {
    let pool = pool();
    let (held, never) = (
        tempfile::NamedTempFile::new().unwrap(),
        tempfile::NamedTempFile::new().unwrap(),
    );
    let call = pool.call("hang", held.path().to_str().unwrap());
    let second = async {
        let pid = hanging(held.path()).await;
        let late = time::timeout(MS * 5, pool.call("hang", never.path().to_str().unwrap()));
        assert!(late.await.is_err());
        pid
    };
    let pid = futures_lite::future::or(
        async {
            call.await.unwrap();
            0
        },
        second,
    )
    .await;
    replaced(&pool, pid).await;
    assert_eq!(std::fs::read_to_string(never.path()).unwrap(), "");
}

async fn printing_blocks_and_corrupts_nothing() {
    let seen = Arc::new(Mutex::new(0));
    let counter = seen.clone();
    let pool = builder()
        .output(move |_, bytes| *counter.lock().unwrap() += bytes.len())
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(pool.call("print", []).await.unwrap(), b"printed");
    }
    pool.shutdown(LONG).await;
    // The last of it may still be on its way through the pipe.
    while *seen.lock().unwrap() < 3 * 2000 * (19 * 8 + 18 * 8) {
        time::sleep(MS).await;
    }
}

async fn processes_are_recycled() {
    let pool = builder().recycle_after(3).build().unwrap();
    let mut pids = Vec::new();
    for _ in 0..9 {
        pids.push(pid(&pool).await);
    }
    pids.dedup();
    assert_eq!(pids.len(), 3);
    assert!(!exists(pids[0]) && !exists(pids[1]));
}

async fn calls_go_to_several_processes() {
    let pool = builder().max_workers(3).build().unwrap();
    let calls = (0..60u8).map(|n| {
        let pool = pool.clone();
        async move { pool.call("echo", [n]).await.map(|v| v[0]) }
    });
    let echoed = gather(calls).await.unwrap();
    assert_eq!(echoed, (0..60).collect::<Vec<_>>());
    assert!(pool.stats().started <= 3);
}

async fn a_shutdown_kills_what_will_not_end() {
    let pool = pool();
    let file = tempfile::NamedTempFile::new().unwrap();
    let call = pool.call("hang", file.path().to_str().unwrap());
    let stop = async {
        let pid = hanging(file.path()).await;
        let report = pool.shutdown(MS * 50).await;
        // The kill is sure; that it is over within the second grace is not, on a busy machine.
        while pool.stats().busy > 0 {
            time::sleep(MS).await;
        }
        (pid, report.dropped)
    };
    let (ended, (pid, _)) = futures_lite::future::zip(call, stop).await;
    assert!(matches!(ended, Err(ProcessError::Cancelled)), "{ended:?}");
    pool.shutdown(LONG).await;
    assert!(!exists(pid));
    let closed = pool.call("echo", []).await;
    assert!(matches!(closed, Err(ProcessError::Closed)), "{closed:?}");
}

async fn dropping_the_pool_ends_its_processes() {
    let pool = pool();
    let worker = pid(&pool).await;
    drop(pool);
    // The thread that served it may still hold it for a moment.
    while exists(worker) {
        time::sleep(MS).await;
    }
}

/// A worker that never reports: this test binary without the filter that makes it one would run all tests, so one that lists them stands for it.
async fn a_program_without_an_entry_is_noticed() {
    let pool = builder().args(["--list"]).build().unwrap();
    match pool.call("echo", []).await {
        Err(ProcessError::Start(e)) => assert!(e.to_string().contains("died"), "{e}"),
        other => panic!("{other:?}"),
    }
}

matrix! {
    a_call_gives_bytes_back [tokio_current, tokio_multi, smol];
    errors_and_panics_leave_the_process_alone [tokio_current, tokio_multi, smol];
    a_crash_is_an_error_of_its_call [tokio_current, tokio_multi, smol];
    garbage_is_an_error_of_its_call [tokio_current, tokio_multi, smol];
    what_is_too_large_is_refused [tokio_current, tokio_multi, smol];
    a_call_that_never_answers_is_killed [tokio_current, tokio_multi, smol];
    a_killed_process_is_an_error_of_its_call [tokio_current, tokio_multi, smol];
    a_cancelled_call_kills_its_process [tokio_current, tokio_multi, smol];
    a_call_that_is_cancelled_in_the_queue_never_runs [tokio_current, tokio_multi, smol];
    printing_blocks_and_corrupts_nothing [tokio_current, tokio_multi, smol];
    processes_are_recycled [tokio_current, tokio_multi, smol];
    calls_go_to_several_processes [tokio_current, tokio_multi, smol];
    a_shutdown_kills_what_will_not_end [tokio_current, tokio_multi, smol];
    dropping_the_pool_ends_its_processes [tokio_current, tokio_multi, smol];
    a_program_without_an_entry_is_noticed [tokio_current, tokio_multi, smol];
}

#[test]
fn without_a_runtime_processes_work_too() {
    use regatta::runtime::{Flavor, run_on};
    run_on(Flavor::Neutral, async {
        a_call_gives_bytes_back().await;
        a_crash_is_an_error_of_its_call().await;
        a_cancelled_call_kills_its_process().await;
    });
}

#[test]
fn two_functions_of_one_name_are_refused() {
    let twice = std::panic::catch_unwind(|| process_entry(&[FUNCTIONS[0], FUNCTIONS[0]]));
    let why = twice.unwrap_err().downcast::<String>().unwrap();
    assert!(why.contains("two functions are called `echo`"), "{why}");
}
