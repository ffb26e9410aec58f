//! What a page says, and what a tree has.

use super::parse::{Page, page};
use super::site::Tree;
use super::world::tree;
use std::fs;
use tempfile::TempDir;
use url::Url;

fn read(html: &str) -> Page {
    page(html.as_bytes(), &Url::parse("http://h.test/a/b?q").unwrap())
}

fn links(html: &str) -> Vec<String> {
    read(html).links.into_iter().collect()
}

#[test]
fn links_are_read_as_browsers_read_them() {
    for (html, link) in [
        ("<a href=x>", "http://h.test/a/x"),
        ("<A HREF='/x'>", "http://h.test/x"),
        ("<a class=a href = \"../x\" id=b>", "http://h.test/x"),
        ("<a href='x?a&amp;b'>", "http://h.test/a/x?a&b"),
        ("<a href='\n x \t'>", "http://h.test/a/x"),
        ("<a href='?r'>", "http://h.test/a/b?r"),
        ("<a href='#part'>", "http://h.test/a/b?q"),
        ("<a href='x#part'>", "http://h.test/a/x"),
        ("<a href='//o.test'>", "http://o.test/"),
        (
            "<a href='HTTPS://O.test:443/%7e/ä'>",
            "https://o.test/%7e/%C3%A4",
        ),
        ("<a href=x href=y>", "http://h.test/a/x"),
        ("<a href='a\\b'>", "http://h.test/a/a/b"),
        ("<a href=x", ""),
        ("<a href='x>", ""),
        ("<svg><a href=x></svg>", "http://h.test/a/x"),
        ("<base href='/c/'><a href=x>", "http://h.test/c/x"),
        (
            "<base href=/c/><base href=/d/><a href=x>",
            "http://h.test/c/x",
        ),
        (
            "<base target=_top><base href=/d/><a href=x>",
            "http://h.test/d/x",
        ),
        ("<link rel=stylesheet href=x.css>", "http://h.test/a/x.css"),
        ("<script src=x.js></script>", "http://h.test/a/x.js"),
        ("<video poster=x.png>", "http://h.test/a/x.png"),
        ("<object data=x.svg>", "http://h.test/a/x.svg"),
        ("<p></p href=x>", ""),
        ("<p href=x>", ""),
        ("<a name=x>", ""),
        ("<link rel=preconnect href=//o.test>", ""),
        ("<link href=//o.test rel=dns-prefetch>", ""),
        ("<!-- <a href=x> -->", ""),
        ("<script>'<a href=x>'</script>", ""),
        ("<style><a href=x></style>", ""),
        ("<textarea><a href=x></textarea>", ""),
        ("<title><a href=x></title>", ""),
        ("<a href='mailto:a@h.test'>", ""),
        ("<a href='javascript:f()'>", ""),
        ("<a href='data:text/html,x'>", ""),
        ("<a href='http://'>", ""),
        ("<a href='http://h.test:99999/'>", ""),
    ] {
        let expected: Vec<String> = Some(link.to_owned())
            .filter(|l| !l.is_empty())
            .into_iter()
            .collect();
        assert_eq!(links(html), expected, "{html}");
    }
}

#[test]
fn a_link_counts_once() {
    assert_eq!(
        links("<a href=y><a href=x><a href=./x><a href=x#1>"),
        ["http://h.test/a/x", "http://h.test/a/y"]
    );
}

#[test]
fn the_title_is_the_first_one_and_not_too_long() {
    let title = |html: &str| read(html).title;
    assert_eq!(
        title("<title> a\n &lt;b&gt;  c </title><svg><title>d</title>"),
        "a <b> c"
    );
    assert_eq!(title("<h1>no title</h1>"), "");
    assert_eq!(
        title(&format!("<title>{}", "ä".repeat(1000))),
        "ä".repeat(200)
    );
}

#[test]
fn any_bytes_are_a_page() {
    let mut random = fastrand::Rng::with_seed(1);
    let pieces = [
        "<", ">", "a", " href", "=", "'", "\"", "x", "/", "&", "#", "script", "!--", "-", "\0",
        "title", "base",
    ];
    for _ in 0..2000 {
        let mut soup: Vec<u8> = Vec::new();
        for _ in 0..random.usize(..60) {
            soup.extend_from_slice(pieces[random.usize(..pieces.len())].as_bytes());
            if random.u8(..) < 20 {
                soup.push(random.u8(..));
            }
        }
        let read = page(&soup, &Url::parse("http://h.test/").unwrap());
        for link in read.links {
            assert!(Url::parse(&link).unwrap().fragment().is_none(), "{link}");
        }
    }
}

use super::site::tree::Found;

fn body(tree: &Tree, path: &str) -> Option<String> {
    match tree.look_up(path) {
        Found::File { body, .. } => Some(String::from_utf8(body).unwrap()),
        Found::Folder => Some("a folder".into()),
        Found::Nothing => None,
    }
}

#[test]
fn nothing_outside_of_the_tree_is_served() {
    let folder = TempDir::new().unwrap();
    let inside = folder.path().join("in side");
    fs::create_dir_all(inside.join("deep")).unwrap();
    fs::write(folder.path().join("secret.html"), "secret").unwrap();
    fs::write(inside.join("index.html"), "index").unwrap();
    fs::write(inside.join("deep/index.html"), "deep").unwrap();
    fs::write(inside.join("ä b.html"), "ä").unwrap();
    let disk = Tree::open(&inside).unwrap();
    let memory = tree(&[
        ("index.html", "index"),
        ("deep/index.html", "deep"),
        ("ä b.html", "ä"),
    ]);
    for tree in [disk, memory] {
        for (path, expected) in [
            ("/", Some("index")),
            ("/index.html", Some("index")),
            ("/deep", Some("a folder")),
            ("/deep/", Some("deep")),
            ("/%c3%A4%20b.html", Some("ä")),
            ("/nothing", None),
            ("/../secret.html", None),
            ("/deep/../../secret.html", None),
            ("/%2e%2e/secret.html", None),
            ("/%2E./secret.html", None),
            ("/..%2fsecret.html", None),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%ff", None),
            ("/%+1", None),
            ("/deep/\0", None),
        ] {
            assert_eq!(body(&tree, path).as_deref(), expected, "{path} of {tree:?}");
        }
    }
    let absolute = format!("/{}", folder.path().join("secret.html").display());
    assert_eq!(body(&Tree::open(&inside).unwrap(), &absolute), None);
}

#[test]
fn a_folder_of_folders_has_a_page_of_contents() {
    let folder = TempDir::new().unwrap();
    for name in ["b", "a", "none"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["b", "a"] {
        fs::write(folder.path().join(name).join("index.html"), "").unwrap();
    }
    let contents = body(&Tree::open(folder.path()).unwrap(), "/").unwrap();
    assert_eq!(
        links(&contents),
        ["http://h.test/a/a/", "http://h.test/a/b/"]
    );
}

#[test]
fn a_wrong_folder_is_told() {
    let error = Tree::open(std::path::Path::new("/no/where")).unwrap_err();
    assert_eq!(error, "--tree /no/where: no such folder");
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Tree::open(file.path()).unwrap_err();
    assert!(error.contains("name the folder it is in"), "{error}");
}
