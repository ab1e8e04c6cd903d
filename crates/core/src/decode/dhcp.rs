//! DHCP for IPv4 (RFC 2131, RFC 2132), with relay agent information (RFC 3046) and option overload.

use std::net::Ipv4Addr;

use super::cursor::Cursor;

/// RFC 2131, 2: the fixed part up to the options' cookie.
const FIXED: usize = 236;
/// RFC 2132, 2.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const HARDWARE_ETHERNET: u8 = 1;

/// RFC 2132, 9.6. Those that bind or free an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Decline,
    Ack,
    Nak,
    Release,
    Other,
}

/// Options (RFC 2132; RFC 3046, 2).
mod option {
    pub(super) const PAD: u8 = 0;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const CLIENT_IDENTIFIER: u8 = 61;
    pub(super) const RELAY_AGENT_INFORMATION: u8 = 82;
    pub(super) const END: u8 = 255;
}

/// A message, borrowed.
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    /// Hardware address, where it is Ethernet's.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) client_identifier: Option<&'a [u8]>,
    /// Seconds; all ones is for ever (RFC 2131, 3.3).
    pub(crate) lease: Option<u32>,
    pub(crate) requested: Option<Ipv4Addr>,
    /// Agent Circuit ID and Agent Remote ID (RFC 3046, 2.0).
    pub(crate) circuit: Option<&'a [u8]>,
    pub(crate) remote: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads a message; `None` for BOOTP without a message type and for anything else.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = octets.split_at_checked(FIXED)?;
        let options = rest.strip_prefix(&COOKIE)?;
        if !matches!(fixed[0], 1 | 2) {
            return None;
        }
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let mac = (fixed[1] == HARDWARE_ETHERNET && fixed[2] == 6).then(|| {
            let mut mac = [0; 6];
            mac.copy_from_slice(&fixed[28..34]);
            mac
        });
        let mut found = Self {
            kind: Kind::Other,
            ciaddr: address(12),
            yiaddr: address(16),
            giaddr: address(24),
            mac: mac.filter(|mac| *mac != [0; 6]),
            client_identifier: None,
            lease: None,
            requested: None,
            circuit: None,
            remote: None,
        };
        let mut kind = None;
        let overload = found.options(options, &mut kind);
        // RFC 2132, 9.3: `file` (128 octets) holds options too for 1 and 3, `sname` (64) for 2 and 3.
        if overload & 1 != 0 {
            found.options(&fixed[108..236], &mut kind);
        }
        if overload & 2 != 0 {
            found.options(&fixed[44..108], &mut kind);
        }
        found.kind = kind?;
        Some(found)
    }

    /// Takes options in, as far as they can be read; gives the overload option.
    fn options(&mut self, octets: &'a [u8], kind: &mut Option<Kind>) -> u8 {
        let mut cursor = Cursor(octets);
        let mut overload = 0;
        while let Some(tag) = cursor.u8() {
            match tag {
                option::PAD => continue,
                option::END => break,
                _ => {}
            }
            let Some(value) = cursor.vec8() else { break };
            let word = || value.try_into().ok().map(u32::from_be_bytes);
            match (tag, value) {
                (option::MESSAGE_TYPE, [number]) => {
                    *kind = Some(match number {
                        4 => Kind::Decline,
                        5 => Kind::Ack,
                        6 => Kind::Nak,
                        7 => Kind::Release,
                        _ => Kind::Other,
                    });
                }
                (option::OVERLOAD, [bits]) => overload = *bits,
                (option::LEASE_TIME, _) => self.lease = word(),
                (option::REQUESTED_ADDRESS, _) => self.requested = word().map(Ipv4Addr::from_bits),
                (option::CLIENT_IDENTIFIER, [_, ..]) => self.client_identifier = Some(value),
                (option::RELAY_AGENT_INFORMATION, _) => {
                    let mut agent = Cursor(value);
                    while let (Some(tag), Some(value)) = (agent.u8(), agent.vec8()) {
                        match tag {
                            1 => self.circuit = Some(value),
                            2 => self.remote = Some(value),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        overload
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message of `kind` about `address` for the host whose hardware address ends with `host`.
    pub(crate) fn message(kind: u8, address: [u8; 4], host: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = vec![0; FIXED];
        out[..3].copy_from_slice(&[if matches!(kind, 2 | 5 | 6) { 2 } else { 1 }, 1, 6]);
        let at = if matches!(kind, 2 | 5) { 16 } else { 12 };
        out[at..at + 4].copy_from_slice(&address);
        out[28..34].copy_from_slice(&[2, 0, 0, 0, 0, host]);
        out.extend(COOKIE);
        out.extend([53, 1, kind]);
        for (tag, value) in options {
            out.extend([*tag, u8::try_from(value.len()).unwrap()]);
            out.extend(*value);
        }
        out.push(255);
        out
    }

    #[test]
    fn an_ack_says_who_gets_which_address_for_how_long_and_on_which_line() {
        let octets = message(
            5,
            [10, 0, 0, 9],
            7,
            &[(51, &[0, 0, 14, 16]), (61, b"\x01\x02\0\0\0\0\x07"), (82, b"\x01\x05eth 1\x02\x03abc")],
        );
        let ack = Message::parse(&octets).expect("DHCP");
        assert_eq!((ack.kind, ack.yiaddr, ack.lease), (Kind::Ack, Ipv4Addr::new(10, 0, 0, 9), Some(3600)));
        assert_eq!(ack.mac, Some([2, 0, 0, 0, 0, 7]));
        assert_eq!((ack.circuit, ack.remote), (Some(&b"eth 1"[..]), Some(&b"abc"[..])));
    }

    #[test]
    fn options_may_go_on_in_file_and_sname() {
        let mut octets = message(5, [10, 0, 0, 9], 7, &[(52, &[3])]);
        octets[108..114].copy_from_slice(&[51, 4, 0, 0, 0, 60]);
        octets[114] = 255;
        octets[44..48].copy_from_slice(&[61, 2, 0, b'x']);
        octets[48] = 255;
        let ack = Message::parse(&octets).expect("DHCP");
        assert_eq!((ack.lease, ack.client_identifier), (Some(60), Some(&b"\0x"[..])));
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, kind: u8) {
            let _ = Message::parse(&octets);
            let _ = Message::parse(&message(kind, [0; 4], 0, &[(82, &octets[..octets.len().min(255)])]));
            let whole = [&message(kind, [0; 4], 0, &[])[..FIXED + 7], &octets].concat();
            let _ = Message::parse(&whole);
        }
    }
}
