//! Which subscriber holds which address, from when to when: what RADIUS, DHCP, GTP-C and Diameter say of it.
//!
//! A protocol's file turns its messages into claims ([`Claim`]); [`Bindings`] holds what is claimed now. An answer says
//! more than a request, so what a request has said waits in [`Pending`] for the answer that makes it so.

mod bindings;
mod dhcp;
mod diameter;
mod gtp;
mod pending;
mod radius;
#[cfg(test)]
mod tests;

pub(crate) use bindings::{Binding, BindingId};

use std::net::IpAddr;

use smallvec::SmallVec;

use self::bindings::{Bindings, Claim, Key};
use self::pending::Pending;
use super::Observer;
use crate::counters::Counter;
use crate::decode::gtpv1c;
use crate::identifier::{Prefix, subscriber};
use crate::packet::{Seen, Time};
use crate::product::{Party, Role};
use crate::redact::Pii;

/// Characters of an identity that are kept. RADIUS carries 253; more is no name of a subscriber.
const MAX_IDENTITY: usize = 253;

/// What said so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Via {
    Radius,
    Dhcp,
    GtpV1C,
    GtpV2C,
    Diameter,
}

impl Via {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Radius => "radius",
            Self::Dhcp => "dhcp",
            Self::GtpV1C => "gtpv1c",
            Self::GtpV2C => "gtpv2c",
            Self::Diameter => "diameter",
        }
    }
}

/// All assignments of addresses.
#[derive(Default)]
pub(crate) struct Identities {
    bindings: Bindings,
    pending: Pending,
}

impl Identities {
    /// Takes a datagram; false when it is none of ours.
    pub(crate) fn datagram(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let (source, target) = (seen.src.port, seen.dst.port);
        let either = |port| source == port || target == port;
        let read = if either(gtpv1c::PORT) {
            self.gtp(seen, out)
        } else if either(dhcp::SERVER_PORT) || either(dhcp::CLIENT_PORT) {
            self.dhcp(seen, out)
        } else if either(dhcp::SERVER_PORT_V6) || either(dhcp::CLIENT_PORT_V6) {
            self.dhcpv6(seen, out)
        } else {
            self.radius(seen, out)
        };
        out.count(Counter::IdentityMessages, u64::from(read));
        read
    }

    /// Ends what is due.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        self.bindings.advance(now, out);
        self.pending.advance(now);
    }

    /// The source has ended: what holds goes on holding, as far as anybody can tell.
    pub(crate) fn finish(&mut self, out: &mut impl Observer) {
        self.bindings.finish(out);
    }
}

/// Identities of one subscriber.
type Who = SmallVec<[Party; 4]>;

/// Adds an identity, unless it is none.
fn push(who: &mut Who, role: Role, text: &str) {
    if text.is_empty() || text.len() > MAX_IDENTITY || text.chars().any(char::is_control) {
        return;
    }
    let party = Party { role, uri: Pii(text.into()) };
    if !who.contains(&party) {
        who.push(party);
    }
}

/// Adds a user name.
fn push_nai(who: &mut Who, name: &[u8]) {
    if let Some(name) = std::str::from_utf8(name).ok().and_then(subscriber::nai) {
        push(who, Role::Nai, &name);
    }
}

/// Adds an identity made of arbitrary octets, in hexadecimal.
fn push_hex(who: &mut Who, role: Role, octets: Option<&[u8]>) {
    let octets = octets.filter(|o| o.len() <= MAX_IDENTITY / 2).unwrap_or_default();
    let mut text = String::with_capacity(octets.len() * 2);
    for half in octets.iter().flat_map(|b| [b >> 4, b & 15]) {
        text.extend(char::from_digit(u32::from(half), 16));
    }
    push(who, role, &text);
}

/// Adds digits, which the caller has checked to be digits.
fn push_digits(who: &mut Who, role: Role, digits: &[u8]) {
    push(who, role, std::str::from_utf8(digits).unwrap_or_default());
}

/// A key of a session: what it is, and octets that tell it from others of its protocol.
fn key(via: Via, parts: &[&[u8]]) -> Key {
    let mut octets = Vec::with_capacity(parts.iter().map(|p| p.len() + 2).sum());
    for part in parts {
        // A length before each part keeps `a|bc` from being `ab|c`.
        octets.extend((part.len() as u16).to_be_bytes());
        octets.extend_from_slice(part);
    }
    (via, octets.into())
}

/// Octets of an address, for a key.
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// An address that is one subscriber's. Unspecified, multicast and broadcast addresses are nobody's.
fn usable(ip: IpAddr) -> Option<Prefix> {
    let is_nobodys =
        ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    (!is_nobodys).then(|| Prefix::host(ip))
}
