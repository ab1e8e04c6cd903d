//! DHCP of both kinds: an address is held from the server's answer until its lease ends or the client gives it back.

use smallvec::SmallVec;

use super::bindings::{Claim, Key};
use super::{Identities, Via, Who, key, octets, push, push_hex, usable};
use crate::decode::{dhcp, dhcpv6};
use crate::identifier::{Prefix, subscriber};
use crate::packet::{Seen, Time};
use crate::product::Role;
use crate::session::Observer;

/// RFC 2131, 4.1.
pub(super) const SERVER_PORT: u16 = 67;
pub(super) const CLIENT_PORT: u16 = 68;
/// RFC 8415, 7.2.
pub(super) const SERVER_PORT_V6: u16 = 547;
pub(super) const CLIENT_PORT_V6: u16 = 546;

/// RFC 2131, 3.3; RFC 8415, 7.7: for ever.
const INFINITY: u32 = u32::MAX;

impl Identities {
    pub(super) fn dhcp(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let Some(message) = dhcp::Message::parse(seen.payload) else { return false };
        let key = client_key(&message);
        match message.kind {
            // An answer to DHCPINFORM has neither address nor lease.
            dhcp::Kind::Ack => {
                let (Some(lease), Some(address)) = (message.lease, usable(message.yiaddr.into())) else {
                    return true;
                };
                let mut who = Who::new();
                if let Some(mac) = message.mac {
                    push(&mut who, Role::MacAddress, &subscriber::mac_text(mac));
                }
                push_hex(&mut who, Role::ClientIdentifier, message.client_identifier);
                push_hex(&mut who, Role::CircuitId, message.circuit);
                push_hex(&mut who, Role::RemoteId, message.remote);
                let claim = Claim {
                    via: Via::Dhcp,
                    keys: SmallVec::from_iter([key]),
                    addresses: SmallVec::from_iter([address]),
                    who,
                    start: seen.ts,
                    due: end_of(lease, seen.ts),
                    group: None,
                    is_all: true,
                };
                self.bindings.hold(&claim, out);
            }
            // RFC 2131, 4.4.6: the client names the address in `ciaddr`.
            dhcp::Kind::Release => {
                self.bindings.release_one(&key, Prefix::host(message.ciaddr.into()), seen.ts, out);
            }
            // RFC 2131, 3.1: somebody else uses the address that was given.
            dhcp::Kind::Decline => {
                let address = message.requested.unwrap_or(message.ciaddr);
                self.bindings.release_one(&key, Prefix::host(address.into()), seen.ts, out);
            }
            // RFC 2131, 3.2: the client must stop using what it had.
            dhcp::Kind::Nak => _ = self.bindings.release(&key, seen.ts, out),
            dhcp::Kind::Other => {}
        }
        true
    }

    pub(super) fn dhcpv6(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let Some(message) = dhcpv6::Message::parse(seen.payload) else { return false };
        let Some(duid) = message.duid else { return true };
        let key = key(Via::Dhcp, &[b"duid", duid]);
        let mut leases: SmallVec<[(Prefix, u32); 4]> = SmallVec::new();
        message.leases(&mut |address, length, valid| {
            let prefix = usable(address.into()).and_then(|_| Prefix::new(address.into(), length));
            leases.extend(prefix.map(|p| (p, valid)));
        });
        let frees = matches!(message.kind, dhcpv6::Kind::Release | dhcpv6::Kind::Decline);
        for (prefix, valid) in leases {
            if frees || valid == 0 && message.kind == dhcpv6::Kind::Reply {
                self.bindings.release_one(&key, prefix, seen.ts, out);
            } else if message.kind == dhcpv6::Kind::Reply {
                let mut who = Who::new();
                if let Some(mac) = message.mac {
                    push(&mut who, Role::MacAddress, &subscriber::mac_text(mac));
                }
                push_hex(&mut who, Role::ClientIdentifier, Some(duid));
                push_hex(&mut who, Role::CircuitId, message.circuit);
                push_hex(&mut who, Role::RemoteId, message.remote);
                let claim = Claim {
                    via: Via::Dhcp,
                    keys: SmallVec::from_iter([key.clone()]),
                    addresses: SmallVec::from_iter([prefix]),
                    who,
                    start: seen.ts,
                    due: end_of(valid, seen.ts),
                    group: None,
                    is_all: false,
                };
                self.bindings.hold(&claim, out);
            }
        }
        true
    }
}

/// A client is told by its identifier, else by its hardware address (RFC 2131, 4.2), in its relay's network. A renewal
/// goes to the server without the relay, so the network can't be a part of the key of a client that has an identifier
/// or a hardware address of its own.
fn client_key(message: &dhcp::Message<'_>) -> Key {
    match (message.mac, message.client_identifier) {
        (Some(mac), _) => key(Via::Dhcp, &[b"mac", &mac]),
        (None, Some(identifier)) => key(Via::Dhcp, &[b"client", identifier]),
        (None, None) => key(Via::Dhcp, &[b"network", &octets(message.giaddr.into())]),
    }
}

fn end_of(seconds: u32, from: Time) -> Time {
    if seconds == INFINITY { Time(i64::MAX) } else { from.plus_seconds(i64::from(seconds)) }
}
