//! Every public operation that is awaited, read from the sources as tokens.

use crate::tokens::{
    attribute, group, implies_test, is_punct, is_visibility, item_end, list, name_of,
};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// Traits whose implementors are awaited.
const AWAITED: [&str; 3] = ["Future", "Stream", "IntoFuture"];

#[derive(Default)]
struct Sources {
    /// Types that implement one of [`AWAITED`].
    awaited: BTreeSet<String>,
    /// `unit::Type` of every public type.
    public: BTreeSet<String>,
    functions: Vec<Function>,
}

struct Function {
    name: String,
    is_async: bool,
    /// The identifiers of the type that it returns.
    returns: Vec<String>,
}

/// Where an item stands.
#[derive(Clone)]
struct Place {
    unit: String,
    /// The type or trait around it.
    owner: Option<String>,
    /// A member of a public trait is as public as the trait.
    public: bool,
}

/// `unit::Type::function`, `unit::function` or `unit::Type` of everything public that is awaited below `src`.
pub(crate) fn operations(src: &Path) -> BTreeSet<String> {
    let mut sources = Sources::default();
    let mut files = Vec::new();
    files_below(src, "", &mut files);
    assert!(!files.is_empty(), "no sources below {}", src.display());
    for (path, text) in &files {
        let tokens = TokenStream::from_str(text).expect("a source file lexes as Rust");
        let place = Place {
            unit: unit_of(path),
            owner: None,
            public: false,
        };
        sources.items(&list(tokens), &place);
    }
    sources.found()
}

/// Whether it is one of `runtime::net`.
pub(crate) fn is_net(name: &str) -> bool {
    let owner = name.split("::").nth(1).unwrap_or_default();
    name.starts_with("runtime::") && !matches!(owner, "Runtime" | "Backend" | "ctrl_c")
}

/// Rust files as (path below `src`, text); those of tests left out.
fn files_below(folder: &Path, below: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let entry = entry.expect("the folder can be listed");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        if name == "tests.rs" || name == "tests" {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.file_type().expect("it has a type").is_dir() {
            files_below(&entry.path(), &format!("{path}/"), files);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).expect("the file can be read");
            files.push((path, text));
        }
    }
}

/// `patterns/sync/mutex.rs` belongs to `sync`.
fn unit_of(path: &str) -> String {
    let mut parts = path.trim_end_matches(".rs").split('/');
    let first = parts.next().unwrap_or_default();
    let unit = match first {
        "patterns" | "integrations" => parts.next().unwrap_or(first),
        _ => first,
    };
    unit.to_owned()
}

impl Sources {
    fn found(self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut returned: BTreeMap<String, ()> = BTreeMap::new();
        for function in self.functions {
            let unit = function.name.split("::").next().unwrap_or_default();
            // A name means the type of the own module, or one of those below that others give out.
            let awaited = |name: &String| {
                AWAITED.contains(&name.as_str())
                    || name == "BoxFuture"
                    || [unit, "runtime", "internal", "time"]
                        .iter()
                        .any(|unit| self.awaited.contains(&format!("{unit}::{name}")))
            };
            for name in &function.returns {
                returned.insert(format!("{unit}::{name}"), ());
            }
            if function.is_async || function.returns.iter().any(awaited) {
                found.insert(function.name);
            }
        }
        // Types that no function of their unit gives: they are made by their own constructors, or handed to closures.
        for name in self.public {
            if self.awaited.contains(&name) && !returned.contains_key(&name) {
                found.insert(name);
            }
        }
        found
    }

    fn items(&mut self, tokens: &[TokenTree], place: &Place) {
        let mut i = 0;
        let mut test = false;
        while i < tokens.len() {
            if is_punct(tokens.get(i), '#')
                && let Some((g, next)) = attribute(tokens, i)
            {
                let inside = list(g.stream());
                test |= name_of(inside.first()).as_deref() == Some("cfg")
                    && group(inside.get(1)).is_some_and(|g| implies_test(&list(g.stream())));
                i = next;
                continue;
            }
            let end = item_end(tokens, i).max(i + 1);
            if !std::mem::take(&mut test) {
                self.item(&tokens[i..end], place);
            }
            i = end;
        }
    }

    fn item(&mut self, item: &[TokenTree], place: &Place) {
        let mut i = 0;
        let mut public = place.public;
        if name_of(item.first()).as_deref() == Some("pub") {
            let restricted = group(item.get(1)).is_some_and(is_visibility);
            public = !restricted;
            i = 1 + usize::from(restricted);
        }
        let word = |i: usize| name_of(item.get(i)).unwrap_or_default();
        let body = item.iter().rev().find_map(|t| group(Some(t)));
        let body = body.filter(|g| g.delimiter() == Delimiter::Brace);
        let start = i;
        while matches!(word(i).as_str(), "const" | "async" | "unsafe" | "extern") {
            i += 1;
        }
        match word(i).as_str() {
            "fn" => {
                let is_async = (start..i).any(|k| word(k) == "async");
                if public {
                    self.function(&item[i..], is_async, place);
                }
            }
            "mod" => {
                if let Some(body) = body {
                    self.items(&list(body.stream()), place);
                }
            }
            "impl" => self.implementation(&item[i + 1..], place),
            "trait" => {
                let place = Place {
                    owner: Some(word(i + 1)),
                    public,
                    ..place.clone()
                };
                if let Some(body) = body {
                    self.items(&list(body.stream()), &place);
                }
            }
            "struct" | "enum" | "type" => {
                if public {
                    self.public
                        .insert(format!("{}::{}", place.unit, word(i + 1)));
                }
            }
            "macro_rules" | "use" | "static" | "let" => {}
            // A macro that holds items: `pin_project! { .. }`.
            _ => {
                if is_punct(item.get(1), '!')
                    && let Some(g) = group(item.get(2))
                {
                    self.items(&list(g.stream()), place);
                } else if let Some(at) = item
                    .windows(2)
                    .position(|w| is_punct(w.first(), '!') && group(w.get(1)).is_some())
                    && let Some(g) = group(item.get(at + 1))
                {
                    self.items(&list(g.stream()), place);
                }
            }
        }
    }

    fn function(&mut self, tokens: &[TokenTree], is_async: bool, place: &Place) {
        let name = name_of(tokens.get(1)).unwrap_or_default();
        let arrow = tokens
            .windows(2)
            .rposition(|w| is_punct(w.first(), '-') && is_punct(w.get(1), '>'));
        // The arrow of the function comes after its parameters; those of bounds like `F: FnOnce() -> T` come before
        // them or in the `where`.
        let parameters = tokens
            .iter()
            .position(|t| group(Some(t)).is_some_and(|g| g.delimiter() == Delimiter::Parenthesis))
            .map(|first| {
                let mut at = first;
                // `fn f<F: Fn() -> T>(f: F)`: the list is the last group before `->`, `where` or the body that follows
                // a `>`.
                let mut depth = 0i32;
                for (k, token) in tokens.iter().enumerate().skip(2) {
                    if is_punct(Some(token), '<') {
                        depth += 1;
                    } else if is_punct(Some(token), '>') && !is_punct(tokens.get(k - 1), '-') {
                        depth -= 1;
                    } else if depth == 0
                        && group(Some(token))
                            .is_some_and(|g| g.delimiter() == Delimiter::Parenthesis)
                    {
                        at = k;
                        break;
                    }
                }
                at
            });
        let mut returns = Vec::new();
        if let (Some(_), Some(parameters)) = (arrow, parameters)
            && is_punct(tokens.get(parameters + 1), '-')
        {
            identifiers(&tokens[parameters + 3..], &mut returns);
        }
        for name in &mut returns {
            if name == "Self"
                && let Some(owner) = &place.owner
            {
                name.clone_from(owner);
            }
        }
        let path = match &place.owner {
            Some(owner) => format!("{}::{owner}::{name}", place.unit),
            None => format!("{}::{name}", place.unit),
        };
        self.functions.push(Function {
            name: path,
            is_async,
            returns,
        });
    }

    /// `<..> Trait for Type<..> where .. { .. }`, or without the trait.
    fn implementation(&mut self, tokens: &[TokenTree], place: &Place) {
        let mut depth = 0;
        let mut names = Vec::new();
        let mut of_trait = None;
        let mut last = String::new();
        for (k, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Punct(p) if p.as_char() == '<' => depth += 1,
                TokenTree::Punct(p)
                    if p.as_char() == '>' && !is_punct(tokens.get(k.wrapping_sub(1)), '-') =>
                {
                    depth -= 1
                }
                TokenTree::Ident(id) if depth == 0 && id == "for" => {
                    of_trait = Some(std::mem::take(&mut last));
                }
                TokenTree::Ident(id) if depth == 0 && id == "where" => {
                    names.push(last.clone());
                    break;
                }
                TokenTree::Ident(id) if depth == 0 => last = id.to_string(),
                TokenTree::Group(g) if depth == 0 && g.delimiter() == Delimiter::Brace => {
                    names.push(last.clone());
                    break;
                }
                _ => {}
            }
        }
        let owner = names.pop().unwrap_or(last);
        match of_trait {
            Some(name) => {
                if AWAITED.contains(&name.as_str()) {
                    self.awaited.insert(format!("{}::{owner}", place.unit));
                }
            }
            None => {
                let body = tokens.iter().rev().find_map(|t| group(Some(t)));
                let place = Place {
                    owner: Some(owner),
                    public: false,
                    ..place.clone()
                };
                if let Some(body) = body {
                    self.items(&list(body.stream()), &place);
                }
            }
        }
    }
}

/// The identifiers up to a `where` or the body. `Stream` is the trait after an `impl` or a `dyn`, and a type otherwise.
fn identifiers(tokens: &[TokenTree], into: &mut Vec<String>) {
    let mut bounds = false;
    for token in tokens {
        match token {
            TokenTree::Ident(id) if id == "where" => return,
            TokenTree::Ident(id) => {
                bounds |= id == "impl" || id == "dyn";
                let name = id.to_string();
                if bounds || !AWAITED.contains(&name.as_str()) {
                    into.push(name);
                }
            }
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => return,
            TokenTree::Group(g) => identifiers(&list(g.stream()), into),
            _ => {}
        }
    }
}
