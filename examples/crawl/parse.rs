//! What a page says: its title, and what it links to. Plain code that computes: `visit.rs` runs it on the CPU pool.
//!
//! html5gum reads HTML as the standard says (WHATWG, 13.2.5), tag soup included: what stands in comments and scripts is no link. Links that scripts make are not seen, nor is
//! whether the part behind `#` exists: scripts make many of those, too.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use std::collections::BTreeSet;
use std::convert::Infallible;
use url::Url;

/// A longer title is cut.
const LONGEST_TITLE: usize = 200;

/// What a page says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) title: String,
    /// Addresses in full, without the part behind `#`; each once, in order.
    pub(crate) links: BTreeSet<String>,
}

/// Reads the page that came from `url`.
pub(crate) fn page(html: &[u8], url: &Url) -> Page {
    let mut reader = Reader {
        base: url.clone(),
        has_base: false,
        page: Page::default(),
        tag: Vec::new(),
        attribute: Vec::new(),
        link: None,
        hint: false,
        in_title: false,
    };
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        reader.read(event);
        None::<Infallible>
    });
    // Without a tree of elements: scripts and styles are told from text by their tags.
    emitter.naively_switch_states(true);
    // Infallible: the page is in memory.
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    reader.page
}

struct Reader {
    base: Url,
    has_base: bool,
    page: Page,
    tag: Vec<u8>,
    attribute: Vec<u8>,
    /// What the tag that is being read leads to.
    link: Option<String>,
    /// It only speeds up what comes later.
    hint: bool,
    in_title: bool,
}

impl Reader {
    fn read(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = name.to_vec();
                self.link = None;
                self.hint = false;
            }
            CallbackEvent::AttributeName { name } => self.attribute = name.to_vec(),
            CallbackEvent::AttributeValue { value } => {
                // Of two, the first one counts.
                if self.link.is_none() && leads_on(&self.tag, &self.attribute) {
                    self.link = Some(String::from_utf8_lossy(value).into_owned());
                }
                if self.tag == b"link" && self.attribute == b"rel" {
                    self.hint = matches!(value, b"preconnect" | b"dns-prefetch");
                }
            }
            CallbackEvent::CloseStartTag { .. } => self.close_tag(),
            CallbackEvent::EndTag { name } if name == b"title" => self.in_title = false,
            CallbackEvent::String { value } if self.in_title => self.title(value),
            _ => {}
        }
    }

    fn close_tag(&mut self) {
        // The first title is the page's; others belong to pictures in it.
        self.in_title = self.tag == b"title" && self.page.title.is_empty();
        let Some(link) = self.link.take().filter(|_| !self.hint) else {
            return;
        };
        // What cannot be read as an address is no link that anybody could follow.
        let Ok(mut target) = self.base.join(link.trim_ascii()) else {
            return;
        };
        target.set_fragment(None);
        if self.tag == b"base" {
            if !self.has_base {
                (self.base, self.has_base) = (target, true);
            }
        } else if matches!(target.scheme(), "http" | "https") {
            self.page.links.insert(target.into());
        }
    }

    fn title(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        self.page.title = words.join(" ").chars().take(LONGEST_TITLE).collect();
    }
}

/// Whether the attribute names something that is fetched, or that a reader can go to.
fn leads_on(tag: &[u8], attribute: &[u8]) -> bool {
    match attribute {
        b"href" => matches!(tag, b"a" | b"area" | b"link" | b"base"),
        b"src" => matches!(
            tag,
            b"img"
                | b"script"
                | b"iframe"
                | b"frame"
                | b"embed"
                | b"source"
                | b"audio"
                | b"video"
                | b"track"
                | b"input"
        ),
        b"data" => tag == b"object",
        b"poster" => tag == b"video",
        _ => false,
    }
}
