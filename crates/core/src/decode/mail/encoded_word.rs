//! Encoded words (RFC 2047): `=?charset?B?…?=` and `=?charset?Q?…?=`.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::Encoding;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An unfolded field body with its encoded words read. What can't be read stays as it is.
pub(crate) fn decode(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    // Neighbours of one charset are joined before they are read: writers split letters between words.
    let mut run: Option<(&'static Encoding, Vec<u8>)> = None;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let Some((encoding, octets, length)) = word(from) else {
            flush(&mut run, &mut out);
            out.push_str(before);
            out.push_str("=?");
            rest = &from[2..];
            continue;
        };
        // White space between two encoded words is not shown (RFC 2047 6.2).
        if run.is_none() || !before.trim().is_empty() {
            flush(&mut run, &mut out);
            out.push_str(before);
        }
        match &mut run {
            Some((current, joined)) if *current == encoding => joined.extend_from_slice(&octets),
            _ => {
                flush(&mut run, &mut out);
                run = Some((encoding, octets));
            }
        }
        rest = &from[length..];
    }
    flush(&mut run, &mut out);
    out.push_str(rest);
    out
}

fn flush(run: &mut Option<(&'static Encoding, Vec<u8>)>, out: &mut String) {
    if let Some((encoding, octets)) = run.take() {
        out.push_str(&encoding.decode_without_bom_handling(&octets).0);
    }
}

/// Characters of one encoded word. RFC 2047 2 allows 75; some writers make one long word of a whole subject.
const MAX_WORD: usize = 2048;

/// An encoded word at the head of `text`: its charset, its octets, its length.
fn word(text: &str) -> Option<(&'static Encoding, Vec<u8>, usize)> {
    let mut letters = text.char_indices().take(MAX_WORD);
    let end = letters.find(|(_, c)| c.is_whitespace() || c.is_control()).map(|(at, _)| at);
    let end = end.or_else(|| text.char_indices().nth(MAX_WORD).map(|(at, _)| at)).unwrap_or(text.len());
    let inner = text[..end].strip_prefix("=?")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, method, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let encoded = &rest[..rest.find("?=")?];
    // RFC 2231 5: a language may follow the charset.
    let label = charset.split_once('*').map_or(charset, |(label, _)| label);
    let encoding = Encoding::for_label(label.as_bytes())?;
    let octets = match method {
        "B" | "b" => BASE64.decode(encoded).ok()?,
        "Q" | "q" => quoted(encoded.as_bytes()),
        _ => return None,
    };
    let length = 2 + charset.len() + 1 + method.len() + 1 + encoded.len() + 2;
    Some((encoding, octets, length))
}

/// The Q encoding (RFC 2047 4.2). A sign of damage stays as it is.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high) << 4 | digit(*low));
                rest = tail;
            }
            (other, _) => out.push(*other),
        }
    }
    out
}

fn digit(hex: u8) -> u8 {
    char::from(hex).to_digit(16).map_or(0, |d| d as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_rfc_2047() {
        for (field, wanted) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=   =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
            ("Re: =?utf-8*fr?Q?=C3=A9t=C3=A9?=", "Re: été"),
            // One letter split between two words.
            ("=?utf-8?B?w6k=?= =?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "éé"),
            ("=?nonsense?Q?a?= =?utf-8?X?a?= =?utf-8?Q?a", "=?nonsense?Q?a?= =?utf-8?X?a?= =?utf-8?Q?a"),
            ("=?utf-8?Q?a=zz=4?=", "a=zz=4"),
        ] {
            assert_eq!(decode(field), wanted, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_read_without_panic(field in "\\PC{0,60}", signs in "[=?QBqbutf8\\- _]{0,60}") {
            _ = (decode(&field), decode(&signs));
        }

        #[test]
        fn what_was_encoded_comes_back(text in "\\PC{0,20}") {
            let word = format!("=?UTF-8?B?{}?=", BASE64.encode(&text));
            prop_assert_eq!(decode(&word), text);
        }
    }
}
