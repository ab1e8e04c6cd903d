//! DHCP for IPv6 (RFC 8415): what a Reply assigns and what a client gives back, through relays.

use std::net::Ipv6Addr;

use super::cursor::Cursor;

/// RFC 8415, 7.6 `HOP_COUNT_LIMIT`: relays that one message may have passed.
const MAX_RELAYS: usize = 8;

/// RFC 8415, 7.3. Those that bind or free an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Reply,
    Release,
    Decline,
    Other,
}

/// Options (RFC 8415, 21; RFC 6939, 4).
mod option {
    pub(super) const CLIENT_IDENTIFIER: u16 = 1;
    pub(super) const IA_NA: u16 = 3;
    pub(super) const IA_TA: u16 = 4;
    pub(super) const IA_ADDRESS: u16 = 5;
    pub(super) const RELAY_MESSAGE: u16 = 9;
    pub(super) const INTERFACE_ID: u16 = 18;
    pub(super) const IA_PD: u16 = 25;
    pub(super) const IA_PREFIX: u16 = 26;
    pub(super) const REMOTE_ID: u16 = 37;
    pub(super) const CLIENT_LINK_LAYER: u16 = 79;
}

/// A message, borrowed, without its relays.
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    /// DUID (RFC 8415, 11).
    pub(crate) duid: Option<&'a [u8]>,
    /// As the first relay saw it, else as the DUID holds it.
    pub(crate) mac: Option<[u8; 6]>,
    /// Interface-Id and Remote-Id of the relay that is nearest to the client.
    pub(crate) circuit: Option<&'a [u8]>,
    pub(crate) remote: Option<&'a [u8]>,
    options: &'a [u8],
}

impl<'a> Message<'a> {
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let mut octets = octets;
        let (mut circuit, mut remote, mut relayed) = (None, None, None);
        for _ in 0..=MAX_RELAYS {
            let kind = *octets.first()?;
            // RELAY-FORW and RELAY-REPL: hop count, link and peer address, then options (RFC 8415, 9).
            if matches!(kind, 12 | 13) {
                let mut inner = None;
                for (tag, value) in Walk(octets.get(34..)?) {
                    match tag {
                        option::RELAY_MESSAGE => inner = Some(value),
                        option::INTERFACE_ID => circuit = Some(value),
                        option::REMOTE_ID => remote = Some(value),
                        option::CLIENT_LINK_LAYER => relayed = ethernet(value),
                        _ => {}
                    }
                }
                octets = inner?;
                continue;
            }
            let options = octets.get(4..)?;
            let kind = match kind {
                7 => Kind::Reply,
                8 => Kind::Release,
                9 => Kind::Decline,
                1..=11 => Kind::Other,
                _ => return None,
            };
            let duid = Walk(options).find(|(tag, _)| *tag == option::CLIENT_IDENTIFIER).map(|(_, v)| v);
            let mac = relayed.or_else(|| duid.and_then(of_duid));
            return Some(Self { kind, duid, mac, circuit, remote, options });
        }
        None
    }

    /// Each address (as a prefix of 128) and each delegated prefix, with its valid lifetime in seconds (all ones is for
    /// ever; 0 takes it back, RFC 8415, 18.2.10.1).
    pub(crate) fn leases(&self, each: &mut impl FnMut(Ipv6Addr, u8, u32)) {
        for (tag, value) in Walk(self.options) {
            // IAID, and T1 and T2 but for temporary addresses, come before the options.
            let inner = match tag {
                option::IA_NA | option::IA_PD => value.get(12..),
                option::IA_TA => value.get(4..),
                _ => None,
            };
            for (tag, value) in Walk(inner.unwrap_or_default()) {
                let found = match tag {
                    option::IA_ADDRESS => address(value),
                    option::IA_PREFIX => delegated(value),
                    _ => None,
                };
                if let Some((address, length, valid)) = found {
                    each(address, length, valid);
                }
            }
        }
    }
}

/// RFC 8415, 21.6: address, preferred and valid lifetime.
fn address(value: &[u8]) -> Option<(Ipv6Addr, u8, u32)> {
    let mut cursor = Cursor(value);
    let octets: [u8; 16] = cursor.take(16)?.try_into().ok()?;
    let (_, valid) = (cursor.u32()?, cursor.u32()?);
    Some((octets.into(), 128, valid))
}

/// RFC 8415, 21.22: preferred and valid lifetime, length, prefix.
fn delegated(value: &[u8]) -> Option<(Ipv6Addr, u8, u32)> {
    let mut cursor = Cursor(value);
    let (_, valid) = (cursor.u32()?, cursor.u32()?);
    let length = cursor.u8().filter(|n| *n <= 128)?;
    let octets: [u8; 16] = cursor.take(16)?.try_into().ok()?;
    Some((octets.into(), length, valid))
}

/// A link-layer address of hardware type 1.
fn ethernet(value: &[u8]) -> Option<[u8; 6]> {
    value.strip_prefix(&[0, 1])?.try_into().ok()
}

/// DUID-LLT and DUID-LL hold a link-layer address (RFC 8415, 11.2 and 11.4).
fn of_duid(duid: &[u8]) -> Option<[u8; 6]> {
    match duid {
        [0, 1, 0, 1, _, _, _, _, mac @ ..] | [0, 3, 0, 1, mac @ ..] => mac.try_into().ok(),
        _ => None,
    }
}

/// Options: code, length, value. Ends at the first that doesn't fit.
struct Walk<'a>(&'a [u8]);

impl<'a> Iterator for Walk<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor(self.0);
        let found = (cursor.u16()?, cursor.vec16()?);
        self.0 = cursor.0;
        Some(found)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn option(tag: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        [&tag.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
    }

    /// A message about one address and one /56, for a client whose DUID holds a hardware address ending with `host`.
    pub(crate) fn message(kind: u8, host: u8, valid: u32) -> Vec<u8> {
        let lifetimes = [valid.to_be_bytes(), valid.to_be_bytes()].concat();
        let address: Ipv6Addr = "2001:db8::9".parse().unwrap();
        let prefix: Ipv6Addr = "2001:db8:5::".parse().unwrap();
        let address = option(5, &[&address.octets()[..], &lifetimes].concat());
        let prefix = option(26, &[&lifetimes[..], &[56], &prefix.octets()].concat());
        let duid = option(1, &[0, 3, 0, 1, 2, 0, 0, 0, 0, host]);
        let leases =
            [option(3, &[&[0; 12][..], &address].concat()), option(25, &[&[0; 12][..], &prefix].concat())];
        [&[kind, 1, 2, 3][..], &duid, &leases.concat()].concat()
    }

    fn relayed(inner: &[u8]) -> Vec<u8> {
        [&[13][..], &[0; 33], &option(18, b"eth0"), &option(9, inner)].concat()
    }

    #[test]
    fn a_reply_through_a_relay_gives_address_prefix_and_line() {
        let octets = relayed(&message(7, 5, 600));
        let reply = Message::parse(&octets).expect("DHCPv6");
        assert_eq!((reply.kind, reply.mac), (Kind::Reply, Some([2, 0, 0, 0, 0, 5])));
        assert_eq!(reply.circuit, Some(&b"eth0"[..]));
        let mut leases = Vec::new();
        reply.leases(&mut |address, length, valid| leases.push((address.to_string(), length, valid)));
        assert_eq!(leases, [("2001:db8::9".to_owned(), 128, 600), ("2001:db8:5::".to_owned(), 56, 600)]);
    }

    #[test]
    fn relays_are_followed_to_the_standards_limit_and_no_further() {
        let mut octets = message(7, 5, 600);
        for relays in 1..=MAX_RELAYS + 1 {
            octets = relayed(&octets);
            assert_eq!(Message::parse(&octets).is_some(), relays <= MAX_RELAYS, "{relays}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, kind in 0u8..14) {
            for whole in [&octets[..], &[&[kind, 0, 0, 0][..], &octets].concat(), &relayed(&octets)] {
                if let Some(message) = Message::parse(whole) {
                    message.leases(&mut |_, length, _| assert!(length <= 128));
                }
            }
        }
    }
}
