//! Keywords: fold a text, find words in it.
//!
//! A keyword is met by the *folded* text, in which spellings that look alike to a reader are alike: full-width letters,
//! decomposed accents, soft hyphens, zero-width joiners, direction marks, doubled spaces. Whether the text also holds
//! the keyword exactly as the warrant writes it is then told by the hit's [`Form`]. Folding never makes two different
//! letters one: `café` is not `cafe`, however its accent is encoded.
//!
//! A text that is not met that way is looked at once more for what it *looks like* (UTS #39): letters of other scripts
//! and digits that stand for others. Such a hit says so: it is a flag, not a verdict.

mod skeleton;

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use icu_casemap::CaseMapper;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use smallvec::SmallVec;
use thiserror::Error;
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use skeleton::skeleton;

/// Characters that a keyword may have: a warrant names words, not letters to be recognised.
const MAX_KEYWORD: usize = 256;

/// How a criterion was met.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Form {
    /// By the text as it was sent.
    Raw,
    /// Only once the text was folded.
    Normalised,
    /// Only by what the text looks like.
    Skeleton,
}

impl Form {
    /// Stable name for records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Normalised => "normalised",
            Self::Skeleton => "skeleton",
        }
    }
}

/// Why keywords are refused. Never holds the keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum KeywordError {
    #[error("keyword {0} is empty, or holds nothing that can be seen: it would select everybody")]
    Empty(usize),
    #[error("keyword {0} is longer than 256 characters")]
    TooLong(usize),
    #[error("the keywords together are too large for one index")]
    TooMany,
}

/// Criteria met, each with its form.
pub(crate) type Hits = SmallVec<[(u32, Form); 2]>;

/// The keywords of all admitted tasks, searched for in one pass.
#[derive(Clone)]
pub(crate) struct Keywords {
    folded: AhoCorasick,
    /// Skeletons: of each keyword and of its capitals, which look otherwise.
    skeletons: AhoCorasick,
    /// The keyword of each skeleton.
    of_skeleton: Vec<usize>,
    words: Vec<Keyword>,
}

#[derive(Clone)]
struct Keyword {
    raw: Box<str>,
    whole_word: bool,
}

impl std::fmt::Debug for Keywords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keywords({})", self.words.len())
    }
}

impl Keywords {
    /// From keywords as warrants write them, each with whether only the whole word counts. A keyword's place here is
    /// its criterion number in [`Self::find`].
    pub(crate) fn new(keywords: &[(&str, bool)]) -> Result<Self, KeywordError> {
        let mut folded = Vec::with_capacity(keywords.len());
        let mut words = Vec::with_capacity(keywords.len());
        for (index, (keyword, whole_word)) in keywords.iter().enumerate() {
            let raw = keyword.trim();
            if raw.chars().count() > MAX_KEYWORD {
                return Err(KeywordError::TooLong(index));
            }
            let text = fold(raw);
            let text = text.as_ref().trim();
            if text.is_empty() {
                return Err(KeywordError::Empty(index));
            }
            folded.push(text.to_owned());
            words.push(Keyword { raw: raw.into(), whole_word: *whole_word });
        }
        let (mut skeletons, mut of_skeleton) = (Vec::new(), Vec::new());
        for (index, keyword) in words.iter().enumerate() {
            let mut forms = vec![skeleton(&keyword.raw), skeleton(&keyword.raw.to_uppercase())];
            forms.dedup();
            // What is left of a keyword of loose marks alone would be met by everybody.
            forms.retain(|form| !form.trim().is_empty());
            of_skeleton.extend(forms.iter().map(|_| index));
            skeletons.extend(forms.iter().map(|form| form.trim().to_owned()));
        }
        let skeletons = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&skeletons)
            .map_err(|_| KeywordError::TooMany)?;
        let folded = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            // An ASCII text without runs of space differs from its folded form in nothing but case: see `find`.
            .ascii_case_insensitive(true)
            .build(&folded)
            .map_err(|_| KeywordError::TooMany)?;
        Ok(Self { folded, skeletons, of_skeleton, words })
    }

    /// The keywords that `text` holds, each once.
    pub(crate) fn find(&self, text: &str) -> Hits {
        let mut hits = Hits::new();
        if self.words.is_empty() {
            return hits;
        }
        let folded = if is_plain(text) { Cow::Borrowed(text) } else { fold(text).0 };
        for found in self.folded.find_overlapping_iter(folded.as_ref()) {
            let index = found.pattern().as_usize();
            let id = index as u32;
            let keyword = &self.words[index];
            if hits.iter().any(|(hit, _)| *hit == id)
                || (keyword.whole_word && !is_whole(&folded, found.start(), found.end()))
            {
                continue;
            }
            hits.push((id, if keyword.is_in(text) { Form::Raw } else { Form::Normalised }));
        }
        if hits.len() < self.words.len() && !is_only_letters(text) {
            self.find_skeletons(text, &mut hits);
        }
        hits
    }

    /// Adds the keywords that `text` only looks like.
    fn find_skeletons(&self, text: &str, hits: &mut Hits) {
        let like = skeleton(text);
        for found in self.skeletons.find_overlapping_iter(&like) {
            let Some(index) = self.of_skeleton.get(found.pattern().as_usize()).copied() else { continue };
            let (id, keyword) = (index as u32, &self.words[index]);
            if !hits.iter().any(|(hit, _)| *hit == id)
                && (!keyword.whole_word || is_whole(&like, found.start(), found.end()))
            {
                hits.push((id, Form::Skeleton));
            }
        }
    }
}

impl Keyword {
    /// Whether `text` holds the keyword as the warrant writes it.
    fn is_in(&self, text: &str) -> bool {
        memchr::memmem::find_iter(text.as_bytes(), self.raw.as_bytes())
            .any(|at| !self.whole_word || is_whole(text, at, at + self.raw.len()))
    }
}

/// No letter or digit on either side.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// ASCII without a digit or sign that looks like a letter: its skeleton is its folded form, which was searched.
fn is_only_letters(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphabetic() || matches!(b, b' ' | b'\n' | b'\r' | b',' | b'.' | b'!' | b'?'))
}

/// ASCII in which folding changes nothing but case. Nearly every text.
fn is_plain(text: &str) -> bool {
    let mut after_space = false;
    text.bytes().all(|b| {
        let space = b == b' ';
        let plain = b.is_ascii() && !(space && after_space) && !matches!(b, b'\t'..=b'\r');
        after_space = space;
        plain
    })
}

/// A text in folded form.
pub(crate) struct Folded<'a>(Cow<'a, str>);

impl AsRef<str> for Folded<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// NFKC, full case folding, no default-ignorable code points (UAX #44), one space for each run of white space.
/// In effect `toNFKC_Casefold` (Unicode, 3.13), done once more until it is stable.
pub(crate) fn fold(text: &str) -> Folded<'_> {
    let mut folded = fold_once(text);
    // Case folding may leave a sequence that composes, and composing one that folds: twice is always enough in
    // practice; the bound keeps a surprise in new Unicode data from becoming a loop.
    for _ in 0..3 {
        if is_nfkc(&folded) && !folded.chars().any(char::is_uppercase) {
            break;
        }
        folded = Cow::Owned(fold_once(&folded).into_owned());
    }
    Folded(folded)
}

fn fold_once(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    // Ignorables go first: one between a letter and its accent would keep the two from composing.
    let visible: String = text.chars().filter(|c| c.is_ascii() || !ignorable.contains(*c)).nfkc().collect();
    let cased = CaseMapper::new().fold_string(&visible);
    let mut out = String::with_capacity(cased.len());
    let mut after_space = false;
    for c in cased.nfkc() {
        let space = c.is_whitespace();
        if !space {
            out.push(c);
        } else if !after_space {
            out.push(' ');
        }
        after_space = space;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(keyword: &str, whole_word: bool, text: &str) -> Option<Form> {
        Keywords::new(&[(keyword, whole_word)]).expect("keyword").find(text).first().map(|(_, form)| *form)
    }

    #[test]
    fn p50_look_alikes_are_met_and_said_so() {
        for (keyword, text) in [
            // Cyrillic а, о; capitals Н, А, В, О; Greek capitals of the GSM alphabet have no Latin look-alike but Ο, Α.
            ("harbour", "h\u{430}rb\u{43e}ur"),
            ("harbour", "\u{41d}\u{410}R\u{412}\u{41e}UR"),
            ("harbour", "\u{397}ARB\u{39f}UR"),
            ("INFO", "\u{406}NF\u{41e}"),
            ("info", "\u{456}nf\u{3bf}"),
            ("harbour", "harb0ur"),
            ("hello", "he11o"),
            ("harbour", "h\u{336}a\u{336}r\u{336}b\u{336}o\u{336}u\u{336}r\u{336}"),
            ("\u{440}\u{430}\u{439}", "pa\u{439}"),
        ] {
            assert_eq!(form(keyword, true, text), Some(Form::Skeleton), "{text}");
        }
        assert_eq!(form("harbour", true, "h\u{430}rbour harbour"), Some(Form::Raw));
    }

    #[test]
    fn p50_an_honest_word_is_not_taken_for_another() {
        for (keyword, text) in [
            ("bum", "burn"),
            ("all", "ail 1 0"),
            ("corner", "comer 7"),
            ("cafe", "caf\u{e9}"),
            ("harbour", "h arb0ur"),
            ("ill", "\u{439}\u{439}"),
            // Joiners that a script needs leave its words what they are.
            ("\u{915}\u{94d}\u{937}", "\u{915}\u{937}"),
        ] {
            assert_eq!(form(keyword, true, text), None, "{text}");
        }
        // ZWJ and ZWNJ are legitimate in Indic scripts: with and without, it is the same word.
        assert_eq!(
            form("\u{915}\u{94d}\u{937}", true, "\u{915}\u{94d}\u{200d}\u{937}"),
            Some(Form::Normalised)
        );
        assert_eq!(
            form("\u{915}\u{94d}\u{200d}\u{937}", true, "\u{915}\u{94d}\u{200d}\u{937}"),
            Some(Form::Raw)
        );
    }

    #[test]
    fn p50_evasions_are_met_and_said_so() {
        for text in [
            "meet at HARBOUR",
            "har\u{200d}bour",
            "har\u{ad}bour",
            "h\u{200b}a\u{200b}r\u{200b}bour",
            "har\u{202e}bour\u{202c}",
            "h\u{2066}arbour",
            "ｈａｒｂｏｕｒ",
            "ＨＡＲＢＯＵＲ",
            "𝐡𝐚𝐫𝐛𝐨𝐮𝐫",
            "ⓗⓐⓡⓑⓞⓤⓡ",
            "harb\u{34f}our",
            "har\u{fe0f}bour",
            "har\u{e0061}bour",
        ] {
            assert_eq!(form("harbour", true, text), Some(Form::Normalised), "{text}");
        }
        assert_eq!(form("harbour", true, "to the harbour, now"), Some(Form::Raw));
        assert_eq!(form("Harbour", true, "harbour Harbour"), Some(Form::Raw));
        assert_eq!(form("old harbour", true, "old \t\n  harbour"), Some(Form::Normalised));
        assert_eq!(form("old harbour", true, "old\u{a0}harbour"), Some(Form::Normalised));
        assert_eq!(form("café", true, "cafe\u{301}"), Some(Form::Normalised));
        assert_eq!(form("STRASSE", true, "Straße"), Some(Form::Normalised));
        assert_eq!(form("ΣΊΣΥΦΟΣ", true, "Σίσυφος"), Some(Form::Normalised));
        assert_eq!(form("港", false, "去港口"), Some(Form::Raw));
    }

    #[test]
    fn other_words_are_not_met() {
        for (keyword, whole_word, text) in [
            ("harbour", true, "harbours"),
            ("harbour", true, "yharbour"),
            ("harbour", true, "harbour2"),
            ("harbour", true, "éharbour"),
            ("harbour", false, "harb our"),
            ("cafe", true, "café"),
            ("cafe", false, "cafe\u{301}"),
            ("harbour", false, ""),
        ] {
            assert_eq!(form(keyword, whole_word, text), None, "{text}");
        }
        assert_eq!(form("harbour", false, "harbours"), Some(Form::Raw));
        // The first occurrence is part of a longer word, the second isn't.
        assert_eq!(form("bour", true, "harbour bour"), Some(Form::Raw));
    }

    #[test]
    fn keywords_inside_each_other_are_all_met() {
        let keywords = Keywords::new(&[("bomb", false), ("bombe", false), ("omb", false), ("x", true)])
            .expect("keywords");
        let mut hits: Vec<u32> = keywords.find("Bombe bombe").iter().map(|(id, _)| *id).collect();
        hits.sort_unstable();
        assert_eq!(hits, [0, 1, 2]);
    }

    #[test]
    fn a_keyword_that_selects_everybody_is_refused() {
        for keyword in ["", " ", "\u{200b}", "\u{ad}\u{202e} \n"] {
            assert_eq!(
                Keywords::new(&[("word", true), (keyword, false)]).map(|_| ()),
                Err(KeywordError::Empty(1))
            );
        }
        let long = "a".repeat(257);
        assert_eq!(Keywords::new(&[(&long, true)]).map(|_| ()), Err(KeywordError::TooLong(0)));
        assert!(Keywords::new(&[]).expect("none").find("anything").is_empty());
    }

    proptest! {
        #[test]
        fn folding_is_stable(text in "\\PC*") {
            let once = fold(&text).as_ref().to_owned();
            let twice = fold(&once).as_ref().to_owned();
            prop_assert_eq!(twice, once);
        }

        #[test]
        fn never_panics(keyword in "\\PC{1,8}", text in "\\PC*", whole: bool) {
            if let Ok(keywords) = Keywords::new(&[(&keyword, whole)]) {
                let _ = keywords.find(&text);
            }
        }

        #[test]
        fn found_wherever_it_stands(before in "[ -~é\\u{200b}]{0,20}", after in "[ -~é\\u{200b}]{0,20}") {
            let text = format!("{before} harbour {after}");
            prop_assert_eq!(form("harbour", true, &text), Some(Form::Raw));
        }

        #[test]
        fn the_quick_way_agrees_with_the_long_one(text in "[a-cA-C \\t]{0,30}", whole: bool) {
            let keywords = Keywords::new(&[("ab", whole), ("a b", whole)]).expect("keywords");
            let quick = keywords.find(&text);
            let long = keywords.find(&format!("{text}\u{200b}"));
            prop_assert_eq!(quick, long);
        }
    }
}
