//! Reads a source file into facts.
//!
//! Works on tokens, not on a syntax tree: comments and strings are gone, and the bodies of macros (`pin_project!`, `macro_rules!`)
//! are read like any other code.

use super::tokens::*;
use proc_macro2::{Group, TokenStream, TokenTree};
use std::fmt;
use std::str::FromStr;

/// A path as it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    /// The module it stands in.
    pub(crate) module: Vec<String>,
    pub(crate) line: usize,
    /// In a `use`.
    pub(crate) import: bool,
    /// Ends in `*`.
    pub(crate) glob: bool,
    alias: Option<String>,
}

impl Named {
    /// Starts at the name of a crate (or of a local module, which cannot be told apart).
    pub(crate) fn is_global(&self) -> bool {
        !matches!(
            self.segments[0].as_str(),
            "crate" | "self" | "super" | "Self"
        )
    }

    /// The path from the crate root, without `crate`; `None` when it leads out of the crate or stays below its own module.
    pub(crate) fn absolute(&self) -> Option<Vec<String>> {
        let supers = self.segments.iter().take_while(|s| *s == "super").count();
        let (base, rest) = match self.segments[0].as_str() {
            "crate" | "regatta" => (&[][..], 1),
            "super" => (
                &self.module[..self.module.len().saturating_sub(supers)],
                supers,
            ),
            "self" => {
                let supers = self.segments[1..]
                    .iter()
                    .take_while(|s| *s == "super")
                    .count();
                (
                    &self.module[..self.module.len().saturating_sub(supers)],
                    1 + supers,
                )
            }
            _ => return None,
        };
        Some(base.iter().chain(&self.segments[rest..]).cloned().collect())
    }

    /// The name a `use` brings into scope.
    pub(crate) fn bound_name(&self) -> Option<&str> {
        match &self.alias {
            _ if self.glob => None,
            Some(alias) => Some(alias),
            None => self.segments.last().map(String::as_str),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.segments.join("::"),
            if self.glob { "::*" } else { "" }
        )
    }
}

/// What a file says, as far as the house rules care. Test code gives stubs and `unsafe`, nothing else.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) module: Vec<String>,
    pub(crate) paths: Vec<Named>,
    /// Line and name of every feature tested.
    pub(crate) features: Vec<(usize, String)>,
    pub(crate) unsafes: Vec<usize>,
    pub(crate) stubs: Vec<(usize, String)>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    pub(crate) test_modules: Vec<Vec<String>>,
    /// Names that `#[macro_export]` puts into the crate root.
    pub(crate) exported_macros: Vec<String>,
}

/// The module path of a file, given below `src/`.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts.last().is_some_and(|p| p == "mod" || p == "lib") {
        parts.pop();
    }
    parts
}

impl Facts {
    /// Reads `text`; fails with the line that is no Rust.
    pub(crate) fn read(module: &[String], text: &str) -> Result<Facts, usize> {
        let tokens = TokenStream::from_str(text).map_err(|e| e.span().start().line)?;
        let mut facts = Facts {
            module: module.to_vec(),
            ..Facts::default()
        };
        facts.walk(&list(tokens), module, false);
        Ok(facts)
    }

    fn walk(&mut self, tokens: &[TokenTree], module: &[String], mut test: bool) {
        let mut i = 0;
        while i < tokens.len() {
            i = match &tokens[i] {
                TokenTree::Punct(p) if p.as_char() == '#' => match attribute(tokens, i) {
                    Some((group, next)) => {
                        let for_tests = self.attribute(group, test);
                        let inner = is_punct(tokens.get(i + 1), '!');
                        if for_tests && !inner {
                            let end = item_end(tokens, next);
                            self.test_item(&tokens[next..end], module);
                            end
                        } else {
                            test |= for_tests;
                            next
                        }
                    }
                    None => i + 1,
                },
                TokenTree::Ident(_) => self.word(tokens, i, module, test),
                TokenTree::Group(g) => {
                    self.walk(&list(g.stream()), module, test);
                    i + 1
                }
                TokenTree::Punct(_) if is_path_sep(tokens, i) => match tokens.get(i + 2) {
                    // `<T as Trait>::name`, `$name::x`, `collect::<_>()`: not the start of a path.
                    Some(TokenTree::Ident(_)) if continues(tokens, i) => path_end(tokens, i + 2),
                    _ => i + 2,
                },
                _ => i + 1,
            };
        }
    }

    /// A keyword or the start of a path; gives the index after it.
    fn word(&mut self, tokens: &[TokenTree], i: usize, module: &[String], test: bool) -> usize {
        let word = name_of(tokens.get(i)).unwrap_or_default();
        let line = tokens[i].span().start().line;
        let macro_call = is_punct(tokens.get(i + 1), '!') && group(tokens.get(i + 2)).is_some();
        match word.as_str() {
            "unsafe" => self.unsafes.push(line),
            "todo" | "unimplemented" if macro_call => self.stubs.push((line, format!("`{word}!`"))),
            "cfg" if macro_call => {
                if let (Some(g), false) = (group(tokens.get(i + 2)), test) {
                    self.features(g);
                }
            }
            "macro_rules" if is_exported(tokens, i) => {
                self.exported_macros.extend(name_of(tokens.get(i + 2)))
            }
            // A visibility names a module without importing from it.
            "pub" if group(tokens.get(i + 1)).is_some_and(is_visibility) => return i + 2,
            "mod" => {
                if let (Some(name), Some(body)) =
                    (name_of(tokens.get(i + 1)), group(tokens.get(i + 2)))
                {
                    self.walk(&list(body.stream()), &below(module, name), test);
                    return i + 3;
                }
            }
            // `impl Trait + use<'a>` is no import.
            "use" if !is_punct(tokens.get(i + 1), '<') => {
                let end = until(tokens, i, ';');
                if !test {
                    self.import(&tokens[i + 1..end], &[], module);
                }
                return end;
            }
            _ => return self.path(tokens, i, module, test),
        }
        i + 1
    }

    /// A path in an expression or a type; gives the index after it.
    fn path(&mut self, tokens: &[TokenTree], i: usize, module: &[String], test: bool) -> usize {
        let end = path_end(tokens, i);
        let external = i >= 2 && name_of(tokens.get(i - 2)).as_deref() == Some("extern");
        if !test && (end > i + 1 || external) {
            self.paths.push(Named {
                segments: tokens[i..end]
                    .iter()
                    .filter_map(|t| name_of(Some(t)))
                    .collect(),
                module: module.to_vec(),
                line: tokens[i].span().start().line,
                import: false,
                glob: false,
                alias: None,
            });
        }
        end
    }

    /// One tree of a `use`, or several between commas.
    fn import(&mut self, tokens: &[TokenTree], prefix: &[String], module: &[String]) {
        for tree in tokens.split(|t| is_punct(Some(t), ',')) {
            let Some(first) = tree.first() else { continue };
            let mut named = Named {
                segments: prefix.to_vec(),
                module: module.to_vec(),
                line: first.span().start().line,
                import: true,
                glob: false,
                alias: None,
            };
            let mut nested = None;
            let mut rest = tree.iter();
            while let Some(token) = rest.next() {
                match token {
                    TokenTree::Ident(id) if id == "as" => named.alias = name_of(rest.next()),
                    TokenTree::Ident(id) if id == "self" && !named.segments.is_empty() => {}
                    TokenTree::Ident(_) => named.segments.extend(name_of(Some(token))),
                    TokenTree::Punct(p) => named.glob |= p.as_char() == '*',
                    TokenTree::Group(g) => nested = Some(g),
                    TokenTree::Literal(_) => {}
                }
            }
            match nested {
                Some(g) => self.import(&list(g.stream()), &named.segments, module),
                None if named.segments.is_empty() => {}
                None => self.paths.push(named),
            }
        }
    }

    /// Reads an attribute; says whether what it stands on is for tests only.
    fn attribute(&mut self, group: &Group, test: bool) -> bool {
        let inside = list(group.stream());
        let line = group.span_open().start().line;
        let first = name_of(inside.first()).unwrap_or_default();
        let arguments = inside.get(1).and_then(|t| super::tokens::group(Some(t)));
        let ignored = match first.as_str() {
            "ignore" => true,
            "cfg_attr" => arguments.is_some_and(|g| {
                list(g.stream())
                    .iter()
                    .any(|t| name_of(Some(t)).as_deref() == Some("ignore"))
            }),
            _ => false,
        };
        if ignored {
            self.stubs.push((line, "`#[ignore]`".into()));
        }
        let Some(arguments) = arguments else {
            return false;
        };
        if !test && matches!(first.as_str(), "cfg" | "cfg_attr") {
            self.features(arguments);
        }
        first == "cfg" && implies_test(&list(arguments.stream()))
    }

    fn features(&mut self, group: &Group) {
        let tokens = list(group.stream());
        for (i, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(g) => self.features(g),
                TokenTree::Ident(id) if id == "feature" && is_punct(tokens.get(i + 1), '=') => {
                    if let Some(TokenTree::Literal(l)) = tokens.get(i + 2) {
                        self.features.push((
                            id.span().start().line,
                            l.to_string().trim_matches('"').to_owned(),
                        ));
                    }
                }
                _ => {}
            }
        }
    }

    fn test_item(&mut self, item: &[TokenTree], module: &[String]) {
        if let Some(at) = item
            .iter()
            .position(|t| name_of(Some(t)).as_deref() == Some("mod"))
            && let (Some(name), true) = (name_of(item.get(at + 1)), is_punct(item.get(at + 2), ';'))
        {
            self.test_modules.push(below(module, name));
        }
        self.walk(item, module, true);
    }
}
