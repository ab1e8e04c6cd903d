//! Header fields of a message (RFC 5322 2.2), folded as they come; UTF-8 in them is RFC 6532.

use memchr::memchr;

/// Octets of a header. Servers refuse longer ones (Postfix's `header_size_limit` is 102,400 a field, Exchange's 65,536
/// in all); what stands behind is body to us.
pub(crate) const MAX_HEADER: usize = 64 << 10;

/// Where the header of `octets` ends, behind its empty line; `from` octets of it were looked at before.
pub(crate) fn end(octets: &[u8], from: usize) -> Option<usize> {
    // A message may begin with the empty line: then it has no header.
    let mut at = match octets {
        [b'\n', ..] => return Some(1),
        [b'\r', b'\n', ..] => return Some(2),
        _ => from.saturating_sub(3),
    };
    while let Some(found) = memchr(b'\n', octets.get(at..)?) {
        at += found + 1;
        match octets.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// A field: name and body, still folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Field<'_> {
    /// Whether it has this name, in any case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Its body on one line: a fold is the white space that begins the next line (RFC 5322 2.2.3). Octets that are no
    /// UTF-8 are Latin-1 in practice.
    pub(crate) fn unfolded(&self) -> String {
        let kept = self.body.iter().filter(|b| !matches!(b, b'\r' | b'\n')).copied();
        let octets: Vec<u8> = kept.collect();
        let text = String::from_utf8(octets)
            .unwrap_or_else(|error| error.as_bytes().iter().map(|b| char::from(*b)).collect());
        text.trim().to_owned()
    }
}

/// Every field of a header. Lines that are none (an mbox `From ` line, damage) are passed over.
pub(crate) fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, after) = rest.split_at(folded(rest));
            rest = after;
            if matches!(line, b"\n" | b"\r\n") {
                rest = &[];
                return None;
            }
            let Some(colon) = memchr(b':', line) else { continue };
            let name = line[..colon].trim_ascii_end();
            // RFC 5322 2.2: printable octets but the colon.
            if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
                return Some(Field { name, body: &line[colon + 1..] });
            }
        }
        None
    })
}

/// Octets of the first line with those that continue it.
fn folded(octets: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &octets[at..]) {
        at += end + 1;
        if !matches!(octets.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    octets.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folded_fields_come_on_one_line() {
        let header = b"From a Mon\r\nSubject: one\r\n two\r\n\tthree\r\nX : y\r\nbad line\r\nTo: a@b\r\n\r\nCc: body\r\n";
        let found: Vec<_> = fields(header).map(|f| (f.name.to_vec(), f.unfolded())).collect();
        let wanted = [("Subject", "one two\tthree"), ("X", "y"), ("To", "a@b")];
        assert_eq!(found, wanted.map(|(name, body)| (name.as_bytes().to_vec(), body.to_owned())));
        assert_eq!(end(header, 0), Some(header.len() - 10));
        assert_eq!(end(b"\r\nbody", 0), Some(2));
        assert_eq!(end(b"A: b\n\nbody", 0), Some(6));
        assert_eq!(end(b"A: b\r\n", 0), None);
    }

    #[test]
    fn octets_that_are_no_utf8_are_latin_1() {
        assert_eq!(Field { name: b"S", body: b" caf\xe9" }.unfolded(), "café");
        assert_eq!(Field { name: b"S", body: " δοκιμή".as_bytes() }.unfolded(), "δοκιμή");
    }

    proptest! {
        #[test]
        fn the_end_is_found_in_any_pieces(text in "[a:\r\n ]{0,40}", cut in any::<prop::sample::Index>()) {
            let octets = text.as_bytes();
            let whole = end(octets, 0);
            let cut = cut.index(octets.len() + 1);
            let pieces = end(&octets[..cut], 0).or_else(|| end(octets, cut));
            prop_assert_eq!(pieces, whole);
            prop_assert!(fields(octets).count() <= octets.len());
        }
    }
}
