//! GTP version 1, control plane (TS 29.060): the messages that begin and end a PDP context.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::Cursor;

/// UDP port of GTP-C of both versions (TS 29.060, 10.1.1; TS 29.274, 4.2.2).
pub(crate) const PORT: u16 = 2123;

/// TS 29.060, 7.1. Those that bind or free an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DeleteResponse,
    Other,
}

/// A message with the information elements that count.
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    /// Of the receiver.
    pub(crate) teid: u32,
    pub(crate) sequence: Option<u16>,
    pub(crate) cause: Option<u8>,
    /// TBCD.
    pub(crate) imsi: Option<&'a [u8]>,
    /// Type of number, then TBCD (TS 29.060, 7.7.33).
    pub(crate) msisdn: Option<&'a [u8]>,
    pub(crate) nsapi: Option<u8>,
    /// The sender's, for the control plane (7.7.14).
    pub(crate) control_teid: Option<u32>,
    /// The sender's address for signalling: the first GSN Address (7.7.32).
    pub(crate) control_address: Option<IpAddr>,
    pub(crate) teardown: bool,
    /// End User Address (7.7.27): IPv4, IPv6.
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
}

/// TS 29.060, 7.7.1: 128 to 191 accept.
pub(crate) const fn is_accepted(cause: u8) -> bool {
    cause >= 128 && cause < 192
}

/// Octets of the values of the TV elements (TS 29.060, 7.7, table 37); `None` for one that isn't in the table, behind
/// which nothing can be found.
const fn fixed(element: u8) -> Option<usize> {
    Some(match element {
        1 | 8 | 11 | 13 | 14 | 15 | 19 | 20 | 21 | 23 | 24 | 29 => 1,
        22 | 25 | 26 | 27 | 28 => 2,
        12 => 3,
        4 | 5 | 16 | 17 | 127 => 4,
        18 => 5,
        3 => 6,
        2 => 8,
        9 => 28,
        _ => return None,
    })
}

impl<'a> Message<'a> {
    /// Reads a message; elements as far as they can be read.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let flags = cursor.u8()?;
        // Version 1, protocol type GTP (not GTP').
        if flags & 0xf0 != 0x30 {
            return None;
        }
        let kind = match cursor.u8()? {
            16 => Kind::CreateRequest,
            17 => Kind::CreateResponse,
            20 => Kind::DeleteRequest,
            21 => Kind::DeleteResponse,
            _ => Kind::Other,
        };
        let length = usize::from(cursor.u16()?);
        let teid = cursor.u32()?;
        let mut body = Cursor(cursor.0.get(..length)?);
        let mut sequence = None;
        // TS 29.060, 6: with any of the flags E, S, PN the four octets of all three are there.
        if flags & 7 != 0 {
            let number = body.u16()?;
            sequence = (flags & 2 != 0).then_some(number);
            let (_, mut next) = (body.u8()?, body.u8()?);
            // Extension headers: length in words of four octets, and at the end the type of the next.
            while flags & 4 != 0 && next != 0 {
                let octets = usize::from(body.u8()?) * 4;
                let rest = body.take(octets.checked_sub(1)?)?;
                next = *rest.last()?;
            }
        }
        let mut found = Self {
            kind,
            teid,
            sequence,
            cause: None,
            imsi: None,
            msisdn: None,
            nsapi: None,
            control_teid: None,
            control_address: None,
            teardown: false,
            ipv4: None,
            ipv6: None,
        };
        if kind != Kind::Other {
            found.elements(body);
        }
        Some(found)
    }

    fn elements(&mut self, mut body: Cursor<'a>) {
        while let Some(element) = body.u8() {
            let value = if element < 128 { fixed(element).and_then(|n| body.take(n)) } else { body.vec16() };
            let Some(value) = value else { return };
            let word = || value.try_into().ok().map(u32::from_be_bytes);
            match element {
                1 => self.cause = value.first().copied(),
                2 => self.imsi = Some(value),
                17 => self.control_teid = word(),
                19 => self.teardown = value.first().is_some_and(|b| b & 1 != 0),
                // The first is this context's, a second the linked one's (7.3.1).
                20 if self.nsapi.is_none() => self.nsapi = value.first().map(|b| b & 15),
                128 => self.end_user_address(value),
                133 if self.control_address.is_none() => self.control_address = address(value),
                134 => self.msisdn = Some(value),
                _ => {}
            }
        }
    }

    /// TS 29.060, 7.7.27: PDP type organisation 1 is IETF; number 0x21 IPv4, 0x57 IPv6, 0x8d both.
    fn end_user_address(&mut self, value: &[u8]) {
        let [organisation, number, address @ ..] = value else { return };
        if organisation & 15 != 1 {
            return;
        }
        let v4 = |octets: &[u8]| <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from);
        let v6 = |octets: &[u8]| <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from);
        match (number, address.len()) {
            (0x21 | 0x8d, 4) => self.ipv4 = v4(address),
            (0x57 | 0x8d, 16) => self.ipv6 = v6(address),
            (0x8d, 20) => (self.ipv4, self.ipv6) = (v4(&address[..4]), v6(&address[4..])),
            _ => {}
        }
    }
}

/// An address of 4 or 16 octets.
fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .ok()
        .or_else(|| <[u8; 16]>::try_from(octets).map(IpAddr::from).ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message with a sequence number.
    pub(crate) fn message(kind: u8, teid: u32, sequence: u16, elements: &[u8]) -> Vec<u8> {
        let length = u16::try_from(elements.len() + 4).unwrap().to_be_bytes();
        let head = [&[0x32, kind][..], &length, &teid.to_be_bytes(), &sequence.to_be_bytes(), &[0, 0]];
        [&head.concat()[..], elements].concat()
    }

    #[test]
    fn a_request_says_who_and_a_response_which_address() {
        let who = [
            &[2][..],
            &[0x02, 0x08, 0x11, 0x32, 0x54, 0x76, 0x98, 0xf0],
            &[17, 0, 0, 0, 5, 20, 5],
            &[134, 0, 7, 0x91, 0x33, 0x36, 0x99, 0x08, 0x10, 0xf1],
        ];
        let octets = message(16, 0, 77, &who.concat());
        let request = Message::parse(&octets).expect("GTP");
        assert_eq!((request.kind, request.sequence, request.nsapi), (Kind::CreateRequest, Some(77), Some(5)));
        assert_eq!((request.control_teid, request.msisdn.map(<[u8]>::len)), (Some(5), Some(7)));
        assert_eq!(request.imsi.map(<[u8]>::len), Some(8));
        let octets = message(17, 5, 77, &[1, 128, 17, 0, 0, 0, 9, 128, 0, 6, 0xf1, 0x21, 10, 0, 0, 4]);
        let response = Message::parse(&octets).expect("GTP");
        assert_eq!((response.ipv4, response.control_teid), (Some(Ipv4Addr::new(10, 0, 0, 4)), Some(9)));
        assert!(response.cause.is_some_and(is_accepted));
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let octets = [0x36, 21, 0, 10, 0, 0, 0, 1, 0, 9, 0, 0xc0, 1, 0, 0, 0, 1, 128];
        let response = Message::parse(&octets).expect("GTP");
        assert_eq!((response.sequence, response.cause), (Some(9), Some(128)));
        // An extension of no length would be read for ever.
        assert!(Message::parse(&[0x36, 21, 0, 6, 0, 0, 0, 1, 0, 9, 0, 0xc0, 0, 0]).is_none());
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, kind: u8) {
            let _ = Message::parse(&octets);
            let _ = Message::parse(&message(kind, 0, 0, &octets));
        }
    }
}
