//! SIP in a stream, message by message: remembers what was looked at, so that a message that comes an octet a segment
//! is not read again from its start each time.

use crate::decode::{Framing, http, sip};

/// What is known of the unfinished message at the head of the stream. Holds no octet of it.
#[derive(Default)]
pub(crate) struct SipStream {
    /// Octets in which no header section has ended.
    seen: usize,
    /// The first line is there.
    begun: bool,
    /// Octets of the whole message, once its header section is there.
    length: Option<usize>,
}

impl SipStream {
    /// Says what stands at the head of the stream; `octets` are those of the last call, unless it said more than
    /// [`Framing::NeedMore`], and what has come since.
    pub(crate) fn frame(&mut self, octets: &[u8]) -> Framing {
        if !self.may_tell_more(octets) {
            self.seen = octets.len();
            return Framing::NeedMore;
        }
        let framing = sip::frame(octets);
        *self = match framing {
            Framing::NeedMore => Self {
                seen: octets.len(),
                begun: memchr::memchr(b'\n', octets).is_some(),
                length: sip::length(octets),
            },
            _ => Self::default(),
        };
        framing
    }

    fn may_tell_more(&self, octets: &[u8]) -> bool {
        if let Some(length) = self.length {
            return octets.len() >= length;
        }
        // Beyond these the decoder gives up, whatever the octets are.
        let limit = if self.begun { sip::MAX_HEADERS } else { sip::MAX_START_LINE };
        self.seen == 0 || octets.len() > limit || http::more_to_tell(octets, self.seen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] =
        b"MESSAGE sip:a@b.example SIP/2.0\r\nCall-ID: c\r\nContent-Length: 9\r\n\r\n\r\n123\r\n\r\n";

    /// Messages found in a stream that comes in these pieces, and how often the decoder was asked.
    fn read(stream: &[u8], sizes: &[usize]) -> (Vec<usize>, usize) {
        let (mut sip, mut found, mut asked) = (SipStream::default(), Vec::new(), 0);
        let (mut from, mut to) = (0, 0);
        for size in sizes.iter().cycle() {
            to = (to + size).min(stream.len());
            loop {
                asked += usize::from(sip.may_tell_more(&stream[from..to]));
                match sip.frame(&stream[from..to]) {
                    Framing::Message(n) => {
                        found.push(n);
                        from += n;
                    }
                    Framing::Skip(n) => from += n,
                    Framing::NeedMore | Framing::Foreign => break,
                }
                if from == to {
                    break;
                }
            }
            if to == stream.len() {
                return (found, asked);
            }
        }
        unreachable!("a cycle without end")
    }

    #[test]
    fn p3_a_message_that_comes_an_octet_a_segment_is_read_a_few_times_only() {
        let filler = b"X: 0123456789\r\n".repeat(4000);
        let message = [
            b"MESSAGE sip:a@b.example SIP/2.0\r\n",
            &filler[..],
            b"Content-Length: 2000\r\n\r\n",
            &[b'x'; 2000],
        ]
        .concat();
        let (found, asked) = read(&message, &[1]);
        assert_eq!(found, [message.len()]);
        // First octet, end of the first line, end of the head, end of the body.
        assert!(asked <= 5, "{asked}");
    }

    #[test]
    fn a_line_without_end_is_given_up_at_the_decoders_limit() {
        let mut sip = SipStream::default();
        let mut line = b"INVITE sip:".to_vec();
        while sip.frame(&line) == Framing::NeedMore {
            line.push(b'a');
            assert!(line.len() <= sip::MAX_START_LINE + 1);
        }
    }

    proptest! {
        #[test]
        fn p3_however_it_is_cut_the_messages_are_the_same(
            sizes in proptest::collection::vec(1usize..90, 1..8), pings in 0usize..3, count in 1usize..4,
        ) {
            let one = [&b"\r\n\r\n".repeat(pings)[..], MESSAGE].concat();
            let (found, _) = read(&one.repeat(count), &sizes);
            prop_assert_eq!(found, vec![MESSAGE.len(); count]);
        }
    }
}
