//! One direction of a WebSocket that carries SIP (RFC 7118): frames to messages, each of which is one SIP message.
//!
//! ```text
//!             101, sip              whole message
//! Handshake ──────────▶ Frames ─────────────────────▶ emit
//!     │ other             │ ▲ a gap: looks for a frame that begins with a SIP message
//!     ▼                   ▼ │
//!    Done ◀── Close ──── Lost
//! ```

use crate::counters::Counter;
use crate::decode::http::{self, MAX_HEAD};
use crate::decode::sip;
use crate::decode::websocket::{self, Frame, Head, Opcode};

/// Longest message put together from frames: what a SIP message in a plain stream may have.
const MAX_MESSAGE: usize = sip::MAX_MESSAGE;

/// Where in the stream we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The server's answer to the handshake: so many octets of its head have been looked at.
    Handshake { seen: usize },
    /// A frame begins here. `first`: none was seen yet.
    Frames { first: bool },
    /// So many octets of a payload are to be passed over.
    Skip { left: u64 },
    /// Octets are missing, so that where a frame begins isn't known.
    Lost,
    /// The caller may forget the stream.
    Done,
    /// It went on as HTTP: the server has refused.
    NotUpgraded,
}

/// One for each direction.
#[derive(Debug)]
pub(crate) struct WebSocketStream {
    state: State,
    /// Fragments of the message at hand, unmasked.
    message: Vec<u8>,
    /// The message at hand is passed over: an extension has changed it, or it is too long.
    passed_over: bool,
}

impl WebSocketStream {
    /// The client's direction, behind its request.
    pub(crate) const fn client() -> Self {
        Self { state: State::Frames { first: true }, message: Vec::new(), passed_over: false }
    }

    /// The server's, from its answer on.
    pub(crate) const fn server() -> Self {
        Self { state: State::Handshake { seen: 0 }, message: Vec::new(), passed_over: false }
    }

    /// No more octets are needed.
    pub(crate) fn finished(&self) -> bool {
        self.state == State::Done
    }

    /// The octets go on as HTTP.
    pub(crate) fn refused(&self) -> bool {
        self.state == State::NotUpgraded
    }

    /// Octets kept of an unfinished message.
    pub(crate) fn buffered(&self) -> usize {
        self.message.capacity()
    }

    /// Octets are missing here.
    pub(crate) fn gap(&mut self) {
        self.message = Vec::new();
        self.passed_over = false;
        self.state = match self.state {
            State::Handshake { .. } | State::Done => State::Done,
            _ => State::Lost,
        };
    }

    /// Takes the octets not consumed so far and says how many it has consumed. `emit` hears of each whole message.
    pub(crate) fn data(
        &mut self,
        buf: &[u8],
        emit: &mut dyn FnMut(&[u8]),
        count: &mut dyn FnMut(Counter, u64),
    ) -> usize {
        let mut at = 0;
        while at < buf.len() && !matches!(self.state, State::Done | State::NotUpgraded) {
            match self.step(&buf[at..], emit, count) {
                0 => break,
                consumed => at += consumed,
            }
        }
        if self.state == State::Done { buf.len() } else { at }
    }

    /// One transition; `rest` isn't empty. 0 consumed: more octets must come, or the state says why not.
    fn step(
        &mut self,
        rest: &[u8],
        emit: &mut dyn FnMut(&[u8]),
        count: &mut dyn FnMut(Counter, u64),
    ) -> usize {
        match self.state {
            State::Done | State::NotUpgraded => 0,
            State::Handshake { seen } => self.handshake(rest, seen),
            State::Skip { left } => {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                self.state = match left - skipped as u64 {
                    0 => State::Frames { first: false },
                    left => State::Skip { left },
                };
                skipped
            }
            State::Frames { first } => match websocket::head(rest) {
                Head::NeedMore => 0,
                Head::Foreign if first => {
                    self.state = State::NotUpgraded;
                    0
                }
                Head::Foreign => {
                    count(Counter::StreamUnparsed, rest.len() as u64);
                    self.gap();
                    rest.len()
                }
                Head::Frame(frame) => self.frame(frame, rest, emit, count),
            },
            State::Lost => match websocket::head(rest) {
                Head::Frame(frame) if begins_sip(frame, rest) => self.frame(frame, rest, emit, count),
                // A frame often begins a segment, so that the next may do.
                _ => {
                    count(Counter::StreamUnparsed, rest.len() as u64);
                    rest.len()
                }
            },
        }
    }

    fn handshake(&mut self, rest: &[u8], seen: usize) -> usize {
        if seen == 0 || http::more_to_tell(rest, seen) {
            let end = memchr::memmem::find(rest, b"\r\n\r\n");
            if let Some(end) = end {
                let upgraded = websocket::is_sip_handshake(&rest[..end]);
                self.state = if upgraded { State::Frames { first: false } } else { State::Done };
                return end + 4;
            }
        }
        self.state = if rest.len() > MAX_HEAD { State::Done } else { State::Handshake { seen: rest.len() } };
        0
    }

    fn frame(
        &mut self,
        frame: Frame,
        rest: &[u8],
        emit: &mut dyn FnMut(&[u8]),
        count: &mut dyn FnMut(Counter, u64),
    ) -> usize {
        let begins = !frame.opcode.is_control() && frame.opcode != Opcode::Continuation;
        if begins {
            self.message.clear();
            self.passed_over = frame.extended;
            count(Counter::WebSocketCompressed, u64::from(frame.extended));
        }
        let length = usize::try_from(frame.length).unwrap_or(usize::MAX);
        if !frame.opcode.is_control() && !self.passed_over && length > MAX_MESSAGE - self.message.len() {
            count(Counter::WebSocketTooLong, 1);
            self.passed_over = true;
        }
        if self.passed_over && !frame.opcode.is_control() {
            self.message = Vec::new();
            // The message ends with its last fragment; what is in them doesn't matter.
            self.passed_over = !frame.fin;
            self.state =
                if length == 0 { State::Frames { first: false } } else { State::Skip { left: frame.length } };
            return frame.header;
        }
        let Some(payload) = rest.get(frame.header..).and_then(|p| p.get(..length)) else {
            // Seen again, with more of it, so that nothing of it may count twice.
            return 0;
        };
        self.state = State::Frames { first: false };
        match frame.opcode {
            Opcode::Close => self.state = State::Done,
            Opcode::Ping | Opcode::Pong => {}
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                websocket::unmask(payload, frame.mask, &mut self.message);
                if frame.fin {
                    let message = std::mem::take(&mut self.message);
                    // Keep-alives of RFC 5626 are sent here too (RFC 7118, 6).
                    if !message.iter().all(|b| matches!(b, b'\r' | b'\n')) {
                        emit(&message);
                    }
                }
            }
        }
        frame.header + length
    }
}

/// Whether a frame that may stand here begins with a SIP message: chance alone doesn't give that.
fn begins_sip(frame: Frame, rest: &[u8]) -> bool {
    let mut text = Vec::new();
    let payload = &rest[frame.header..];
    websocket::unmask(&payload[..payload.len().min(sip::MAX_START_LINE)], frame.mask, &mut text);
    matches!(frame.opcode, Opcode::Text | Opcode::Binary) && !frame.extended && sip::looks_like_sip(&text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::websocket::tests::frame;

    const SIP: &[u8] = b"OPTIONS sip:a.example SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

    /// Feeds a stream in pieces of `size`, as a caller does: messages, and what was counted.
    fn read(stream: &mut WebSocketStream, octets: &[u8], size: usize) -> (Vec<Vec<u8>>, Vec<Counter>) {
        let (mut found, mut counted, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for piece in octets.chunks(size) {
            kept.extend_from_slice(piece);
            let used = stream.data(&kept, &mut |m| found.push(m.to_vec()), &mut |what, n| {
                counted.extend((n > 0).then_some(what));
            });
            kept.drain(..used);
        }
        (found, counted)
    }

    #[test]
    fn p3_frames_masked_fragmented_and_with_pings_between_give_the_message() {
        let (a, b) = SIP.split_at(20);
        let stream = [
            frame(0x81, MASK, SIP),
            frame(0x01, MASK, a),
            frame(0x89, MASK, b"ping"),
            frame(0x00, MASK, b""),
            frame(0x80, Some([9, 8, 7, 6]), b),
            frame(0x81, MASK, b"\r\n\r\n"),
            frame(0x82, None, SIP),
        ];
        for size in [1, 2, 13, 4096] {
            let (found, counted) = read(&mut WebSocketStream::client(), &stream.concat(), size);
            assert_eq!((found, counted), (vec![SIP.to_vec(); 3], vec![]), "{size}");
        }
    }

    #[test]
    fn the_servers_side_begins_behind_its_answer_if_that_says_sip() {
        let answer = |protocol: &str| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
            )
        };
        for (protocol, count) in [("sip", 1), ("chat", 0)] {
            let mut stream = WebSocketStream::server();
            let octets = [answer(protocol).as_bytes(), &frame(0x81, None, SIP)].concat();
            assert_eq!(read(&mut stream, &octets, 1).0.len(), count);
            assert_eq!(stream.finished(), count == 0);
        }
    }

    #[test]
    fn a_request_that_was_refused_goes_on_as_http() {
        let mut stream = WebSocketStream::client();
        assert!(read(&mut stream, b"GET / HTTP/1.1\r\n\r\n", 100).0.is_empty() && stream.refused());
    }

    #[test]
    fn what_an_extension_changed_or_is_too_long_is_counted_and_passed_over() {
        let (compressed, too_long) = (Counter::WebSocketCompressed, Counter::WebSocketTooLong);
        let long = vec![b'x'; MAX_MESSAGE + 1];
        let stream = [
            frame(0xc1, MASK, b"deflated"),
            frame(0x41, MASK, b"deflated"),
            frame(0x80, MASK, b"the rest"),
            frame(0x81, MASK, &long),
            frame(0x01, MASK, &long[2..]),
            frame(0x80, MASK, &long[..2]),
            frame(0x81, MASK, SIP),
        ];
        let (found, counted) = read(&mut WebSocketStream::client(), &stream.concat(), 50_000);
        assert_eq!((found, counted), (vec![SIP.to_vec()], vec![compressed, compressed, too_long, too_long]));
        // A length that no memory holds is passed over, not waited for.
        let mut endless = WebSocketStream::client();
        let used = endless.data(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", &mut |_| {}, &mut |_, _| {});
        assert_eq!((used, endless.buffered()), (10, 0));
    }

    #[test]
    fn behind_a_gap_the_next_frame_that_begins_with_sip_is_found() {
        let mut stream = WebSocketStream::client();
        stream.gap();
        let mut found = 0;
        for segment in [&SIP[7..], b"\x81\x05Hello", &frame(0x81, MASK, SIP), &frame(0x81, MASK, SIP)] {
            assert_eq!(stream.data(segment, &mut |_| found += 1, &mut |_, _| {}), segment.len());
        }
        assert_eq!(found, 2);
        stream.data(&frame(0x88, MASK, b""), &mut |_| {}, &mut |_, _| {});
        assert!(stream.finished());
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
            for mut stream in [WebSocketStream::client(), WebSocketStream::server()] {
                read(&mut stream, &octets, size);
                stream.gap();
                read(&mut stream, &octets, size);
                prop_assert!(stream.buffered() <= 2 * 300);
            }
        }

        #[test]
        fn p3_however_it_is_fragmented_and_cut_the_message_is_the_same(
            cuts in proptest::collection::vec(1usize..20, 1..9), size in 1usize..60, mask in any::<[u8; 4]>(),
        ) {
            let (mut octets, mut rest, mut first) = (Vec::new(), SIP, true);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len() - 1));
                octets.extend(frame(u8::from(first), Some(mask), piece));
                (rest, first) = (after, false);
            }
            octets.extend(frame(0x80 | u8::from(first), Some(mask), rest));
            prop_assert_eq!(read(&mut WebSocketStream::client(), &octets, size).0, vec![SIP.to_vec()]);
        }
    }
}
