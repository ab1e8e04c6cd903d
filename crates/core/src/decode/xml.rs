//! XML 1.0, as far as documents in SIP bodies use it: elements, attributes and text, pulled one by one.
//!
//! A document type is refused, so there are no entities but the five that every document has (4.6) and characters by
//! number (4.1): nothing expands to more than it was written as, and nothing outside the document is asked for. Names
//! are given without their namespace prefix: prefixes are the sender's choice, and senders get the namespaces wrong.

use std::borrow::Cow;

use memchr::memmem;
use smallvec::SmallVec;

/// Longest document that is read. Recording metadata (RFC 7865) of a conference of thirty has some 30,000 octets.
pub(crate) const MAX_DOCUMENT: usize = 128 * 1024;

/// Deepest nesting that is read. Recording metadata nest four deep, and six with what vendors put in.
pub(crate) const MAX_DEPTH: usize = 16;

/// What a document consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token<'a> {
    /// A start tag. That of an empty element is followed by a [`Token::Close`] too.
    Open(Element<'a>),
    /// Character data or a CDATA section, entities resolved.
    Text(Cow<'a, str>),
    /// The end of the element that was opened last.
    Close,
}

/// A start tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Element<'a> {
    /// Without prefix.
    pub(crate) name: &'a str,
    attributes: &'a str,
}

/// Why a document is read no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    /// Not well-formed from here on, or cut short.
    Malformed,
    /// A document type declaration.
    DocumentType,
    /// Elements nest deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Longer than [`MAX_DOCUMENT`].
    TooLong,
}

/// Reads a document from its beginning. Each octet is looked at a bounded number of times.
pub(crate) struct Reader<'a> {
    rest: &'a str,
    /// Qualified names of the elements that are open.
    open: SmallVec<[&'a str; 8]>,
    /// An empty element was told and is to be closed.
    closing: bool,
    ended: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `document`.
    pub(crate) fn new(document: &'a str) -> Self {
        let document = document.strip_prefix('\u{feff}').unwrap_or(document);
        Self { rest: document, open: SmallVec::new(), closing: false, ended: false }
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next token; `None` behind the root element, and after damage was told.
    pub(crate) fn next(&mut self) -> Option<Result<Token<'a>, Damage>> {
        if self.ended {
            return None;
        }
        if self.rest.len() > MAX_DOCUMENT {
            return Some(self.stop(Damage::TooLong));
        }
        if std::mem::take(&mut self.closing) {
            return Some(Ok(self.close()));
        }
        loop {
            let Some(markup) = self.rest.strip_prefix('<') else {
                let end = memchr::memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                if rest.is_empty() {
                    return Some(self.stop(Damage::Malformed));
                }
                self.rest = rest;
                // Outside the root there is white space alone, or something is wrong.
                match self.open.is_empty() {
                    true if text.trim_ascii().is_empty() => continue,
                    true => return Some(self.stop(Damage::Malformed)),
                    false => return Some(Ok(Token::Text(unescape(text)))),
                }
            };
            if let Some(comment) = markup.strip_prefix("!--") {
                match split(comment, "-->") {
                    Some((_, rest)) => self.rest = rest,
                    None => return Some(self.stop(Damage::Malformed)),
                }
            } else if let Some(instruction) = markup.strip_prefix('?') {
                match split(instruction, "?>") {
                    Some((_, rest)) => self.rest = rest,
                    None => return Some(self.stop(Damage::Malformed)),
                }
            } else if let Some(section) = markup.strip_prefix("![CDATA[").filter(|_| !self.open.is_empty()) {
                let Some((text, rest)) = split(section, "]]>") else {
                    return Some(self.stop(Damage::Malformed));
                };
                self.rest = rest;
                return Some(Ok(Token::Text(Cow::Borrowed(text))));
            } else if markup.starts_with('!') {
                return Some(self.stop(Damage::DocumentType));
            } else if let Some(tag) = markup.strip_prefix('/') {
                let Some((name, rest)) = split(tag, ">") else { return Some(self.stop(Damage::Malformed)) };
                if self.open.last() != Some(&name.trim_ascii_end()) {
                    return Some(self.stop(Damage::Malformed));
                }
                self.rest = rest;
                return Some(Ok(self.close()));
            } else {
                return match self.start_tag(markup) {
                    Ok(element) => Some(Ok(Token::Open(element))),
                    Err(damage) => Some(self.stop(damage)),
                };
            }
        }
    }

    fn stop(&mut self, damage: Damage) -> Result<Token<'a>, Damage> {
        self.ended = true;
        Err(damage)
    }

    fn close(&mut self) -> Token<'a> {
        self.open.pop();
        self.ended = self.open.is_empty();
        Token::Close
    }

    fn start_tag(&mut self, markup: &'a str) -> Result<Element<'a>, Damage> {
        let end = end_of_tag(markup).ok_or(Damage::Malformed)?;
        let (tag, rest) = markup.split_at(end);
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name_end = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(name_end);
        if name.is_empty() || name.contains(['"', '\'', '=', '&', '<', '/']) {
            return Err(Damage::Malformed);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(Damage::TooDeep);
        }
        self.open.push(name);
        self.closing = empty;
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(Element { name: local(name), attributes })
    }
}

impl<'a> Element<'a> {
    /// The value of an attribute, entities resolved; the first one when a sender has it twice.
    pub(crate) fn attribute(&self, wanted: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.attributes;
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_ascii_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = after.get(1..)?.split_once(quote)?;
            if local(name.trim_ascii()) == wanted {
                return Some(unescape(value));
            }
            rest = after;
        }
    }
}

/// A name without its prefix (Namespaces in XML, 4).
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// What stands before and behind the first `mark`.
fn split<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let at = memmem::find(text.as_bytes(), mark.as_bytes())?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

/// Where the `>` stands that ends a tag: one in quotes doesn't.
fn end_of_tag(markup: &str) -> Option<usize> {
    let octets = markup.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', octets.get(at..)?)?;
        match octets.get(at)? {
            b'>' => return Some(at),
            quote => at += 2 + memchr::memchr(*quote, octets.get(at + 1..)?)?,
        }
    }
}

/// Resolves the five entities and characters by number. Anything else behind an ampersand stands as written: what it is
/// short for, no document that we read can say.
fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, reference)) = rest.split_once('&') {
        out.push_str(plain);
        rest = reference;
        // The longest that is one is `#1114111`.
        let end = reference.bytes().take(9).position(|b| b == b';');
        let name = end.and_then(|end| reference.get(..end));
        match name.and_then(character) {
            Some(character) => {
                out.push(character);
                rest = reference.get(name.map_or(0, str::len) + 1..).unwrap_or_default();
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            // 2.2: of the controls, a document may hold these three alone.
            char::from_u32(number).filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))?
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(document: &str) -> (String, Option<Damage>) {
        let mut reader = Reader::new(document);
        let mut out = String::new();
        while let Some(token) = reader.next() {
            match token {
                Ok(Token::Open(element)) => {
                    out.push('<');
                    out += element.name;
                    out.extend(element.attribute("a").map(|value| format!(" {value}")));
                    out.push('>');
                }
                Ok(Token::Text(text)) => out += &text,
                Ok(Token::Close) => out.push('/'),
                Err(damage) => return (out, Some(damage)),
            }
        }
        (out, None)
    }

    #[test]
    fn elements_attributes_and_text() {
        let document = "\u{feff}<?xml version='1.0'?>\n<!-- <x> -->\n<r:recording xmlns:r='u' a = \"1>2\">\
            <name r:a='&lt;&#x2B;&#51;'>B&amp;B &unknown; &#0;</name><label/><![CDATA[<&amp;>]]></r:recording >trailing";
        assert_eq!(
            read(document),
            ("<recording 1>2><name <+3>B&B &unknown; &#0;/<label>/<&amp;>/".into(), None)
        );
    }

    #[test]
    fn a_document_type_is_refused_before_any_entity_is_read() {
        let laughs = "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><r>&b;</r>";
        assert_eq!(read(laughs), (String::new(), Some(Damage::DocumentType)));
        let inside = "<r><!ENTITY a SYSTEM 'file:///etc/passwd'>&a;</r>";
        assert_eq!(read(inside).1, Some(Damage::DocumentType));
        assert_eq!(read("<r>&a;</r>").0, "<r>&a;/", "an entity that nobody declared stands as written");
    }

    #[test]
    fn limits_bite() {
        let nested = |n: usize| "<a>".repeat(n) + &"</a>".repeat(n);
        assert_eq!(read(&nested(MAX_DEPTH)).1, None);
        assert_eq!(read(&nested(MAX_DEPTH + 1)).1, Some(Damage::TooDeep));
        let long = |n: usize| format!("<a>{}</a>", " ".repeat(n - 7));
        assert_eq!(read(&long(MAX_DOCUMENT)).1, None);
        assert_eq!(read(&long(MAX_DOCUMENT + 1)).1, Some(Damage::TooLong));
    }

    #[test]
    fn what_is_not_well_formed_ends_the_reading() {
        for (document, good) in [
            ("", ""),
            ("text", ""),
            ("text<a/>", ""),
            ("<a", ""),
            ("<a b='>", ""),
            ("<>", ""),
            ("<a><b></a></b>", "<a><b>"),
            ("<a>half", "<a>"),
            ("<a><!-- half", "<a>"),
            ("<a><![CDATA[half", "<a>"),
            ("<![CDATA[x]]>", ""),
        ] {
            let (out, damage) = read(document);
            assert_eq!((&*out, damage.is_some()), (good, true), "{document}");
        }
        assert_eq!(Reader::new("<a b c='1'/>").next().map(|t| t.is_ok()), Some(true));
    }

    proptest! {
        #[test]
        fn any_text(text in "(?s).{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn any_markup(text in "[<>/!?='\"a&#;x0 \\-\\[\\]]{0,120}") {
            let (out, _) = read(&text);
            prop_assert!(out.len() <= 4 * text.len() + 4, "nothing expands");
        }

        #[test]
        fn text_round_trips(text in "[^\\x00-\\x1f\\x7f-\\x9f]{1,40}") {
            let escaped: String = text.chars().fold(String::new(), |out, c| out + &format!("&#{};", c as u32));
            let (out, damage) = read(&format!("<a>{escaped}</a>"));
            prop_assert_eq!((out, damage), (format!("<a>{text}/"), None));
        }
    }
}
