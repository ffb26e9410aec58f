//! What there is to serve. Plain blocking code.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Files, in a folder or in memory.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Folder(PathBuf),
    /// By path, without a slash in front.
    Memory(BTreeMap<String, Vec<u8>>),
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    File {
        kind: &'static str,
        body: Vec<u8>,
    },
    /// A folder: its address ends with a slash.
    Folder,
    Nothing,
}

impl Tree {
    /// # Errors
    ///
    /// What is wrong with the folder.
    pub(crate) fn open(folder: &Path) -> Result<Tree, String> {
        let shown = folder.display();
        match fs::read_dir(folder) {
            Ok(_) => Ok(Tree::Folder(folder.to_path_buf())),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(format!("--tree {shown}: no such folder"))
            }
            Err(e) if e.kind() == ErrorKind::NotADirectory => Err(format!(
                "--tree {shown}: not a folder; name the folder it is in"
            )),
            Err(e) => Err(format!("--tree {shown}: the folder cannot be read: {e}")),
        }
    }

    /// That of the toolchain; without it this crate's own, if it has been built; else a small site.
    pub(crate) fn documentation() -> Tree {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
        let sysroot = sysroot
            .ok()
            .and_then(|said| String::from_utf8(said.stdout).ok());
        let toolchain = sysroot.map(|path| Path::new(path.trim()).join("share/doc/rust/html"));
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/doc");
        let has_pages = |folder: &PathBuf| {
            folder.join("index.html").is_file() || folder.join("regatta/index.html").is_file()
        };
        match toolchain.into_iter().chain([own]).find(has_pages) {
            Some(folder) => Tree::Folder(folder),
            None => Tree::generated(20, 15),
        }
    }

    /// A book of so many chapters and sections: every page leads on, and back.
    pub(crate) fn generated(chapters: usize, sections: usize) -> Tree {
        let mut files = BTreeMap::new();
        let mut add = |path: String, title: &str, links: &[String]| {
            files.insert(path, html(title, links).into_bytes());
        };
        let all = (1..=chapters).map(|c| format!("/{c}/"));
        add("index.html".into(), "A book", &all.collect::<Vec<_>>());
        for c in 1..=chapters {
            let mut links: Vec<_> = (1..=sections).map(|s| format!("{s}.html")).collect();
            links.push("../".into());
            add(format!("{c}/index.html"), &format!("Chapter {c}"), &links);
            for s in 1..=sections {
                let next = format!("{}.html#top", s % sections + 1);
                let links = [next, "./".into(), "/style.css".into()];
                add(format!("{c}/{s}.html"), &format!("Section {c}.{s}"), &links);
            }
        }
        files.insert("style.css".into(), b"body { margin: 2em }".to_vec());
        Tree::Memory(files)
    }

    /// A list of so many pages.
    pub(crate) fn list(pages: usize) -> Tree {
        let names: Vec<_> = (1..=pages).map(|n| format!("{n}.html")).collect();
        let page = |name: &String| (name.clone(), html(name, &["./".into()]).into_bytes());
        let mut files: BTreeMap<_, _> = names.iter().map(page).collect();
        files.insert("index.html".into(), html("A list", &names).into_bytes());
        Tree::Memory(files)
    }

    /// What it is, in words.
    pub(crate) fn name(&self) -> String {
        match self {
            Tree::Folder(path) => path.display().to_string(),
            Tree::Memory(files) => format!("a generated site of {} files", files.len()),
        }
    }

    /// Looks a path up, percent-encoded as in an address.
    pub(crate) fn look_up(&self, path: &str) -> Found {
        let Some(path) = decoded(path) else {
            return Found::Nothing;
        };
        let path = path.trim_start_matches('/');
        match self {
            Tree::Memory(files) => {
                let name = match path.is_empty() || path.ends_with('/') {
                    true => format!("{path}index.html"),
                    false => path.to_owned(),
                };
                match files.get(&name) {
                    Some(body) => file(&name, body.clone()),
                    None if files.contains_key(&format!("{path}/index.html")) => Found::Folder,
                    None => Found::Nothing,
                }
            }
            Tree::Folder(root) => in_folder(root, path),
        }
    }
}

fn in_folder(root: &Path, path: &str) -> Found {
    // Nothing outside of the folder.
    let inside = |part| matches!(part, Component::Normal(_));
    if !Path::new(path).components().all(inside) {
        return Found::Nothing;
    }
    let mut place = root.join(path);
    if place.is_dir() {
        if !path.is_empty() && !path.ends_with('/') {
            return Found::Folder;
        }
        place.push("index.html");
        if path.is_empty() && !place.exists() {
            return file("index.html", contents(root).into_bytes());
        }
    }
    match fs::read(&place) {
        Ok(body) => file(&place.to_string_lossy(), body),
        Err(_) => Found::Nothing,
    }
}

/// A page for a folder that has none: the documentation of a workspace, for instance.
fn contents(root: &Path) -> String {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let with_index = entries.filter(|entry| entry.path().join("index.html").is_file());
    let mut names: Vec<_> = with_index
        .map(|entry| format!("{}/", entry.file_name().to_string_lossy()))
        .collect();
    names.sort();
    html("Contents", &names)
}

fn file(name: &str, body: Vec<u8>) -> Found {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
    let kind = match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    Found::File { kind, body }
}

/// A page of links.
pub(super) fn html(title: &str, links: &[String]) -> String {
    let links: String = links
        .iter()
        .map(|link| format!("<li><a href=\"{link}\">{link}</a>\n"))
        .collect();
    format!("<!DOCTYPE html>\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n{links}</ul>\n")
}

/// Undoes percent-encoding; `None` when what comes out is no text.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}
