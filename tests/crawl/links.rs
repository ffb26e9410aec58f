//! What is broken, what is there, and what is not asked.

use super::crawl::Stopped;
use super::facts::Trouble;
use super::ground::{MS, spawn};
use super::site::{FLAPPING, Faults, SITE, Tree};
use super::world::{hosts, plan, report, told, tree, whole};
use regatta::rate_limit::Quota;
use regatta::runtime::net::memory::Network;
use regatta::testing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const PAGES: &[(&str, &str)] = &[
    (
        "index.html",
        "<title>First</title><a href=two.html>2</a><a href='/deep/'>deep</a><img src=there.png><img src=gone.png>
         <!-- <a href=comment.html> --><script>'<a href=script.html>'</script>",
    ),
    (
        "two.html",
        "<a href=/>back</a><a href=three.html#part>3</a><a href=deep>no slash</a><a href=nowhere.html>",
    ),
    (
        "deep/index.html",
        "<base href=/other/><a href=nowhere.html>gone</a><a href=../two.html>2</a>",
    ),
    (
        "three.html",
        "<a href=nowhere.html><a href='mailto:a@b.example'><a href='javascript:x()'><a href=''>me</a>",
    ),
    ("there.png", "a picture"),
];

async fn the_planted_broken_links_are_found_and_no_others() {
    let network = hosts(tree(PAGES), Faults::None);
    let (ended, _) = whole(&network, plan()).await;
    let at = |path: &str| format!("http://{SITE}/{path}");
    let [root, two, three, deep] = ["", "two.html", "three.html", "deep/"].map(at);
    assert_eq!(
        told(&ended.findings.broken),
        [
            (at("gone.png").as_str(), "404", vec![root.as_str()]),
            (&at("nowhere.html"), "404", vec![&three, &two]),
            (&at("other/nowhere.html"), "404", vec![&deep]),
        ]
    );
    let found = &ended.findings;
    assert_eq!((found.pages, found.files, found.redirects), (4, 1, 1));
    assert_eq!((found.visited, found.waiting, ended.visited), (9, 0, 9));
    assert_eq!(ended.stopped, None);
}

/// The faults that are there for good, and those who link to them.
fn planted() -> Vec<(String, &'static str)> {
    let planted = [
        ("always-500.html", "500"),
        ("always-cut.html", "cut short"),
        ("always-reset.html", "broken off"),
        ("gone.html", "410"),
        ("loop-a.html", "redirects without end"),
        ("missing.html", "404"),
        ("moved-nowhere.html", "redirect to 404"),
        ("silent.html", "too slow"),
    ];
    let url = |name| format!("http://{SITE}/_faults/{name}");
    planted.map(|(name, why)| (url(name), why)).into()
}

async fn every_kind_of_fault_is_survived_and_told() {
    let network = hosts(Tree::generated(4, 5), Faults::every());
    let (ended, dump) = whole(&network, plan()).await;
    let faults = format!("http://{SITE}/_faults/");
    let planted = planted();
    let planted: Vec<_> = planted
        .iter()
        .map(|(url, why)| (url.as_str(), *why, vec![faults.as_str()]))
        .collect();
    assert_eq!(told(&ended.findings.broken), planted);
    // What passes costs no page: first page, chapters, sections; the faults' own; those of the host that is away now and then.
    let own = [
        "",
        "busy",
        "once-500",
        "once-cut",
        "once-reset",
        "once-silent",
        "slow",
        "there",
    ];
    assert_eq!(dump.with("page"), 1 + 4 + 20 + own.len() + 25);
    let troubles = &ended.figures.troubles;
    for trouble in [
        Trouble::Busy(500),
        Trouble::Busy(503),
        Trouble::BrokenOff,
        Trouble::CutShort,
        Trouble::TooSlow,
    ] {
        assert!(troubles.contains_key(&trouble), "{trouble}: {troubles:?}");
    }
    let stats = ended.figures.stats.as_ref().unwrap();
    // Three times each: an error, a reset, a page cut short, silence; once: an error, a reset, a page cut short, silence, a 503.
    assert!(stats.retries >= 4 * 3 + 5, "{}", stats.retries);
    let slowest = &ended.findings.slowest;
    assert_eq!(slowest[0], (format!("{faults}silent.html"), 1000.0));
    if testing::in_simulation() {
        // One that passes, four for the one that does not.
        assert_eq!(troubles[&Trouble::TooSlow], 5, "{troubles:?}");
        assert_eq!(slowest[1], (format!("{faults}slow.html"), 200.0));
    }
    let said = report(&ended);
    for part in [
        "broken: 8 addresses, 8 links to them",
        "redirects without end: http://site.test/_faults/loop-a.html",
        "linked from http://site.test/_faults/",
        " too slow",
        "breaker trips: ",
        "requests/s",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

async fn the_breaker_of_a_flapping_host_trips_and_recovers() {
    let network = hosts(tree(&[("index.html", "")]), Faults::every());
    let (ended, dump) = whole(&network, plan()).await;
    let trips = &ended.figures.trips;
    assert!(trips[FLAPPING] >= 1, "{trips:?}");
    let of_it = |url: &&String| url.starts_with(&format!("http://{FLAPPING}/"));
    assert_eq!(dump.pages.keys().filter(of_it).count(), 25);
    let broken = |b: &super::report::Broken| b.url.contains(FLAPPING);
    assert!(!ended.findings.broken.iter().any(broken));
    assert!(report(&ended).contains(&format!("at {FLAPPING}")));
}

async fn totals_agree_with_a_plain_walk() {
    let (chapters, sections) = (6, 5);
    let book = Tree::generated(chapters, sections);
    let Tree::Memory(files) = &book else {
        panic!("it is in memory");
    };
    let pages = files.iter().filter(|(name, _)| name.ends_with(".html"));
    let (count, bytes) = pages.fold((0, 0), |(n, b), (_, text)| (n + 1, b + text.len() as u64));
    let network = hosts(book.clone(), Faults::None);
    let (ended, dump) = whole(&network, plan()).await;
    let found = &ended.findings;
    assert_eq!((found.pages, found.bytes, found.files), (count, bytes, 1));
    assert_eq!(found.visited as usize, files.len());
    // The first page names the chapters; a chapter its sections and the first page; a section the next, the chapter, the style.
    let links = chapters * (1 + sections + 1 + sections * 3);
    assert_eq!((found.links as usize, dump.links.len()), (links, links));
    assert_eq!((found.redirects, found.external), (0, 0));
    assert!(found.broken.is_empty() && ended.figures.troubles.is_empty());
}

/// Counts who comes.
async fn strangers(network: &Network, names: &[&str]) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    for name in names {
        let (door, count) = (network.listen(*name).unwrap(), count.clone());
        drop(spawn(async move {
            while door.accept().await.is_ok() {
                count.fetch_add(1, SeqCst);
            }
        }));
    }
    count
}

async fn nobody_else_is_asked() {
    let page = "<a href='http://elsewhere.test/'><a href='https://site.test/'><a href='http://site.test:8080/'><a href='http://site.test.evil/'>
        <a href='//elsewhere.test/x'><a href='http://site.test@elsewhere.test/'><img src='http://elsewhere.test/a.png'>";
    let network = hosts(tree(&[("index.html", page)]), Faults::None);
    let others = [
        "elsewhere.test:80",
        "site.test:443",
        "site.test:8080",
        "site.test.evil:80",
    ];
    let count = strangers(&network, &others).await;
    let (ended, _) = whole(&network, plan()).await;
    assert_eq!((ended.findings.visited, ended.findings.external), (1, 7));
    assert_eq!(count.load(SeqCst), 0);
}

/// A redirect is a link like any other: outside, it is not followed.
async fn redirects_are_looked_at_before_they_are_followed() {
    use futures::io::{AsyncReadExt, AsyncWriteExt};
    let network = Network::new();
    let door = network.listen(format!("{SITE}:80")).unwrap();
    drop(spawn(async move {
        let mut guest = door.accept().await.unwrap();
        let mut asked = [0; 4096];
        let n = guest.read(&mut asked).await.unwrap();
        assert!(asked[..n].ends_with(b"\r\n\r\n"));
        let answer =
            b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere.test/\r\ncontent-length: 0\r\n\r\n";
        guest.write_all(answer).await.unwrap();
        std::future::pending::<()>().await;
    }));
    let count = strangers(&network, &["elsewhere.test:80"]).await;
    let (ended, _) = whole(&network, plan()).await;
    let found = &ended.findings;
    assert_eq!((found.visited, found.redirects, found.external), (1, 1, 1));
    assert!(found.broken.is_empty(), "it may be there");
    assert_eq!(count.load(SeqCst), 0);
}

async fn a_limit_leaves_out_the_same_pages_whatever_the_luck() {
    let mut dumps = Vec::new();
    for jobs in [1, 3, 64] {
        let network = hosts(Tree::generated(5, 6), Faults::every());
        let plan = super::crawl::Plan {
            jobs,
            limit: 30,
            ..plan()
        };
        let (ended, dump) = whole(&network, plan).await;
        assert_eq!((ended.visited, ended.stopped), (30, Some(Stopped::Limit)));
        assert!(dump.waiting() > 0);
        dumps.push(dump);
    }
    assert_eq!(dumps[0], dumps[1]);
    assert_eq!(dumps[0], dumps[2]);
}

async fn a_deadline_ends_the_run_and_says_so() {
    let network = hosts(Tree::generated(5, 6), Faults::None);
    let mut plan = plan();
    plan.manners.rate = Quota::per_second(100).burst(1);
    plan.deadline = 100 * MS;
    let (ended, dump) = whole(&network, plan).await;
    assert_eq!(ended.stopped, Some(Stopped::Deadline));
    assert!((1..=11).contains(&ended.visited), "{}", ended.visited);
    assert!(dump.waiting() > 0);
    assert!(report(&ended).contains("cut off by --deadline"));
}

regatta::matrix! {
    the_planted_broken_links_are_found_and_no_others;
    every_kind_of_fault_is_survived_and_told;
    the_breaker_of_a_flapping_host_trips_and_recovers;
    totals_agree_with_a_plain_walk;
    nobody_else_is_asked;
    redirects_are_looked_at_before_they_are_followed;
    a_limit_leaves_out_the_same_pages_whatever_the_luck [sim];
    a_deadline_ends_the_run_and_says_so;
}
