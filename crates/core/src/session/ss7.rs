//! Signalling System No. 7: from signalling links and SCTP associations to circuits (calls) and short messages.

mod sctp;
mod segments;

use std::net::{IpAddr, Ipv4Addr};

use super::{Observer, Shared};
use crate::counters::Counter;
use crate::decode::isup::{self, Message};
use crate::decode::mtp3::{self, Transfer, User, Variant};
use crate::decode::sctp as packets;
use crate::decode::sigtran::{self, Carried, Layer};
use crate::decode::{diameter, map, sccp, tcap};
use crate::packet::{Endpoint, LinkType, Packet, Seen, Time, Transport};
use crate::product::Carrier;
use crate::session::call::{Leg, Signalling};
use sctp::Associations;
use segments::Segments;

/// The ends of a link that has no IP addresses.
const NOWHERE: Endpoint = Endpoint { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

/// Everything below calls and messages.
#[derive(Default)]
pub(crate) struct Ss7 {
    associations: Associations,
    segments: Segments,
    /// Messages that could be read as one variant only: on a link, nothing else says which it speaks.
    votes: [u64; 2],
}

/// What a level 3 message holds, once read.
enum Content<'a> {
    Circuit(Signalling, u32, Message<'a>),
    Unitdata(sccp::Unitdata<'a>),
}

impl Ss7 {
    /// A packet of a captured signalling link; false for other links.
    pub(crate) fn link(&mut self, packet: &Packet<'_>, shared: &mut Shared, out: &mut impl Observer) -> bool {
        let seen = Seen {
            ts: packet.ts,
            src: NOWHERE,
            dst: NOWHERE,
            transport: Transport::Mtp,
            packet: Some(*packet),
            payload: packet.data,
        };
        match packet.link {
            LinkType::SCTP => self.sctp(&Seen { transport: Transport::Sctp, ..seen }, shared, out),
            LinkType::SCCP => match sccp::unitdata(packet.data) {
                Some(unitdata) => self.unitdata(&unitdata, &seen, shared, out),
                None => out.count(Counter::Ss7Other, 1),
            },
            link => {
                let Some(unit) = mtp3::link(link, packet.data) else { return false };
                self.unit(unit, Carrier::Mtp3, &Seen { payload: unit, ..seen }, shared, out);
            }
        }
        true
    }

    /// An SCTP packet; `seen.payload` begins at its common header, and its addresses are those of IP.
    pub(crate) fn sctp(&mut self, seen: &Seen<'_>, shared: &mut Shared, out: &mut impl Observer) {
        let Some(packet) = packets::packet(seen.payload) else {
            out.count(Counter::Malformed, 1);
            return;
        };
        out.count(Counter::Sctp, 1);
        // A packet of several chunks holds other people's messages as well.
        let alone = packet.data().take(2).count() == 1;
        for data in packet.data() {
            let Some(message) =
                self.associations.accept(&packet, &data, seen.ts, &mut |what| out.count(what, 1))
            else {
                continue;
            };
            let layer = Layer::of(message.ppid, [packet.sport, packet.dport]);
            let whole = alone && data.begins && data.ends;
            let seen = Seen {
                src: Endpoint { port: packet.sport, ..seen.src },
                dst: Endpoint { port: packet.dport, ..seen.dst },
                transport: Transport::Sctp,
                packet: seen.packet.filter(|_| whole),
                payload: &message.octets,
                ..*seen
            };
            match layer {
                Some(layer) => self.adaptation(layer, &seen, shared, out),
                // RFC 6733, 2.1.1 gives it a protocol identifier, which many stacks leave zero: its header tells it.
                None if diameter::looks_like_diameter(&message.octets) => {
                    shared.identities.diameter(&seen, out);
                }
                None => out.count(Counter::SctpOther, 1),
            }
        }
    }

    fn adaptation(&mut self, layer: Layer, seen: &Seen<'_>, shared: &mut Shared, out: &mut impl Observer) {
        match sigtran::read(layer, seen.payload) {
            Some(Carried::Transfer(transfer)) => {
                let content = content(&transfer, Variant::Itu).or_else(|| content(&transfer, Variant::Ansi));
                self.content(&transfer, content, Carrier::M3ua, seen, shared, out);
            }
            Some(Carried::Unit(unit)) => {
                let carrier = match layer {
                    Layer::M3ua => Carrier::M3ua,
                    Layer::M2ua => Carrier::M2ua,
                    Layer::M2pa => Carrier::M2pa,
                };
                self.unit(unit, carrier, seen, shared, out);
            }
            Some(Carried::Management) => {}
            None => out.count(Counter::Ss7Malformed, 1),
        }
    }

    /// A level 3 message with its label as on a link. Both variants are tried; where both fit, that which was spoken.
    fn unit(
        &mut self,
        unit: &[u8],
        carrier: Carrier,
        seen: &Seen<'_>,
        shared: &mut Shared,
        out: &mut impl Observer,
    ) {
        let read = |variant| {
            let transfer = mtp3::transfer(unit, variant)?;
            Some((transfer, content(&transfer, variant)))
        };
        let (itu, ansi) = (read(Variant::Itu), read(Variant::Ansi));
        let fits = [&itu, &ansi].map(|r| r.as_ref().is_some_and(|(_, content)| content.is_some()));
        if fits[0] != fits[1] {
            self.votes[usize::from(fits[1])] += 1;
        }
        let is_ansi = fits[1] && (!fits[0] || self.votes[1] > self.votes[0]);
        if let Some((transfer, content)) = if is_ansi { ansi } else { itu } {
            self.content(&transfer, content, carrier, seen, shared, out);
        }
    }

    fn content(
        &mut self,
        transfer: &Transfer<'_>,
        content: Option<Content<'_>>,
        carrier: Carrier,
        seen: &Seen<'_>,
        shared: &mut Shared,
        out: &mut impl Observer,
    ) {
        match content {
            Some(Content::Circuit(signalling, circuit, message)) => {
                out.count(Counter::Isup, 1);
                let leg = Leg { label: transfer.label, signalling, circuit, carrier };
                out.isup(&leg, &message, seen);
                shared.circuits.message(&leg, &message, seen, out);
            }
            Some(Content::Unitdata(unitdata)) => self.unitdata(&unitdata, seen, shared, out),
            None => out.count(Counter::Ss7Other, 1),
        }
    }

    fn unitdata(
        &mut self,
        unitdata: &sccp::Unitdata<'_>,
        seen: &Seen<'_>,
        shared: &mut Shared,
        out: &mut impl Observer,
    ) {
        out.count(Counter::Sccp, 1);
        let whole = self.segments.accept(unitdata, seen.ts, &mut |what| out.count(what, 1));
        for invoke in whole.iter().flat_map(|octets| tcap::invokes(octets)) {
            match map::forward_sm(&invoke) {
                Some(forward) => shared.messages.map(&invoke, &forward, seen, out),
                None if map::is_forward(invoke.operation) => out.count(Counter::MessagesUnreadable, 1),
                None => {}
            }
        }
    }

    /// Gives up what will not be whole any more.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        self.associations.advance(now, &mut |what| out.count(what, 1));
        self.segments.advance(now, &mut |what| out.count(what, 1));
    }
}

/// Reads what a message holds for its user; `None` for users and messages that concern no call and no text.
fn content<'a>(transfer: &Transfer<'a>, variant: Variant) -> Option<Content<'a>> {
    let signalling = match transfer.user {
        User::Isup => Signalling::Isup,
        User::Bicc => Signalling::Bicc,
        User::Sccp => return sccp::unitdata(transfer.payload).map(Content::Unitdata),
        User::Other => return None,
    };
    let (circuit, rest) = isup::circuit(transfer.payload, variant, signalling == Signalling::Bicc)?;
    Message::parse(rest, variant).map(|message| Content::Circuit(signalling, circuit, message))
}

#[cfg(test)]
mod tests;
