//! WebSocket framing (RFC 6455, 5) and the handshake that makes a connection one of SIP (RFC 7118).

use super::cursor::Cursor;

/// Subprotocol of RFC 7118, 4.1.
const SUBPROTOCOL: &[u8] = b"sip";

/// What a frame holds (RFC 6455, 5.2 and 11.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn parse(code: u8) -> Option<Self> {
        Some(match code {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    /// Control frames may stand between the fragments of a message (RFC 6455, 5.5).
    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// Last fragment of its message.
    pub(crate) fin: bool,
    /// A reserved bit is set: an extension changed the payload, `permessage-deflate` (RFC 7692) above all.
    pub(crate) extended: bool,
    pub(crate) opcode: Opcode,
    /// Clients mask what they send, servers don't (RFC 6455, 5.1).
    pub(crate) mask: Option<[u8; 4]>,
    /// Octets of this header.
    pub(crate) header: usize,
    /// Octets of the payload behind it.
    pub(crate) length: u64,
}

/// What stands at the head of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    Frame(Frame),
    NeedMore,
    /// No frame that an honest end sends.
    Foreign,
}

/// Reads a frame's header.
pub(crate) fn head(octets: &[u8]) -> Head {
    let Some([first, second]) = octets.first_chunk().copied() else { return Head::NeedMore };
    let Some(opcode) = Opcode::parse(first & 0x0f) else { return Head::Foreign };
    let mut rest = Cursor(&octets[2..]);
    let length = match second & 0x7f {
        126 => rest.u16().map(u64::from),
        127 => rest.u32().zip(rest.u32()).map(|(high, low)| u64::from(high) << 32 | u64::from(low)),
        short => Some(short.into()),
    };
    let Some(length) = length else { return Head::NeedMore };
    let mask = match second & 0x80 {
        0 => None,
        _ => match rest.take(4).and_then(|m| m.try_into().ok()) {
            Some(mask) => Some(mask),
            None => return Head::NeedMore,
        },
    };
    let fin = first & 0x80 != 0;
    let least = match second & 0x7f {
        126 => 126,
        127 => 1 << 16,
        _ => 0,
    };
    // The shortest form must be used, the top bit of 64 is zero (5.2), and control frames are short and whole (5.5).
    if length < least || length >> 63 != 0 || (opcode.is_control() && (!fin || length > 125)) {
        return Head::Foreign;
    }
    Head::Frame(Frame {
        fin,
        extended: first & 0x70 != 0,
        opcode,
        mask,
        header: octets.len() - rest.0.len(),
        length,
    })
}

/// Appends a payload, unmasked. The mask begins anew in each frame (RFC 6455, 5.3).
pub(crate) fn unmask(payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let mask = mask.unwrap_or_default();
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
}

/// Whether this request or response head makes, or asks for, a WebSocket of SIP: `Upgrade: websocket` and the
/// subprotocol among those named.
pub(crate) fn is_sip_handshake(head: &[u8]) -> bool {
    let (mut upgrade, mut sip) = (false, false);
    for line in head.split(|b| *b == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (line[..colon].trim_ascii(), &line[colon + 1..]);
        let lists =
            |wanted: &[u8]| value.split(|b| *b == b',').any(|v| v.trim_ascii().eq_ignore_ascii_case(wanted));
        if name.eq_ignore_ascii_case(b"upgrade") {
            upgrade |= lists(b"websocket");
        } else if name.eq_ignore_ascii_case(b"sec-websocket-protocol") {
            sip |= lists(SUBPROTOCOL);
        }
    }
    upgrade && sip
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame in its shortest form.
    pub(crate) fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
        let masked = if mask.is_some() { 0x80 } else { 0 };
        let mut out = vec![first];
        match payload.len() {
            short @ 0..126 => out.push(masked | u8::try_from(short).unwrap()),
            middle @ 126..0x1_0000 => {
                out.push(masked | 0x7e);
                out.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                out.push(masked | 127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        out.extend(mask.into_iter().flatten());
        unmask(payload, mask, &mut out);
        out
    }

    /// RFC 6455, 5.7.
    #[test]
    fn the_rfcs_examples_are_read() {
        let read = |octets: &[u8]| {
            let Head::Frame(frame) = head(octets) else { panic!("no frame") };
            let mut text = Vec::new();
            unmask(&octets[frame.header..], frame.mask, &mut text);
            (frame.fin, frame.opcode, String::from_utf8(text).unwrap())
        };
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(&masked), (true, Opcode::Text, "Hello".into()));
        assert_eq!(read(b"\x81\x05Hello"), (true, Opcode::Text, "Hello".into()));
        assert_eq!(read(b"\x01\x03Hel"), (false, Opcode::Text, "Hel".into()));
        assert_eq!(read(b"\x80\x02lo"), (true, Opcode::Continuation, "lo".into()));
        assert_eq!(read(b"\x89\x05Hello"), (true, Opcode::Ping, "Hello".into()));
        let Head::Frame(long) = head(b"\x82\x7f\0\0\0\0\0\x01\0\0") else { panic!("no frame") };
        assert_eq!((long.length, long.header), (65536, 10));
    }

    #[test]
    fn what_no_honest_end_sends_is_foreign() {
        for bad in [
            &b"GET / HTTP/1.1"[..],
            b"\x83\x01a",
            b"\x81\x7e\x00\x7d",
            b"\x82\x7f\0\0\0\0\0\0\xff\xff",
            b"\x82\x7f\x80\0\0\0\0\0\0\0",
            b"\x09\x01a",
            b"\x89\x7e\x00\x7e",
        ] {
            assert_eq!(head(bad), Head::Foreign, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn the_handshake_of_rfc_7118_is_told_from_others() {
        let request = b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Protocol: chat, sip\r\n\r\n";
        assert!(is_sip_handshake(request));
        let response =
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nsec-websocket-protocol: sip\r\n\r\n";
        assert!(is_sip_handshake(response));
        assert!(!is_sip_handshake(
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sipx\r\n\r\n"
        ));
        assert!(!is_sip_handshake(b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: sip\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Head::Frame(frame) = head(&octets) {
                prop_assert!(2 <= frame.header && frame.header <= 14 && frame.header <= octets.len());
            }
            let _ = is_sip_handshake(&octets);
        }

        #[test]
        fn a_frame_gives_its_payload_back(
            mask in any::<Option<[u8; 4]>>(), payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let octets = frame(0x82, mask, &payload);
            let Head::Frame(found) = head(&octets) else { panic!("no frame") };
            let mut back = Vec::new();
            unmask(&octets[found.header..], found.mask, &mut back);
            prop_assert_eq!((found.length, back), (payload.len() as u64, payload));
            for cut in 0..found.header {
                prop_assert_eq!(head(&octets[..cut]), Head::NeedMore);
            }
        }
    }
}
