//! Asks for one address, under a policy: retries, politeness and a circuit breaker for each host, a limit in time for each request.

use crate::ask::{Answer, Problem, ask};
use crate::facts::Trouble;
use regatta::circuit_breaker::{self, CircuitBreaker, Event, State};
use regatta::integrations::http::{HttpClient, Method};
use regatta::policy::{Advice, Cause, Layer, Policy, Stats};
use regatta::rate_limit::{self, Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::{Runtime, time};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

const MS: Duration = Duration::from_millis(1);

/// How often a request is made until the page is given up, and in how much time at least: a host that is away for a moment costs no page.
const ATTEMPTS: u32 = 4;
const PATIENCE: Duration = Duration::from_millis(200 + 400 + 800);
const RETRIES: Backoff = Backoff::exponential(Duration::from_millis(200)).max_attempts(ATTEMPTS);
/// The longest wait for a host whose breaker is open, and for one that says when to come back.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// Hosts at once: those that are crawled, which are few.
const MOST_HOSTS: usize = 64;
/// How one may ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// Requests per second, for each host.
    pub(crate) rate: Quota,
    /// Time for one request.
    pub(crate) page_deadline: Duration,
}

/// An answer, or why there is none.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) answer: Result<Answer, Trouble>,
    pub(crate) requests: u32,
    /// How long the last request took.
    pub(crate) took: Duration,
}

/// What went wrong so far, for the report.
#[derive(Debug, Default)]
struct Log {
    troubles: BTreeMap<Trouble, u64>,
    trips: BTreeMap<String, u64>,
}

type Shared<T> = Arc<Mutex<T>>;

/// What has happened since the fetcher was made.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Requests that failed, by how.
    pub(crate) troubles: BTreeMap<Trouble, u64>,
    /// How often the breaker of a host opened.
    pub(crate) trips: BTreeMap<String, u64>,
    pub(crate) stats: Option<Stats>,
}

/// Asks; a clone is the same.
#[derive(Clone)]
pub(crate) struct Fetcher {
    client: HttpClient,
    policy: Policy,
    page_deadline: Duration,
    limiters: rate_limit::Keyed<String>,
    breakers: circuit_breaker::Keyed<String>,
    log: Shared<Log>,
}

impl Fetcher {
    /// `client` is made from [`ask::client`](crate::ask::client).
    pub(crate) fn new(client: HttpClient, manners: Manners) -> Self {
        let log = Shared::<Log>::default();
        let trips = log.clone();
        let breakers = circuit_breaker::Keyed::with(MOST_HOSTS, move |host: &String| {
            let (host, trips) = (host.clone(), trips.clone());
            CircuitBreaker::builder()
                .consecutive_failures(12)
                .open_for(250 * MS)
                .observer(move |event| {
                    if let Event::Changed {
                        to: State::Open, ..
                    } = event
                    {
                        *lock(&trips).trips.entry(host.clone()).or_default() += 1;
                    }
                })
        });
        Fetcher {
            client,
            policy: Policy::new()
                .retry(RETRIES)
                .attempt_timeout(manners.page_deadline)
                .measured(),
            page_deadline: manners.page_deadline,
            limiters: rate_limit::Keyed::new(MOST_HOSTS, RateLimiter::builder(manners.rate)),
            breakers,
            log,
        }
    }

    /// Asks until there is an answer, or asking again makes no sense: after four requests that failed, none of them within the time that four take.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the request is given up.
    pub(crate) async fn fetch(&self, method: Method, url: &Url) -> Fetched {
        let runtime = Runtime::current();
        let begun = runtime.now();
        let tried = Mutex::new(Tried::default());
        let attempt = || async {
            let start = runtime.now();
            lock(&tried).begin();
            let asked = ask(&self.client, method.clone(), url).await;
            lock(&tried).end(&asked, runtime.now() - start);
            asked.inspect_err(|problem| self.count(problem.trouble))
        };
        let host = url.authority().to_owned();
        let mut answer = Err(Trouble::HostDown);
        // More hosts than are ever crawled would be an error of this program.
        if let (Ok(limiter), Ok(breaker)) = (self.limiters.get(&host), self.breakers.get(&host)) {
            let policy = self
                .policy
                .clone()
                .rate_limit(limiter)
                .circuit_breaker(breaker);
            answer = loop {
                let failure = match policy.run_when(&attempt, advice).await {
                    Ok(answer) => break Ok(answer),
                    Err(failure) => failure,
                };
                let so_far = *lock(&tried);
                let Cause::Refused { retry_after, .. } = failure.cause else {
                    break Err(so_far.trouble);
                };
                // The page is not to blame for its host: it waits, and nobody is asked meanwhile.
                let waited = runtime.now() - begun;
                if waited >= MOST_PATIENCE || so_far.requests >= ATTEMPTS && waited >= PATIENCE {
                    break Err(so_far.trouble);
                }
                time::sleep(retry_after.unwrap_or_default().max(10 * MS)).await;
            };
        }
        let Tried { requests, took, .. } = *lock(&tried);
        Fetched {
            answer,
            requests,
            took: took.unwrap_or(self.page_deadline),
        }
    }

    fn count(&self, trouble: Trouble) {
        *lock(&self.log).troubles.entry(trouble).or_default() += 1;
    }

    pub(crate) fn figures(&self) -> Figures {
        let log = lock(&self.log);
        let mut troubles = log.troubles.clone();
        let stats = self.policy.stats();
        // Their requests were dropped, and could not be counted where they ended.
        let late = stats
            .as_ref()
            .map(|s| s.timed_out.of(Layer::AttemptTimeout));
        if let Some(late @ 1..) = late {
            *troubles.entry(Trouble::TooSlow).or_default() += late;
        }
        Figures {
            troubles,
            trips: log.trips.clone(),
            stats,
        }
    }
}

/// Nothing under these locks panics half way.
fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The requests for a page so far.
#[derive(Clone, Copy, Debug)]
struct Tried {
    requests: u32,
    /// What was wrong with the last one.
    trouble: Trouble,
    /// How long it took; `None`: it did not end by itself.
    took: Option<Duration>,
}

impl Default for Tried {
    fn default() -> Self {
        Tried {
            requests: 0,
            trouble: Trouble::HostDown,
            took: Some(Duration::ZERO),
        }
    }
}

impl Tried {
    fn begin(&mut self) {
        self.requests += 1;
        // Unless it ends: the policy drops it when its time is over.
        (self.trouble, self.took) = (Trouble::TooSlow, None);
    }

    fn end<T>(&mut self, asked: &Result<T, Problem>, took: Duration) {
        self.took = Some(took);
        if let Err(problem) = asked {
            self.trouble = problem.trouble;
        }
    }
}

/// What a failure calls for.
fn advice(problem: &Problem) -> Advice {
    match (problem.trouble, problem.retry_after) {
        (Trouble::TooLarge | Trouble::Unreadable, _) => Advice::Answer,
        (_, Some(wait)) => Advice::RetryAfter(wait.min(MOST_PATIENCE)),
        (_, None) => Advice::Retry,
    }
}
