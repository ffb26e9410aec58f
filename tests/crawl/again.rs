//! A crawl that was interrupted ends as one that was not.

use super::crawl::{Plan, Stopped};
use super::ground::{MS, now};
use super::site::{Faults, Tree};
use super::world::{Dump, Place, crawl, dump, hosts, plan, whole};
use futures_lite::future::or;
use regatta::cancel::{CancelToken, Reason};
use regatta::rate_limit::Quota;
use regatta::{testing, time};
use std::time::Duration;

fn book() -> Tree {
    Tree::generated(4, 5)
}

fn slowly() -> Plan {
    let mut plan = plan();
    plan.jobs = 7;
    plan.manners.rate = Quota::per_second(200).burst(1);
    plan
}

async fn at_one_go() -> Dump {
    whole(&hosts(book(), Faults::every()), slowly()).await.1
}

/// Dropped at every moment, in the middle of whatever it does, and begun again with servers that start anew, as a process that is killed and started.
async fn dropped_anywhere_it_goes_on_and_ends_the_same() {
    let mut plan = slowly();
    // Shorter than a slow page takes: four attempts fit into a short life.
    plan.manners.page_deadline = 100 * MS;
    let (_, expected) = whole(&hosts(book(), Faults::every()), plan).await;
    let mut most_runs = 0;
    for step in [5_u32, 333] {
        let place = Place::new();
        let mut runs = 0;
        let stop = CancelToken::new();
        loop {
            runs += 1;
            assert!(runs < 2000, "it never gets any further");
            // Longer each time: a page that takes four attempts must have the time for them.
            let life = MS * (step + 80 * runs);
            let network = hosts(book(), Faults::every());
            let ended = or(
                async { Some(crawl(&network, &place.path, plan, &stop).await) },
                async {
                    time::sleep(life).await;
                    None
                },
            );
            if let Some((ended, resumed)) = ended.await {
                assert_eq!((ended.stopped, resumed), (None, runs > 1));
                break;
            }
            // What a thread is about to write is written, and the database closed.
            testing::settle().await;
        }
        assert_eq!(dump(&place.path), expected, "killed after {step} ms");
        most_runs = most_runs.max(runs);
    }
    assert!(most_runs > 10, "{most_runs}");
}

async fn stopped_it_says_so_and_goes_on_later() {
    let (_, expected) = whole(&hosts(book(), Faults::None), slowly()).await;
    let place = Place::new();
    let mut visited = 0;
    let mut runs = 0;
    loop {
        runs += 1;
        let network = hosts(book(), Faults::None);
        let stop = CancelToken::new();
        let begun = now();
        let ended = {
            let stop_it = async {
                time::sleep(Duration::from_millis(40 * runs)).await;
                stop.cancel_with("enough");
                std::future::pending().await
            };
            or(crawl(&network, &place.path, slowly(), &stop), stop_it)
                .await
                .0
        };
        visited += ended.visited;
        assert_eq!(ended.findings.visited, visited);
        let Some(stopped) = ended.stopped else { break };
        assert_eq!(stopped, Stopped::Signal(Reason::from("enough")));
        assert!(ended.findings.waiting > 0);
        if testing::in_simulation() {
            // At once, but for what threads were doing.
            assert!(now() - begun < Duration::from_millis(40 * runs + 50));
        }
    }
    assert!(runs > 1);
    assert_eq!(dump(&place.path), expected);
}

async fn stopped_before_it_begins_it_asks_nobody() {
    let place = Place::new();
    let stop = CancelToken::new();
    stop.cancel();
    // Nobody is there: a request would be a failure.
    let network = regatta::runtime::net::memory::Network::new();
    let (ended, _) = crawl(&network, &place.path, slowly(), &stop).await;
    assert_eq!((ended.visited, ended.findings.waiting), (0, 1));
    assert!(ended.figures.troubles.is_empty());
    assert_eq!(ended.stopped, Some(Stopped::Signal(Reason::Requested)));
}

/// A larger limit goes on where the smaller one ended.
async fn limits_add_up() {
    let expected = at_one_go().await;
    let place = Place::new();
    for limit in [1, 2, 30, 31, u64::MAX] {
        let network = hosts(book(), Faults::every());
        let plan = Plan { limit, ..slowly() };
        let (ended, resumed) = crawl(&network, &place.path, plan, &CancelToken::new()).await;
        assert_eq!(resumed, limit > 1);
        if limit < u64::MAX {
            assert_eq!(ended.findings.visited, limit);
            assert_eq!(ended.stopped, Some(Stopped::Limit));
        }
    }
    assert_eq!(dump(&place.path), expected);
}

regatta::matrix! {
    dropped_anywhere_it_goes_on_and_ends_the_same [sim];
    stopped_it_says_so_and_goes_on_later;
    stopped_before_it_begins_it_asks_nobody;
    limits_add_up [sim];
}
