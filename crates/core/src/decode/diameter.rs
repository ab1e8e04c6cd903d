//! Diameter (RFC 6733): framing of a stream, the header, and AVPs, with those that tie a subscriber to an address
//! (RFC 4006, RFC 8506; Gx, TS 29.212; Rx, TS 29.214; Gy, TS 32.299).

use super::Framing;
use super::cursor::Cursor;

/// RFC 6733, 3.
const HEADER: usize = 20;

/// Octets of one message. The field can say 16 MiB; the largest that networks send, with long charging records, stay
/// below this, and a larger length is damage.
const MAX_MESSAGE: usize = 256 * 1024;

/// Commands that the standards have given out: base and IETF applications, and 3GPP's.
const IETF: std::ops::RangeInclusive<u32> = 257..=400;
const THREE_GPP: std::ops::RangeInclusive<u32> = 8_388_608..=8_389_000;

/// RFC 6733, 3.1; RFC 7155, 3.1; RFC 4006, 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// AA: a session of Rx or NASREQ begins or changes.
    Aa,
    /// Accounting.
    Accounting,
    /// Credit-Control: Gx and Gy.
    CreditControl,
    AbortSession,
    SessionTermination,
    Other,
}

/// AVP codes.
pub(crate) mod code {
    pub(crate) const USER_NAME: u32 = 1;
    pub(crate) const FRAMED_IP_ADDRESS: u32 = 8;
    pub(crate) const FRAMED_IPV6_PREFIX: u32 = 97;
    pub(crate) const SESSION_ID: u32 = 263;
    pub(crate) const RESULT_CODE: u32 = 268;
    pub(crate) const CC_REQUEST_TYPE: u32 = 416;
    pub(crate) const SUBSCRIPTION_ID: u32 = 443;
    pub(crate) const SUBSCRIPTION_ID_DATA: u32 = 444;
    pub(crate) const SUBSCRIPTION_ID_TYPE: u32 = 450;
    pub(crate) const ACCOUNTING_RECORD_TYPE: u32 = 480;
    pub(crate) const SERVICE_INFORMATION: u32 = 873;
    pub(crate) const PS_INFORMATION: u32 = 874;
    pub(crate) const PDP_ADDRESS: u32 = 1227;
}

/// A message, borrowed.
pub(crate) struct Message<'a> {
    pub(crate) command: Command,
    pub(crate) is_request: bool,
    pub(crate) hop_by_hop: u32,
    pub(crate) avps: Avps<'a>,
}

/// The length that a header announces, if it is one that a peer could have sent.
fn length(octets: &[u8]) -> Option<usize> {
    let mut cursor = Cursor(octets);
    let version = cursor.u8()?;
    let length = cursor.u24()? as usize;
    let flags = cursor.u8()?;
    let command = cursor.u24()?;
    let is_known = IETF.contains(&command) || THREE_GPP.contains(&command);
    // RFC 6733, 3: the four low flags are reserved and zero; an error is never a request; AVPs are padded to 32 bits.
    (version == 1
        && (HEADER..=MAX_MESSAGE).contains(&length)
        && length.is_multiple_of(4)
        && flags.trailing_zeros() >= 4
        && flags & 0xa0 != 0xa0
        && is_known)
        .then_some(length)
}

/// Whether a stream whose first octets these are is Diameter. Needs the first eight.
pub(crate) fn looks_like_diameter(octets: &[u8]) -> bool {
    length(octets).is_some()
}

/// Finds the next message of a stream.
pub(crate) fn frame(octets: &[u8]) -> Framing {
    if octets.len() < 8 {
        return Framing::NeedMore;
    }
    match length(octets) {
        Some(length) if octets.len() >= length => Framing::Message(length),
        Some(_) => Framing::NeedMore,
        None => Framing::Foreign,
    }
}

impl<'a> Message<'a> {
    /// Reads one whole message.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let octets = octets.get(..length(octets)?)?;
        let mut cursor = Cursor(octets);
        cursor.take(4)?;
        let is_request = cursor.u8()? & 0x80 != 0;
        let command = match cursor.u24()? {
            265 => Command::Aa,
            271 => Command::Accounting,
            272 => Command::CreditControl,
            274 => Command::AbortSession,
            275 => Command::SessionTermination,
            _ => Command::Other,
        };
        cursor.take(4)?;
        let hop_by_hop = cursor.u32()?;
        cursor.take(4)?;
        Some(Self { command, is_request, hop_by_hop, avps: Avps(cursor.0) })
    }
}

/// AVPs in a row.
#[derive(Clone, Copy)]
pub(crate) struct Avps<'a>(pub(crate) &'a [u8]);

impl<'a> Avps<'a> {
    /// Data of the first AVP with this code.
    pub(crate) fn find(self, code: u32) -> Option<&'a [u8]> {
        self.iter().find(|(c, _)| *c == code).map(|(_, data)| data)
    }

    /// Each: code and data.
    pub(crate) const fn iter(self) -> Walk<'a> {
        Walk(self.0)
    }

    /// Value of the first with this code, as `Unsigned32` or `Enumerated`.
    pub(crate) fn number(self, code: u32) -> Option<u32> {
        self.find(code)?.try_into().ok().map(u32::from_be_bytes)
    }
}

/// AVPs in a row, one by one. Ends at the first that doesn't fit.
pub(crate) struct Walk<'a>(&'a [u8]);

impl<'a> Iterator for Walk<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor(self.0);
        let (code, flags, length) = (cursor.u32()?, cursor.u8()?, cursor.u24()? as usize);
        // RFC 6733, 4.1: the length counts the header, the vendor if flag V says that there is one, and no padding.
        let header = if flags & 0x80 == 0 { 8 } else { 12 };
        let data = self.0.get(header..length)?;
        let padded = length.next_multiple_of(4).min(self.0.len());
        self.0 = &self.0[padded..];
        Some((code, data))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An AVP without vendor.
    pub(crate) fn avp(code: u32, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len() + 8).unwrap().to_be_bytes();
        let mut out = [&code.to_be_bytes()[..], &[0x40], &length[1..], data].concat();
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    /// A message.
    pub(crate) fn message(command: u32, is_request: bool, hop_by_hop: u32, avps: &[Vec<u8>]) -> Vec<u8> {
        let avps = avps.concat();
        let length = u32::try_from(avps.len() + HEADER).unwrap().to_be_bytes();
        let flags = if is_request { 0xc0 } else { 0x40 };
        let head =
            [&[1][..], &length[1..], &[flags], &command.to_be_bytes()[1..], &16_777_238u32.to_be_bytes()];
        [&head.concat()[..], &hop_by_hop.to_be_bytes(), &[0; 4], &avps].concat()
    }

    #[test]
    fn messages_are_framed_and_their_avps_found() {
        let one = message(272, true, 7, &[avp(263, b"s;1"), avp(416, &[0, 0, 0, 1])]);
        let stream = [&one[..], &one[..10]].concat();
        assert_eq!(frame(&stream), Framing::Message(one.len()));
        assert_eq!(frame(&stream[one.len()..]), Framing::NeedMore);
        let read = Message::parse(&one).expect("Diameter");
        assert_eq!((read.command, read.is_request, read.hop_by_hop), (Command::CreditControl, true, 7));
        assert_eq!(read.avps.find(code::SESSION_ID), Some(&b"s;1"[..]));
        assert_eq!(read.avps.number(code::CC_REQUEST_TYPE), Some(1));
    }

    #[test]
    fn other_protocols_are_not_taken_for_diameter() {
        for other in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\0\x01\0\x01", &[1; 20], &[0; 20]] {
            assert!(!looks_like_diameter(other), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = (frame(&octets), Message::parse(&octets));
            let walked: usize = Avps(&octets).iter().map(|(_, data)| data.len()).sum();
            prop_assert!(walked <= octets.len());
        }

        #[test]
        fn avps_round_trip(all: Vec<(u32, Vec<u8>)>) {
            let octets: Vec<u8> = all.iter().flat_map(|(code, data)| avp(*code, data)).collect();
            let read: Vec<_> = Avps(&octets).iter().map(|(code, data)| (code, data.to_vec())).collect();
            prop_assert_eq!(read, all);
        }
    }
}
