//! HTTP/2 frames (RFC 9113, 4.1 and 6), borrowed: enough to find header blocks and to pass over the rest.

/// What a client sends first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Octets of a frame's header.
pub(crate) const HEADER: usize = 9;

/// Settings that one SETTINGS frame holds at most when it is taken for the beginning of a server's side; 7 are defined.
const MAX_SETTINGS: usize = 32;

/// Frame types that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Data,
    Headers,
    PushPromise,
    Continuation,
    /// Unknown types are ignored (RFC 9113, 4.1).
    Other,
}

/// A frame's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    flags: u8,
    pub(crate) stream: u32,
    /// Octets of its payload.
    pub(crate) length: usize,
}

impl Frame {
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let header = octets.first_chunk::<HEADER>()?;
        Some(Self {
            kind: match header[3] {
                0 => Kind::Data,
                1 => Kind::Headers,
                5 => Kind::PushPromise,
                9 => Kind::Continuation,
                _ => Kind::Other,
            },
            flags: header[4],
            stream: u32::from_be_bytes([header[5] & 0x7f, header[6], header[7], header[8]]),
            length: u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize,
        })
    }

    /// `END_STREAM`, of DATA and HEADERS.
    pub(crate) const fn ends_stream(&self) -> bool {
        self.flags & 0x01 != 0
    }

    /// `END_HEADERS`: no CONTINUATION follows.
    pub(crate) const fn ends_headers(&self) -> bool {
        self.flags & 0x04 != 0
    }

    /// The payload without padding, priority and promised stream: data, or a piece of a header block. `None` where
    /// these claim more than there is, which is a connection error.
    pub(crate) fn content<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let padded = self.flags & 0x08 != 0 && self.kind != Kind::Continuation;
        let (padding, rest) = match payload.split_first() {
            Some((padding, rest)) if padded => (usize::from(*padding), rest),
            None if padded => return None,
            _ => (0, payload),
        };
        let fixed = match self.kind {
            Kind::Headers if self.flags & 0x20 != 0 => 5,
            Kind::PushPromise => 4,
            _ => 0,
        };
        rest.get(fixed..rest.len().checked_sub(padding)?)
    }
}

/// Whether a server's side of HTTP/2 begins here: with SETTINGS (RFC 9113, 3.4). Needs [`HEADER`] octets.
pub(crate) fn begins_with_settings(octets: &[u8]) -> bool {
    Frame::parse(octets).is_some_and(|frame| {
        octets[3] == 4
            && octets[4] == 0
            && frame.stream == 0
            && frame.length % 6 == 0
            && frame.length <= 6 * MAX_SETTINGS
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_and_priority_are_taken_off() {
        // HEADERS with END_HEADERS, PADDED and PRIORITY: 2 octets of padding.
        let frame = Frame::parse(&[0, 0, 11, 1, 0x2c, 0x80, 0, 0, 3]).unwrap();
        assert_eq!((frame.kind, frame.stream, frame.length), (Kind::Headers, 3, 11));
        assert!(frame.ends_headers() && !frame.ends_stream());
        assert_eq!(frame.content(&[2, 0, 0, 0, 1, 16, b'a', b'b', b'c', 0, 0]), Some(&b"abc"[..]));
        assert_eq!(frame.content(&[9, 0, 0, 0, 1, 16, b'a']), None, "more padding than there is");
        assert_eq!(frame.content(&[]), None);
    }

    #[test]
    fn a_servers_side_begins_with_settings() {
        assert!(begins_with_settings(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]));
        for other in [&[0, 0, 5, 4, 0, 0, 0, 0, 0][..], &[0, 0, 6, 4, 0, 0, 0, 0, 1], &[0, 0, 6, 4, 0]] {
            assert!(!begins_with_settings(other));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = begins_with_settings(&octets);
            if let Some(frame) = Frame::parse(&octets) {
                let payload = &octets[HEADER..];
                prop_assert!(frame.content(payload).is_none_or(|content| content.len() <= payload.len()));
            }
        }
    }
}
