//! GTP version 2, control plane (TS 29.274): the messages that begin and end a PDN connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use super::cursor::Cursor;

/// TS 29.274, 6.1. Those that bind or free an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    CreateSessionRequest,
    CreateSessionResponse,
    DeleteSessionRequest,
    DeleteSessionResponse,
    DeleteBearerRequest,
    DeleteBearerResponse,
    Other,
}

/// Fully qualified TEID (TS 29.274, 8.22).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FTeid {
    pub(crate) interface: u8,
    pub(crate) teid: u32,
    pub(crate) ip: IpAddr,
}

impl FTeid {
    /// S11 or S4 of a serving gateway: a Delete that comes here frees the address only if it asks to be passed on to the
    /// packet gateway (TS 29.274, 7.2.9.1, operation indication); otherwise the terminal has moved to another.
    pub(crate) const fn is_serving(&self) -> bool {
        matches!(self.interface, 11 | 17)
    }
}

/// A message with the information elements that count.
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    /// Of the receiver.
    pub(crate) teid: Option<u32>,
    pub(crate) sequence: u32,
    pub(crate) cause: Option<u8>,
    /// TBCD.
    pub(crate) imsi: Option<&'a [u8]>,
    /// TBCD of the international number (8.11).
    pub(crate) msisdn: Option<&'a [u8]>,
    /// Of the bearer that the connection began with (linked EBI in a Delete).
    pub(crate) ebi: Option<u8>,
    /// Of the sender and, through a serving gateway, of the packet gateway (instances 0 and 1).
    pub(crate) control: SmallVec<[FTeid; 2]>,
    /// OI of the Indication element.
    pub(crate) operation: bool,
    /// PDN Address Allocation (8.14).
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<(Ipv6Addr, u8)>,
}

/// TS 29.274, 8.4: 16 to 63 accept, some of them in part.
pub(crate) const fn is_accepted(cause: u8) -> bool {
    cause >= 16 && cause < 64
}

/// Element types (TS 29.274, 8.1).
mod element {
    pub(super) const IMSI: u8 = 1;
    pub(super) const CAUSE: u8 = 2;
    pub(super) const EBI: u8 = 73;
    pub(super) const MSISDN: u8 = 76;
    pub(super) const INDICATION: u8 = 77;
    pub(super) const PAA: u8 = 79;
    pub(super) const F_TEID: u8 = 87;
    pub(super) const BEARER_CONTEXT: u8 = 93;
}

impl<'a> Message<'a> {
    /// Reads the first message and gives the octets behind it, where another may ride piggyback (5.5.1).
    pub(crate) fn parse(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut cursor = Cursor(octets);
        let flags = cursor.u8()?;
        if flags >> 5 != 2 {
            return None;
        }
        let kind = match cursor.u8()? {
            32 => Kind::CreateSessionRequest,
            33 => Kind::CreateSessionResponse,
            36 => Kind::DeleteSessionRequest,
            37 => Kind::DeleteSessionResponse,
            99 => Kind::DeleteBearerRequest,
            100 => Kind::DeleteBearerResponse,
            _ => Kind::Other,
        };
        let body = cursor.vec16()?;
        let behind = if flags & 0x10 == 0 { &[][..] } else { cursor.0 };
        let mut body = Cursor(body);
        let teid = if flags & 8 == 0 { None } else { Some(body.u32()?) };
        let sequence = body.u24()?;
        body.u8()?;
        let mut found = Self {
            kind,
            teid,
            sequence,
            cause: None,
            imsi: None,
            msisdn: None,
            ebi: None,
            control: SmallVec::new(),
            operation: false,
            ipv4: None,
            ipv6: None,
        };
        if kind != Kind::Other {
            for (element, instance, value) in Walk(body.0) {
                found.element(element, instance, value);
            }
        }
        Some((found, behind))
    }

    fn element(&mut self, element: u8, instance: u8, value: &'a [u8]) {
        match (element, instance) {
            (element::IMSI, 0) => self.imsi = Some(value),
            (element::CAUSE, 0) => self.cause = value.first().copied(),
            (element::MSISDN, 0) => self.msisdn = Some(value),
            (element::EBI, 0) => self.ebi = value.first().map(|b| b & 15),
            (element::INDICATION, 0) => self.operation = value.first().is_some_and(|b| b & 8 != 0),
            (element::PAA, 0) => self.allocation(value),
            (element::F_TEID, 0 | 1) if self.control.len() < 2 => self.control.extend(f_teid(value)),
            // The first bearer is the default one (7.2.1).
            (element::BEARER_CONTEXT, 0) if self.ebi.is_none() => {
                let ebi = Walk(value).find(|(e, _, _)| *e == element::EBI);
                self.ebi = ebi.and_then(|(_, _, v)| v.first()).map(|b| b & 15);
            }
            _ => {}
        }
    }

    /// TS 29.274, 8.14: type 1 IPv4, 2 IPv6, 3 both; the prefix comes first.
    fn allocation(&mut self, value: &[u8]) {
        let mut cursor = Cursor(value);
        let Some(kind) = cursor.u8().map(|b| b & 7) else { return };
        if matches!(kind, 2 | 3) {
            let Some((length, octets)) = cursor.u8().zip(cursor.take(16)) else { return };
            let octets: [u8; 16] = octets.try_into().unwrap_or_default();
            self.ipv6 = (length <= 128).then(|| (octets.into(), length));
        }
        if matches!(kind, 1 | 3) {
            self.ipv4 = cursor.u32().map(Ipv4Addr::from_bits);
        }
    }
}

/// Which addresses are there is said by the two top bits; IPv4 comes first.
fn f_teid(value: &[u8]) -> Option<FTeid> {
    let mut cursor = Cursor(value);
    let flags = cursor.u8()?;
    let teid = cursor.u32()?;
    let ip = if flags & 0x80 != 0 {
        Ipv4Addr::from_bits(cursor.u32()?).into()
    } else if flags & 0x40 != 0 {
        let octets: [u8; 16] = cursor.take(16)?.try_into().ok()?;
        Ipv6Addr::from(octets).into()
    } else {
        return None;
    };
    Some(FTeid { interface: flags & 0x3f, teid, ip })
}

/// Elements: type, length, instance, value (8.2.1). Ends at the first that doesn't fit.
struct Walk<'a>(&'a [u8]);

impl<'a> Iterator for Walk<'a> {
    type Item = (u8, u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor(self.0);
        let (kind, length, instance) = (cursor.u8()?, cursor.u16()?, cursor.u8()? & 15);
        let value = cursor.take(usize::from(length))?;
        self.0 = cursor.0;
        Some((kind, instance, value))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An element of instance 0.
    pub(crate) fn element(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind][..], &length, &[0], value].concat()
    }

    /// A message with a TEID.
    pub(crate) fn message(kind: u8, teid: u32, sequence: u32, elements: &[Vec<u8>]) -> Vec<u8> {
        let elements = elements.concat();
        let length = u16::try_from(elements.len() + 8).unwrap().to_be_bytes();
        let sequence = sequence.to_be_bytes();
        let head = [&[0x48, kind][..], &length, &teid.to_be_bytes(), &sequence[1..], &[0]];
        [&head.concat()[..], &elements].concat()
    }

    #[test]
    fn a_response_says_which_addresses_and_under_which_identifiers() {
        let f_teid = [&[0x80 | 0x0b][..], &[0, 0, 0, 9], &[192, 0, 2, 1]].concat();
        let paa = [&[3, 64][..], &[0x20, 1, 0x0d, 0xb8], &[0; 12], &[10, 0, 0, 4]].concat();
        let octets = message(
            33,
            5,
            77,
            &[element(2, &[16, 0]), element(87, &f_teid), element(79, &paa), element(93, &element(73, &[5]))],
        );
        let (response, rest) = Message::parse(&octets).expect("GTPv2");
        assert!(rest.is_empty() && response.cause.is_some_and(is_accepted));
        assert_eq!(
            (response.kind, response.teid, response.sequence),
            (Kind::CreateSessionResponse, Some(5), 77)
        );
        assert_eq!((response.ipv4, response.ebi), (Some(Ipv4Addr::new(10, 0, 0, 4)), Some(5)));
        assert_eq!(response.ipv6, Some(("2001:db8::".parse().unwrap(), 64)));
        assert!(response.control[0].is_serving() && response.control[0].teid == 9);
    }

    #[test]
    fn a_piggybacked_message_is_found() {
        let second = message(36, 1, 2, &[element(73, &[5])]);
        let mut octets = message(33, 5, 77, &[]);
        octets[0] |= 0x10;
        octets.extend(&second);
        assert_eq!(Message::parse(&octets).map(|(_, rest)| rest.len()), Some(second.len()));
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, kind: u8) {
            let _ = Message::parse(&octets);
            for inner in [1, 2, 73, 76, 77, 79, 87, 93] {
                let _ = Message::parse(&message(kind, 0, 0, &[element(inner, &octets)]));
            }
        }
    }
}
