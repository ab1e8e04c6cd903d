//! What a text looks like: the skeleton of UTS #39, section 4, kept from seeing likeness where none is meant.
//!
//! The skeleton of the standard compares identifiers. Taken as it is for words, it would make `burn` look like `bum` and
//! `ail` like `all`, and would select texts of people who wrote an honest word. So an ASCII letter is what it is;
//! everything else (other scripts' letters, digits among letters, fancy forms) becomes what it looks like.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection;

use super::fold;

/// The skeleton of `text`, folded. Upper-case letters are looked at before folding and lower-case ones as they are:
/// the Cyrillic capital `Н` looks like `H`, its small form `н` like nothing Latin.
pub(super) fn skeleton(text: &str) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let visible: String = text.chars().filter(|c| c.is_ascii() || !ignorable.contains(*c)).nfkc().collect();
    let mut out = String::with_capacity(visible.len());
    for c in visible.chars().filter(|c| !is_loose_mark(*c)) {
        if c.is_ascii_alphabetic() || c.is_whitespace() {
            out.push(c);
            continue;
        }
        let mut buffer = [0; 4];
        let at = out.len();
        out.extend(confusable_detection::skeleton(c.encode_utf8(&mut buffer)));
        match &out[at..] {
            // The prototype of everything that looks like m; m itself was left alone.
            "rn" => out.replace_range(at.., "m"),
            // The prototype of everything that looks like I or l. What is a capital was meant for an I.
            "l" if c.is_uppercase() => out.replace_range(at.., "i"),
            _ => {}
        }
    }
    fold(&out).as_ref().to_owned()
}

/// A combining mark of general use that found no letter to compose with: struck through, circled, stacked. No
/// orthography with a precomposed letter needs it; marks that belong to a script are in its own block and stay.
const fn is_loose_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}
