//! The database: batches are whole, and what is not ours is left alone.

use super::facts::{Outcome, Visit};
use super::store::{self, Scope};
use super::tables;
use super::world::{Place, dump, scope};
use regatta::time::seconds;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn open(path: &Path, scope: &Scope, fresh: bool) -> Result<(Connection, bool), String> {
    store::open(path, scope, 100, fresh)
}

fn page(id: i64, links: &[&str]) -> Visit {
    Visit {
        id,
        outcome: Outcome::Page {
            bytes: 7,
            title: "a title".into(),
        },
        links: links
            .iter()
            .map(|link| (*link).to_owned())
            .collect::<BTreeSet<_>>(),
        requests: 1,
        took: seconds(0.5).unwrap(),
    }
}

const A: &str = "http://site.test/a";
const B: &str = "http://site.test/b";
const ELSEWHERE: &str = "http://elsewhere.test/";

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let place = Place::new();
    let (mut db, _) = open(&place.path, &scope(), false).unwrap();
    let hosts = scope().hosts;
    assert_eq!(
        tables::save(&mut db, 0, &[page(1, &[A, B, ELSEWHERE])], &hosts).unwrap(),
        2
    );
    // Fails at the last link of the last page.
    db.execute_batch(
        "CREATE TRIGGER no BEFORE INSERT ON page WHEN NEW.url LIKE '%/last' BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .unwrap();
    let ids: Vec<i64> = tables::waiting(&db, 1, "", 10)
        .unwrap()
        .iter()
        .map(|t| t.id)
        .collect();
    assert_eq!(ids.len(), 2);
    let bad = [
        page(ids[0], &["http://site.test/c"]),
        page(ids[1], &[A, "http://site.test/z/last"]),
    ];
    let error = tables::save(&mut db, 1, &bad, &hosts).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    drop(db);
    let after = dump(&place.path);
    assert_eq!((after.pages.len(), after.links.len()), (4, 3));
    assert_eq!(
        (after.waiting(), after.with("page"), after.with("external")),
        (2, 1, 1)
    );
    // The same without the last one is fine.
    let (mut db, resumed) = open(&place.path, &scope(), false).unwrap();
    assert!(resumed);
    assert_eq!(tables::save(&mut db, 1, &bad[..1], &hosts).unwrap(), 1);
    assert_eq!(
        tables::counts(&db).unwrap(),
        tables::Counts {
            visited: 2,
            waiting: 2
        }
    );
}

#[test]
fn an_address_is_visited_once() {
    let place = Place::new();
    let (mut db, _) = open(&place.path, &scope(), false).unwrap();
    let hosts = scope().hosts;
    tables::save(&mut db, 0, &[page(1, &[])], &hosts).unwrap();
    assert!(tables::save(&mut db, 0, &[page(1, &[A])], &hosts).is_err());
    assert!(tables::save(&mut db, 0, &[page(77, &[])], &hosts).is_err());
    assert_eq!(
        tables::counts(&db).unwrap(),
        tables::Counts {
            visited: 1,
            waiting: 0
        }
    );
}

#[test]
fn the_frontier_is_in_order_and_by_depth() {
    let place = Place::new();
    let (mut db, _) = open(&place.path, &scope(), false).unwrap();
    let hosts = scope().hosts;
    tables::save(&mut db, 0, &[page(1, &[B, A])], &hosts).unwrap();
    let waiting = |db: &Connection, depth, after: &str, n| -> Vec<String> {
        let targets = tables::waiting(db, depth, after, n).unwrap();
        targets.iter().map(|t| t.url.to_string()).collect()
    };
    assert_eq!(tables::level(&db).unwrap(), Some(1));
    assert_eq!(waiting(&db, 1, "", 10), [A, B]);
    assert_eq!(waiting(&db, 1, "", 1), [A]);
    assert_eq!(waiting(&db, 1, A, 10), [B]);
    assert!(waiting(&db, 0, "", 10).is_empty());
    let targets = tables::waiting(&db, 1, "", 10).unwrap();
    // Found again, deeper: the first depth stays.
    let c = "http://site.test/c";
    tables::save(&mut db, 1, &[page(targets[0].id, &[B, c])], &hosts).unwrap();
    assert_eq!(tables::level(&db).unwrap(), Some(1));
    tables::save(&mut db, 1, &[page(targets[1].id, &[])], &hosts).unwrap();
    assert_eq!(tables::level(&db).unwrap(), Some(2));
    assert_eq!(waiting(&db, 2, "", 10), [c]);
}

#[test]
fn what_is_finished_is_replaced_and_what_is_not_goes_on() {
    let place = Place::new();
    let hosts = scope().hosts;
    let (mut db, resumed) = open(&place.path, &scope(), false).unwrap();
    assert!(!resumed);
    tables::save(&mut db, 0, &[page(1, &[A])], &hosts).unwrap();
    drop(db);
    let visited = |db: &Connection| tables::counts(db).unwrap().visited;
    let (db, resumed) = open(&place.path, &scope(), false).unwrap();
    assert!(resumed);
    assert_eq!(visited(&db), 1);
    drop(db);
    // Of another limit it has reached all: that one has ended.
    let (db, resumed) = store::open(&place.path, &scope(), 1, false).unwrap();
    assert!(!resumed);
    assert_eq!(visited(&db), 0);
    drop(db);
    let (db, resumed) = open(&place.path, &scope(), true).unwrap();
    assert!(!resumed, "fresh");
    drop(db);
    let (mut db, _) = open(&place.path, &scope(), false).unwrap();
    tables::save(&mut db, 0, &[page(1, &[])], &hosts).unwrap();
    drop(db);
    let (_, resumed) = open(&place.path, &scope(), false).unwrap();
    assert!(!resumed, "all was visited");
}

#[test]
fn a_database_that_cannot_be_used_is_told_and_left_alone() {
    let place = Place::new();
    let refused = |path: &Path, scope: &Scope, fresh| open(path, scope, fresh).unwrap_err();
    // Another crawl, unfinished.
    drop(open(&place.path, &scope(), false).unwrap());
    let other = Scope {
        about: "http://other.test/".into(),
        ..scope()
    };
    let why = refused(&place.path, &other, false);
    assert!(why.contains("an unfinished crawl of http://site.test/; choose another place with --out, or give it up with --fresh"), "{why}");
    // In use.
    let (held, _) = open(&place.path, &scope(), false).unwrap();
    let why = refused(&place.path, &scope(), false);
    assert!(why.contains("another crawl is using it"), "{why}");
    assert!(refused(&place.path, &scope(), true).contains("another crawl is using it"));
    drop(held);
    // Not ours.
    let path = place.path.with_extension("other");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)")
        .unwrap();
    drop(db);
    for fresh in [false, true] {
        let why = refused(&path, &scope(), fresh);
        assert!(why.contains("a database of something else"), "{why}");
    }
    let db = Connection::open(&path).unwrap();
    let rows: u32 = db
        .query_row("SELECT count(*) FROM precious", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
    drop(db);
    // No database, no folder, a folder.
    let text = place.path.with_extension("txt");
    fs::write(
        &text,
        "not a database, and longer than the head of one is: ".repeat(9),
    )
    .unwrap();
    for fresh in [false, true] {
        let why = refused(&text, &scope(), fresh);
        assert!(
            why.contains("this is no database; choose another place with --out"),
            "{why}"
        );
    }
    assert!(
        fs::read_to_string(&text)
            .unwrap()
            .starts_with("not a database")
    );
    let why = refused(Path::new("/no/where/x.sqlite"), &scope(), false);
    assert!(
        why.starts_with("/no/where/x.sqlite: the database cannot be kept there"),
        "{why}"
    );
    let folder = place.path.parent().unwrap();
    assert!(refused(folder, &scope(), false).contains("cannot be kept there"));
}

#[test]
fn what_redirects_lead_to_is_followed_to_its_end() {
    let place = Place::new();
    let (mut db, _) = open(&place.path, &scope(), false).unwrap();
    let hosts = scope().hosts;
    let url = |n: usize| format!("http://site.test/r{n:02}");
    let names: Vec<String> = (0..16).map(url).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    tables::save(&mut db, 0, &[page(1, &all)], &hosts).unwrap();
    let ids: Vec<i64> = tables::waiting(&db, 1, "", 20)
        .unwrap()
        .iter()
        .map(|t| t.id)
        .collect();
    // A chain to a page: ten redirects are followed, eleven are not.
    let visits = ids.iter().enumerate().map(|(n, id)| Visit {
        id: *id,
        outcome: match n {
            11 => Outcome::Page {
                bytes: 1,
                title: String::new(),
            },
            12 => Outcome::Redirect(url(13)),
            13 => Outcome::Refused(503),
            14 => Outcome::Redirect(url(14)),
            15 => Outcome::Redirect(ELSEWHERE.into()),
            n => Outcome::Redirect(url(n + 1)),
        },
        links: BTreeSet::new(),
        requests: 1,
        took: Duration::ZERO,
    });
    let visits: Vec<_> = visits.collect();
    tables::save(&mut db, 1, &visits, &hosts).unwrap();
    let mut broken = db
        .prepare("SELECT url, CAST(why AS TEXT) FROM broken ORDER BY url")
        .unwrap();
    let broken: Vec<(String, String)> = broken
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let expected = [
        (0, "redirects without end"),
        (12, "redirect to 503"),
        (13, "503"),
        (14, "redirects without end"),
    ];
    assert_eq!(broken, expected.map(|(n, why)| (url(n), why.to_owned())));
}
