//! Takes packets apart and gives each message to the table that follows its kind of session.

use super::clock::Clock;
use super::connection::Connections;
use super::datagram::Lookups;
use super::fragments::Fragments;
use super::hep::Trust;
use super::message::centres::Centres;
use super::ss7::Ss7;
use super::{Observer, Shared};
use crate::counters::Counter;
use crate::decode::ip::{Ip, protocol};
use crate::decode::link::{self, Network};
use crate::decode::{ip, sctp, transport, tunnel};
use crate::packet::{Endpoint, Packet, Seen, Time, Transport};

/// Tunnels within tunnels. Real networks nest two or three deep; a packet that nests deeper is an attack.
const MAX_TUNNELS: usize = 4;

/// Timers are looked at this often, in capture time.
const TICK_SECONDS: i64 = 1;

/// Every session of the network.
pub(crate) struct Sessions {
    fragments: Fragments,
    connections: Connections,
    lookups: Lookups,
    pub(super) shared: Shared,
    pub(super) agents: Trust,
    ss7: Ss7,
    clock: Clock,
    /// When timers were looked at last.
    ticked: Option<Time>,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            fragments: Fragments::default(),
            connections: Connections::default(),
            lookups: Lookups::default(),
            shared: Shared::new(),
            agents: Trust::default(),
            ss7: Ss7::default(),
            clock: Clock::default(),
            ticked: None,
        }
    }

    /// Takes TLS secrets that the operator's own servers logged. Returns how many lines gave one.
    pub(crate) fn learn_keys(&mut self, log: &str) -> usize {
        self.shared.keys.read(log)
    }

    /// Sets what is known of the site's message centres.
    pub(crate) fn set_centres(&mut self, centres: Centres) {
        self.shared.messages.set_centres(centres);
    }

    /// Sets the header that the site's switches keep the same on all legs of a conversation.
    pub(crate) fn set_leg_header(&mut self, name: Option<Box<str>>) {
        self.shared.calls.set_leg_header(name);
    }

    /// Takes one packet.
    pub(crate) fn handle(&mut self, packet: &Packet<'_>, out: &mut impl Observer) {
        out.count(Counter::PacketsIn, 1);
        out.count(Counter::OctetsIn, packet.data.len() as u64);
        if packet.wire_len as usize > packet.data.len() {
            out.count(Counter::PacketsCut, 1);
        }
        self.tick(packet.ts, out);
        if self.ss7.link(packet, &mut self.shared, out) {
            return;
        }
        match link::network(packet.link, packet.data) {
            Network::Ip(octets) => self.network(octets, Some(packet), packet.ts, 0, out),
            Network::Other => out.count(Counter::NotIp, 1),
            Network::Malformed => out.count(Counter::Malformed, 1),
            Network::UnknownLink => out.count(Counter::LinkUnknown, 1),
        }
    }

    /// The source has ended.
    pub(crate) fn finish(&mut self, out: &mut impl Observer) {
        let now = self.clock.last();
        self.connections.finish(now, &mut self.shared, out);
        self.relayed(out);
        self.lookups.finish(now, out);
        self.shared.messages.finish(now, out);
        self.shared.calls.finish(now, out);
        self.shared.circuits.finish(now, out);
        self.shared.identities.finish(out);
    }

    fn tick(&mut self, ts: Time, out: &mut impl Observer) {
        let now = self.clock.see(ts, &mut |what, n| out.count(what, n));
        // The clock may have been set back.
        if self.ticked.is_some_and(|last| last <= now && now < last.plus_seconds(TICK_SECONDS)) {
            return;
        }
        self.ticked = Some(now);
        self.fragments.advance(now, &mut |what, n| out.count(what, n));
        self.connections.advance(now, &mut self.shared, out);
        self.relayed(out);
        self.lookups.advance(now, out);
        self.shared.messages.advance(now, out);
        self.shared.calls.advance(now, out);
        self.ss7.advance(now, out);
        self.shared.circuits.advance(now, out);
        self.shared.identities.advance(now, out);
    }

    /// An IP packet; `packet` while it stands whole and alone in a captured one.
    fn network(
        &mut self,
        octets: &[u8],
        packet: Option<&Packet<'_>>,
        ts: Time,
        depth: usize,
        out: &mut impl Observer,
    ) {
        let Some(ip) = ip::parse(octets) else {
            out.count(Counter::Malformed, 1);
            return;
        };
        out.ip_packet(&ip, octets, ts);
        match ip.fragment {
            None => self.transport(&ip, packet, ts, depth, out),
            Some(fragment) => {
                let whole = self.fragments.accept(&ip, fragment, ts, &mut |what, n| out.count(what, n));
                if let Some((protocol, octets)) = whole {
                    let ip = Ip { protocol, payload: &octets, fragment: None, ..ip };
                    self.transport(&ip, None, ts, depth, out);
                }
            }
        }
    }

    fn transport(
        &mut self,
        ip: &Ip<'_>,
        packet: Option<&Packet<'_>>,
        ts: Time,
        depth: usize,
        out: &mut impl Observer,
    ) {
        match ip.protocol {
            protocol::UDP => {
                let Some(udp) = transport::udp(ip.payload) else {
                    out.count(Counter::Malformed, 1);
                    return;
                };
                if let Some(inner) = tunnel::udp(&udp, ip.cut) {
                    self.inside(Network::Ip(inner), packet, ts, depth, out);
                    return;
                }
                let seen = Seen {
                    ts,
                    src: Endpoint { ip: ip.src, port: udp.sport },
                    dst: Endpoint { ip: ip.dst, port: udp.dport },
                    transport: Transport::Udp,
                    packet: packet.copied(),
                    payload: udp.payload,
                };
                if udp.dport == sctp::UDP_PORT || udp.sport == sctp::UDP_PORT {
                    self.ss7.sctp(&seen, &mut self.shared, out);
                    return;
                }
                if self.hep(&seen, out) || self.datagram(&seen, out) {
                    return;
                }
                match tunnel::teredo_peer(udp.payload) {
                    Some(inner) => self.inside(Network::Ip(inner), packet, ts, depth, out),
                    None => out.count(Counter::UdpOther, 1),
                }
            }
            protocol::TCP => {
                let Some(tcp) = transport::tcp(ip.payload) else {
                    out.count(Counter::Malformed, 1);
                    return;
                };
                self.connections.segment(ip, &tcp, packet, ts, &mut self.shared, out);
                self.relayed(out);
            }
            protocol::SCTP => {
                let end = |ip| Endpoint { ip, port: 0 };
                let seen = Seen {
                    ts,
                    src: end(ip.src),
                    dst: end(ip.dst),
                    transport: Transport::Sctp,
                    packet: packet.copied(),
                    payload: ip.payload,
                };
                self.ss7.sctp(&seen, &mut self.shared, out);
            }
            protocol::ESP => match ip::esp_null(ip.payload) {
                Some((protocol, payload)) => {
                    self.transport(&Ip { protocol, payload, ..*ip }, packet, ts, depth, out);
                }
                None => out.count(Counter::NotTransport, 1),
            },
            // An authentication header hides nothing. (IPv6's is walked over with the other extension headers.)
            protocol::AH => match ip::extensions(protocol::AH, ip.payload) {
                Some((protocol, payload, None)) => {
                    self.transport(&Ip { protocol, payload, ..*ip }, packet, ts, depth, out);
                }
                _ => out.count(Counter::Malformed, 1),
            },
            number => match tunnel::over_ip(number, ip.payload) {
                Some(inner) => self.inside(inner, packet, ts, depth, out),
                None => out.count(Counter::NotTransport, 1),
            },
        }
    }

    /// What a tunnel holds.
    fn inside(
        &mut self,
        found: Network<'_>,
        packet: Option<&Packet<'_>>,
        ts: Time,
        depth: usize,
        out: &mut impl Observer,
    ) {
        if depth >= MAX_TUNNELS {
            out.count(Counter::TunnelsTooDeep, 1);
            return;
        }
        match found {
            Network::Ip(octets) => {
                out.count(Counter::Tunnelled, 1);
                self.network(octets, packet, ts, depth + 1, out);
            }
            Network::Other | Network::UnknownLink => out.count(Counter::NotIp, 1),
            Network::Malformed => out.count(Counter::Malformed, 1),
        }
    }

    /// The first octet tells RTP (128 to 191) from text and from the rest, as RFC 7983 does for one port. False when
    /// nobody can read it.
    pub(super) fn datagram(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let Some(&first) = seen.payload.first() else { return false };
        if first & 0xc0 == 0x80 {
            if self.shared.calls.media(seen, out) {
                return true;
            }
            out.stray(seen);
        }
        if self.shared.calls.fax(seen, out) {
            return true;
        }
        self.shared.sip_datagram(seen, out)
            || self.shared.identities.datagram(seen, out)
            || self.lookups.datagram(seen, out)
    }
}
