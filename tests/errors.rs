//! Errors of every pattern tell their causes once: in their own text or as their source, never both. So the chain
//! that loggers print shows no text twice.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use regatta::blocking::ProcessError;
use regatta::policy::Policy;
use regatta::retry::{Backoff, retry};
use regatta::{bulkhead, circuit_breaker, load_shed, pool, testing, workers};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// An error as they should be: a text of its own, and a cause of which it says nothing.
#[derive(Clone, Debug, PartialEq)]
struct Trouble(&'static str, Option<Box<Trouble>>);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Trouble {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

const TEXTS: [&str; 3] = [
    "the page is missing",
    "the disk is broken",
    "a mouse was here",
];

fn trouble() -> Trouble {
    let [top, middle, bottom] = TEXTS;
    let bottom = Trouble(bottom, None);
    let middle = Trouble(middle, Some(Box::new(bottom)));
    Trouble(top, Some(Box::new(middle)))
}

fn chain(error: &dyn Error) -> Vec<String> {
    let mut links = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        links.push(error.to_string());
        next = error.source();
    }
    links
}

/// Every type of ours that has a source, by the folder and the name, with an error of it that came of a [`trouble`].
fn with_sources() -> Vec<(&'static str, &'static str, Box<dyn Error>)> {
    let call = || async { Err::<(), _>(trouble()) };
    let once = Backoff::constant(Duration::ZERO).max_attempts(2);
    let retried = testing::run(async || retry(&once, call).await.unwrap_err());
    let policy = Policy::new().retry(once.clone());
    let failed = testing::run(async || policy.run(call).await.unwrap_err());
    let io = || io::Error::other(trouble());
    vec![
        ("patterns/retry", "RetryError", Box::new(retried)),
        ("patterns/policy", "Failure", Box::new(failed)),
        (
            "patterns/bulkhead",
            "CallError",
            Box::new(bulkhead::CallError::Failed(trouble())),
        ),
        (
            "patterns/circuit_breaker",
            "CallError",
            Box::new(circuit_breaker::CallError::Failed(trouble())),
        ),
        (
            "patterns/load_shed",
            "CallError",
            Box::new(load_shed::CallError::Failed(trouble())),
        ),
        (
            "patterns/pool",
            "ConnectError",
            Box::new(pool::ConnectError::Failed(trouble())),
        ),
        (
            "patterns/pool",
            "GetError",
            Box::new(pool::GetError::Connect(pool::ConnectError::Failed(
                trouble(),
            ))),
        ),
        (
            "patterns/pool",
            "CheckError",
            Box::new(pool::CheckError::Failed(trouble())),
        ),
        (
            "patterns/workers",
            "JobError",
            Box::new(workers::JobError::Failed(trouble())),
        ),
        (
            "patterns/blocking",
            "ProcessError",
            Box::new(ProcessError::Start(io())),
        ),
        (
            "patterns/blocking",
            "ProcessError",
            Box::new(ProcessError::Io(io())),
        ),
    ]
}

/// Those whose causes only they can make: see the test with feature `http`; the other's text says nothing of its cause.
const ELSEWHERE: [(&str, &str); 2] = [
    ("integrations/http", "HttpError"),
    ("runtime/signal.rs", "SignalError"),
];

#[test]
fn each_text_of_a_chain_is_told_once() {
    for (folder, name, error) in with_sources() {
        let joined = chain(&*error).join(": ");
        for text in TEXTS {
            let times = joined.matches(text).count();
            assert_eq!(times, 1, "{folder}, {name}: {joined}");
        }
    }
}

#[test]
fn one_that_holds_an_error_of_ours_tells_it_once() {
    let inner = pool::ConnectError::Failed(trouble());
    let inner = testing::run(async || {
        let call = || async { Err::<(), _>(inner.clone()) };
        retry(Backoff::constant(Duration::ZERO).max_attempts(2), call)
            .await
            .unwrap_err()
    });
    let outer = circuit_breaker::CallError::Failed(workers::JobError::Failed(inner));
    assert_eq!(
        chain(&outer).join(": "),
        "the job failed: 2 attempts failed: cannot connect: the page is missing: the disk is broken: a mouse was here"
    );
}

/// Whoever gives another error a source adds it to the list above.
#[test]
fn the_list_is_complete() {
    let mut found = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    look_through(&source, &source, &mut found);
    let listed = with_sources();
    let mut listed: BTreeSet<_> = listed
        .iter()
        .map(|(folder, name, _)| (*folder, *name))
        .collect();
    listed.extend(ELSEWHERE);
    let listed: BTreeSet<_> = listed
        .into_iter()
        .map(|(folder, name)| (folder.to_owned(), name.to_owned()))
        .collect();
    assert_eq!(found, listed);
}

/// The implementations of `Error` with a `source`, outside of tests.
fn look_through(root: &Path, folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(root, &path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let below = path.strip_prefix(root).unwrap().to_str().unwrap();
        let place: Vec<_> = below.split(['/', '\\']).take(2).collect();
        for part in text.split("\nimpl").skip(1) {
            let Some((head, rest)) = part.split_once('{') else {
                continue;
            };
            let body = rest.split("\n}").next().unwrap_or_default();
            let Some((_, name)) = head.split_once("Error for ") else {
                continue;
            };
            if body.contains("fn source(") {
                let name = name.split(['<', ' ']).next().unwrap_or_default();
                found.insert((place.join("/"), name.to_owned()));
            }
        }
    }
}

#[cfg(feature = "http")]
mod http {
    use super::chain;
    use regatta::integrations::http::HttpClient;

    /// Whatever the cause, its text is told once.
    async fn a_request_that_fails_tells_why_once() {
        let client = HttpClient::builder().build().unwrap();
        let failed = [
            client.get("no address").send().await,
            client.get("http://127.0.0.1:1/").send().await,
            client.get("https://127.0.0.1:1/").send().await,
            client
                .get("http://a.b/")
                .header("new\nline", "x")
                .send()
                .await,
            client
                .get("http://a.b/")
                .header("x", "new\nline")
                .send()
                .await,
        ];
        for error in failed.into_iter().map(Result::unwrap_err) {
            let links = chain(&error);
            for (n, link) in links.iter().enumerate() {
                let told = links[..n].iter().any(|before| before.contains(link));
                assert!(!told, "{links:?}");
            }
        }
    }

    regatta::matrix! {
        a_request_that_fails_tells_why_once;
    }
}
