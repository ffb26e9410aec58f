//! Small questions about a list of tokens, for [`source`](super::source).

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

pub(crate) fn list(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

pub(crate) fn below(module: &[String], name: String) -> Vec<String> {
    module.iter().cloned().chain([name]).collect()
}

pub(crate) fn name_of(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(id)) => Some(id.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

pub(crate) fn group(token: Option<&TokenTree>) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(g)) => Some(g),
        _ => None,
    }
}

pub(crate) fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == c)
}

pub(crate) fn is_path_sep(tokens: &[TokenTree], i: usize) -> bool {
    is_punct(tokens.get(i), ':') && is_punct(tokens.get(i + 1), ':')
}

/// Whether the `::` at `i` goes on with what stands before it, as after `>` or a name.
pub(crate) fn continues(tokens: &[TokenTree], i: usize) -> bool {
    i > 0 && (is_punct(tokens.get(i - 1), '>') || name_of(tokens.get(i - 1)).is_some())
}

/// The index after the path that starts at `start`.
pub(crate) fn path_end(tokens: &[TokenTree], start: usize) -> usize {
    let mut end = start + 1;
    while is_path_sep(tokens, end) && name_of(tokens.get(end + 2)).is_some() {
        end += 3;
    }
    end
}

/// The group of the attribute whose `#` stands at `i`, and the index after it.
pub(crate) fn attribute(tokens: &[TokenTree], i: usize) -> Option<(&Group, usize)> {
    let at = i + 1 + usize::from(is_punct(tokens.get(i + 1), '!'));
    match group(tokens.get(at)) {
        Some(g) if g.delimiter() == Delimiter::Bracket => Some((g, at + 1)),
        _ => None,
    }
}

/// Whether `#[macro_export]` stands above the item at `i`.
pub(crate) fn is_exported(tokens: &[TokenTree], i: usize) -> bool {
    let mut at = i;
    while at >= 2 && group(tokens.get(at - 1)).is_some() && is_punct(tokens.get(at - 2), '#') {
        at -= 2;
        if let Some((g, _)) = attribute(tokens, at)
            && name_of(list(g.stream()).first()).as_deref() == Some("macro_export")
        {
            return true;
        }
    }
    false
}

/// `(crate)`, `(super)`, `(self)` or `(in path)`, as after `pub`.
pub(crate) fn is_visibility(g: &Group) -> bool {
    let inside = list(g.stream());
    g.delimiter() == Delimiter::Parenthesis
        && match name_of(inside.first()).as_deref() {
            Some("crate" | "super" | "self") => inside.len() == 1,
            first => first == Some("in"),
        }
}

/// Whether a `cfg` predicate holds in test builds only.
pub(crate) fn implies_test(predicate: &[TokenTree]) -> bool {
    match (
        name_of(predicate.first()).as_deref(),
        group(predicate.get(1)),
    ) {
        (Some("test"), None) => true,
        (Some("all"), Some(g)) => list(g.stream())
            .split(|t| is_punct(Some(t), ','))
            .any(implies_test),
        _ => false,
    }
}

/// The index of the first `c` from `start` on.
pub(crate) fn until(tokens: &[TokenTree], start: usize, c: char) -> usize {
    (start..tokens.len())
        .find(|i| is_punct(tokens.get(*i), c))
        .unwrap_or(tokens.len())
}

/// The index after the item, field or expression that starts at `start`.
pub(crate) fn item_end(tokens: &[TokenTree], start: usize) -> usize {
    let mut i = start;
    loop {
        if let Some((_, next)) = is_punct(tokens.get(i), '#')
            .then(|| attribute(tokens, i))
            .flatten()
        {
            i = next;
        } else if name_of(tokens.get(i)).as_deref() == Some("pub") {
            i += 1 + usize::from(group(tokens.get(i + 1)).is_some_and(is_visibility));
        } else {
            break;
        }
    }
    let word = name_of(tokens.get(i)).unwrap_or_default();
    let next = name_of(tokens.get(i + 1)).unwrap_or_default();
    let after = |ends: &[char], brace: bool| {
        let end = (i..tokens.len()).find(|k| {
            ends.iter().any(|c| is_punct(tokens.get(*k), *c))
                || brace && group(tokens.get(*k)).is_some_and(|g| g.delimiter() == Delimiter::Brace)
        });
        end.map_or(tokens.len(), |e| e + 1)
    };
    match word.as_str() {
        "const" if matches!(next.as_str(), "fn" | "unsafe" | "async" | "extern") => {
            after(&[';'], true)
        }
        "use" | "let" | "const" | "static" | "type" => after(&[';'], false),
        "fn" | "mod" | "impl" | "struct" | "enum" | "trait" | "union" | "unsafe" | "async"
        | "extern" | "macro_rules" => after(&[';'], true),
        // A field, a variant, a match arm, a statement.
        _ => after(&[';', ','], true),
    }
}
