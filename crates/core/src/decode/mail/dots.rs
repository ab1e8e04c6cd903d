//! Transparency (RFC 5321 4.5.2, RFC 1939 3): a text ends with a line of one dot, and a line that begins with a dot
//! was sent with one more. Works on whatever pieces the network brings, and holds three octets at most.

use memchr::memchr;

/// Where in a line we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// At the beginning of a line.
    Start,
    /// Inside a line.
    Inside,
    /// After a dot that begins a line.
    Dot,
    /// After that dot and a CR.
    DotCr,
}

/// The state of one text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dots(At);

impl Dots {
    /// At the beginning of a text: an empty one has no line before its final dot.
    pub(crate) const START: Self = Self(At::Start);

    /// Somewhere in a line: octets before are missing.
    pub(crate) const INSIDE: Self = Self(At::Inside);

    /// Takes octets and gives the text's own to `emit`. Returns how many were taken, and whether the text ended with
    /// the last of them.
    pub(crate) fn data(&mut self, octets: &[u8], emit: &mut impl FnMut(&[u8])) -> (usize, bool) {
        let mut from = 0;
        let mut at = 0;
        while at < octets.len() {
            let octet = octets[at];
            self.0 = match (self.0, octet) {
                (At::Start, b'.') => {
                    // The stuffed dot is not the text's.
                    emit(&octets[from..at]);
                    from = at + 1;
                    At::Dot
                }
                (At::Dot, b'\r') => {
                    from = at + 1;
                    At::DotCr
                }
                // A bare LF ends a line for some servers; what they take as the end is the end.
                (At::Dot | At::DotCr, b'\n') => return (at + 1, true),
                (At::DotCr, b'\r') => {
                    emit(b"\r");
                    from = at + 1;
                    At::DotCr
                }
                (At::DotCr, _) => {
                    emit(b"\r");
                    from = at;
                    At::Inside
                }
                (_, b'\n') => At::Start,
                _ => At::Inside,
            };
            at += 1;
            if self.0 == At::Inside {
                // Most octets are inside a line, and nothing is to be told before its end.
                at += memchr(b'\n', &octets[at..]).unwrap_or(octets.len() - at);
            }
        }
        if self.0 != At::DotCr {
            emit(&octets[from..]);
        }
        (octets.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> (Vec<u8>, usize, bool) {
        let (mut dots, mut text, mut used) = (Dots::START, Vec::new(), 0);
        for piece in pieces {
            let (taken, ended) = dots.data(piece, &mut |octets| text.extend_from_slice(octets));
            used += taken;
            if ended {
                return (text, used, true);
            }
        }
        (text, used, false)
    }

    #[test]
    fn stuffed_dots_are_taken_out_and_the_last_line_ends_the_text() {
        let sent = b"a\r\n..b\r\n.\r\nQUIT\r\n";
        assert_eq!(read(&[sent]), (b"a\r\n.b\r\n".to_vec(), 11, true));
        assert_eq!(read(&[b".\r\n"]), (vec![], 3, true));
        assert_eq!(read(&[b"a\n.\n"]), (b"a\n".to_vec(), 4, true));
        assert_eq!(read(&[b"x.\r\n.y\r\n"]), (b"x.\r\ny\r\n".to_vec(), 8, false));
        assert_eq!(read(&[b".\rz\r\n.\r\n"]), (b"\rz\r\n".to_vec(), 8, true));
    }

    /// What a sender does (RFC 5321 4.5.2).
    fn stuffed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in text.split_inclusive(|b| *b == b'\n') {
            if line.first() == Some(&b'.') {
                out.push(b'.');
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_back_in_any_pieces(
            lines in proptest::collection::vec("[.\ra]{0,5}", 0..8), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text: Vec<u8> = lines.iter().flat_map(|l| [l.as_bytes(), b"\r\n"].concat()).collect();
            let sent = stuffed(&text);
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(sent.len())).collect();
            at.extend([0, sent.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &sent[w[0]..w[1]]).collect();
            prop_assert_eq!(read(&pieces), (text, sent.len(), true));
        }
    }
}
