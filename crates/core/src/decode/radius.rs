//! RADIUS: access (RFC 2865), accounting (RFC 2866), disconnect (RFC 5176), and 3GPP's attributes (TS 29.061, 16.4.7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cursor::Cursor;

/// RFC 2865, 3: code, identifier, length, authenticator.
const HEADER: usize = 20;

/// RFC 2865, 3: octets of the longest packet.
const MAX_PACKET: usize = 4096;

/// SMI enterprise code of 3GPP.
const VENDOR_3GPP: u32 = 10415;

/// RFC 2865, 3; RFC 2866, 3; RFC 5176, 2.3. Those that bear on who holds which address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    AccessRequest,
    AccessAccept,
    AccessReject,
    AccountingRequest,
    AccountingResponse,
    AccessChallenge,
    DisconnectRequest,
    DisconnectAck,
    DisconnectNak,
}

impl Code {
    const fn of(octet: u8) -> Option<Self> {
        Some(match octet {
            1 => Self::AccessRequest,
            2 => Self::AccessAccept,
            3 => Self::AccessReject,
            4 => Self::AccountingRequest,
            5 => Self::AccountingResponse,
            11 => Self::AccessChallenge,
            40 => Self::DisconnectRequest,
            41 => Self::DisconnectAck,
            42 => Self::DisconnectNak,
            _ => return None,
        })
    }

    /// Whether a client sends it first; the others answer one of these.
    pub(crate) const fn is_request(self) -> bool {
        matches!(self, Self::AccessRequest | Self::AccountingRequest | Self::DisconnectRequest)
    }
}

/// RFC 2866, 5.1. Others (tunnels, failures) say nothing about a subscriber's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Start,
    Stop,
    InterimUpdate,
    AccountingOn,
    AccountingOff,
    Other,
}

/// Attribute types (RFC 2865, 5; RFC 2866, 5; RFC 3162, 2; RFC 4818, 3; RFC 6911, 3.1).
mod attribute {
    pub(super) const USER_NAME: u8 = 1;
    pub(super) const NAS_IP_ADDRESS: u8 = 4;
    pub(super) const FRAMED_IP_ADDRESS: u8 = 8;
    pub(super) const VENDOR_SPECIFIC: u8 = 26;
    pub(super) const SESSION_TIMEOUT: u8 = 27;
    pub(super) const CALLING_STATION_ID: u8 = 31;
    pub(super) const NAS_IDENTIFIER: u8 = 32;
    pub(super) const ACCT_STATUS_TYPE: u8 = 40;
    pub(super) const ACCT_DELAY_TIME: u8 = 41;
    pub(super) const ACCT_SESSION_ID: u8 = 44;
    pub(super) const NAS_IPV6_ADDRESS: u8 = 95;
    pub(super) const FRAMED_IPV6_PREFIX: u8 = 97;
    pub(super) const DELEGATED_IPV6_PREFIX: u8 = 123;
    pub(super) const FRAMED_IPV6_ADDRESS: u8 = 168;
    /// Within 3GPP's (TS 29.061, 16.4.7.2).
    pub(super) const IMSI_3GPP: u8 = 1;
}

/// A packet, borrowed.
pub(crate) struct Packet<'a> {
    pub(crate) code: Code,
    pub(crate) identifier: u8,
    pub(crate) authenticator: [u8; 16],
    attributes: &'a [u8],
}

/// What a packet says of a subscriber and its addresses.
#[derive(Default)]
pub(crate) struct Facts<'a> {
    pub(crate) user_name: Option<&'a [u8]>,
    pub(crate) calling_station: Option<&'a [u8]>,
    pub(crate) imsi: Option<&'a [u8]>,
    /// 3GPP's attributes are there: Calling-Station-Id is then an international MSISDN (TS 29.061, 16.4.7.1).
    pub(crate) is_3gpp: bool,
    /// NAS-IP-Address, NAS-IPv6-Address or NAS-Identifier, as they stand.
    pub(crate) nas: Option<&'a [u8]>,
    pub(crate) status: Option<Status>,
    /// How many seconds ago what is reported took place (RFC 2866, 5.2).
    pub(crate) delay: u32,
    pub(crate) session: Option<&'a [u8]>,
    pub(crate) session_timeout: Option<u32>,
    pub(crate) framed_ip: Option<Ipv4Addr>,
    /// Framed-IPv6-Address, Framed-IPv6-Prefix, Delegated-IPv6-Prefix, in the order of their types.
    pub(crate) framed_ipv6: [Option<(IpAddr, u8)>; 3],
}

impl<'a> Packet<'a> {
    /// A packet whose attributes fill it to its end. Its length is the datagram's: RFC 2865 allows padding and nobody
    /// sends it, and on a port that says nothing a looser reading would take other protocols for RADIUS.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let code = Code::of(cursor.u8()?)?;
        let identifier = cursor.u8()?;
        let length = usize::from(cursor.u16()?);
        if length != octets.len() || !(HEADER..=MAX_PACKET).contains(&length) {
            return None;
        }
        let authenticator = cursor.take(16)?.try_into().ok()?;
        let attributes = cursor.0;
        let mut walk = Walk(attributes);
        walk.by_ref().for_each(drop);
        walk.0.is_empty().then_some(Self { code, identifier, authenticator, attributes })
    }

    /// What the attributes say; the first of a kind counts.
    pub(crate) fn facts(&self) -> Facts<'a> {
        let mut facts = Facts::default();
        for (kind, value) in Walk(self.attributes) {
            let word = || value.try_into().ok().map(u32::from_be_bytes);
            match kind {
                attribute::USER_NAME => _ = facts.user_name.get_or_insert(value),
                attribute::CALLING_STATION_ID => _ = facts.calling_station.get_or_insert(value),
                attribute::NAS_IP_ADDRESS | attribute::NAS_IPV6_ADDRESS | attribute::NAS_IDENTIFIER => {
                    _ = facts.nas.get_or_insert(value);
                }
                attribute::ACCT_SESSION_ID => _ = facts.session.get_or_insert(value),
                attribute::ACCT_STATUS_TYPE => facts.status = facts.status.or_else(|| word().map(status)),
                attribute::ACCT_DELAY_TIME => facts.delay = word().unwrap_or(0),
                attribute::SESSION_TIMEOUT => facts.session_timeout = word(),
                attribute::FRAMED_IP_ADDRESS => {
                    let address = word().map(Ipv4Addr::from_bits).filter(|a| is_assigned(*a));
                    facts.framed_ip = facts.framed_ip.or(address);
                }
                attribute::FRAMED_IPV6_ADDRESS => {
                    let octets: Option<[u8; 16]> = value.try_into().ok();
                    facts.framed_ipv6[0] = octets.map(|o| (Ipv6Addr::from(o).into(), 128));
                }
                attribute::FRAMED_IPV6_PREFIX => facts.framed_ipv6[1] = prefix(value),
                attribute::DELEGATED_IPV6_PREFIX => facts.framed_ipv6[2] = prefix(value),
                attribute::VENDOR_SPECIFIC => vendor(value, &mut facts),
                _ => {}
            }
        }
        facts
    }

    /// Whether a request holds what its RFC asks of it, so that it can be told without its port: who asks
    /// (RFC 2865, 4.1) or which session is meant (RFC 2866, 5.13).
    pub(crate) fn is_telling(&self) -> bool {
        let facts = self.facts();
        match self.code {
            Code::AccessRequest => facts.user_name.is_some() && facts.nas.is_some(),
            Code::AccountingRequest => facts.status.is_some() && facts.session.is_some(),
            Code::DisconnectRequest => facts.session.is_some() || facts.user_name.is_some(),
            _ => false,
        }
    }
}

/// RFC 2865, 5.8: all ones and all ones but the last mean that the user or the NAS is to choose.
fn is_assigned(address: Ipv4Addr) -> bool {
    !matches!(address.to_bits(), 0 | 0xffff_ffff | 0xffff_fffe)
}

const fn status(value: u32) -> Status {
    match value {
        1 => Status::Start,
        2 => Status::Stop,
        3 => Status::InterimUpdate,
        7 => Status::AccountingOn,
        8 => Status::AccountingOff,
        _ => Status::Other,
    }
}

/// RFC 3162, 2.3: a reserved octet, the length in bits, and as many octets as are needed.
fn prefix(value: &[u8]) -> Option<(IpAddr, u8)> {
    let [_, bits @ 0..=128, octets @ ..] = value else { return None };
    let mut address = [0; 16];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    Some((Ipv6Addr::from(address).into(), *bits))
}

/// RFC 2865, 5.26: the vendor, and attributes of its own in the same form.
fn vendor<'a>(value: &'a [u8], facts: &mut Facts<'a>) {
    let mut cursor = Cursor(value);
    if cursor.u32() == Some(VENDOR_3GPP) {
        facts.is_3gpp = true;
        for (kind, value) in Walk(cursor.0) {
            if kind == attribute::IMSI_3GPP {
                facts.imsi.get_or_insert(value);
            }
        }
    }
}

/// Attributes: type, length of all three parts, value. Ends at the first that doesn't fit.
struct Walk<'a>(&'a [u8]);

impl<'a> Iterator for Walk<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, length, ..] = *self.0 else { return None };
        if length < 2 {
            return None;
        }
        let (attribute, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        Some((kind, &attribute[2..]))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with these attributes.
    pub(crate) fn packet(code: u8, identifier: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = vec![code, identifier, 0, 0];
        out.extend([identifier; 16]);
        for (kind, value) in attributes {
            out.extend([*kind, u8::try_from(value.len() + 2).unwrap()]);
            out.extend(*value);
        }
        let length = u16::try_from(out.len()).unwrap().to_be_bytes();
        out[2..4].copy_from_slice(&length);
        out
    }

    #[test]
    fn an_accounting_start_says_who_holds_which_addresses() {
        let octets = packet(
            4,
            1,
            &[
                (40, &[0, 0, 0, 1]),
                (44, b"s1"),
                (1, b"user@isp.example"),
                (31, b"33639980101"),
                (26, b"\0\0\x28\xaf\x01\x11208011234567890"),
                (8, &[10, 1, 2, 3]),
                (97, &[0, 64, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1]),
                (123, &[0, 56, 0x20, 1, 0x0d, 0xb8, 0, 2, 1]),
                (41, &[0, 0, 0, 9]),
            ],
        );
        let packet = Packet::parse(&octets).expect("RADIUS");
        let facts = packet.facts();
        assert!(packet.is_telling() && facts.is_3gpp);
        assert_eq!((facts.status, facts.delay), (Some(Status::Start), 9));
        assert_eq!(facts.imsi, Some(&b"208011234567890"[..]));
        assert_eq!(facts.framed_ip, Some(Ipv4Addr::new(10, 1, 2, 3)));
        let [_, framed, delegated] = facts.framed_ipv6;
        assert_eq!(framed, Some(("2001:db8:0:1::".parse().unwrap(), 64)));
        assert_eq!(delegated, Some(("2001:db8:2:100::".parse().unwrap(), 56)));
    }

    #[test]
    fn an_address_that_is_left_to_others_to_choose_is_none() {
        for address in [[255; 4], [255, 255, 255, 254], [0; 4]] {
            let octets = packet(2, 1, &[(8, &address)]);
            assert_eq!(Packet::parse(&octets).and_then(|p| p.facts().framed_ip), None);
        }
    }

    #[test]
    fn what_does_not_add_up_is_not_radius() {
        let good = packet(4, 1, &[(40, &[0, 0, 0, 1]), (44, b"s")]);
        assert!(Packet::parse(&good).is_some());
        let mut bad = good.clone();
        bad[21] = 1;
        assert!(Packet::parse(&bad).is_none());
        assert!(Packet::parse(&[&good[..], &[0]].concat()).is_none());
        assert!(Packet::parse(&good[..good.len() - 1]).is_none());
        assert!(!Packet::parse(&packet(4, 1, &[(44, b"s")])).unwrap().is_telling());
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, code in 0u8..50) {
            let _ = Packet::parse(&octets).map(|p| p.is_telling());
            let wrapped = packet(code, 0, &[(26, &octets[..octets.len().min(253)])]);
            let _ = Packet::parse(&wrapped).map(|p| p.is_telling());
            let mut bare = packet(4, 0, &[]);
            bare.extend(&octets);
            let length = u16::try_from(bare.len()).unwrap().to_be_bytes();
            bare[2..4].copy_from_slice(&length);
            let _ = Packet::parse(&bare).map(|p| p.is_telling());
        }
    }
}
