//! Tunnels: what carries an IP packet inside another. One small file a tunnel or family of tunnels; each gives the inner
//! packet, borrowed, or says that there is none.
//!
//! A tunnel with an IP protocol number of its own is believed. A tunnel over UDP is told by its port **and** by its
//! structure, down to the inner IP header: anybody may send a SIP message from a tunnel's port, and must not hide it by
//! that. What begins as SIP or RTP does is therefore never taken for a tunnel (see [`udp`]).
//!
//! Left out, because no operator's tap has shown them: LISP, NSH, CAPWAP, GUE, minimal encapsulation (RFC 2004).

mod geneve;
mod gre;
mod l2tp;
mod mpls;
mod plausible;
mod ppp;
mod teredo;
mod tzsp;
mod vxlan;

pub(super) use mpls::mpls;
pub(super) use ppp::ppp;
pub(crate) use teredo::peer as teredo_peer;

use super::ip::protocol;
use super::link::{self, Network};
use super::sip;
use super::transport::{self, Udp};
use plausible::{Trust, inner_ip};

/// UDP ports that the standards give to tunnels.
mod port {
    pub(super) const DNS: u16 = 53;
    /// RFC 2661, RFC 3931.
    pub(super) const L2TP: u16 = 1701;
    /// RFC 4380.
    pub(super) const TEREDO: u16 = 3544;
    /// RFC 8086.
    pub(super) const GRE: u16 = 4754;
    /// RFC 7348.
    pub(super) const VXLAN: u16 = 4789;
    /// draft-ietf-nvo3-vxlan-gpe.
    pub(super) const VXLAN_GPE: u16 = 4790;
    /// RFC 8926.
    pub(super) const GENEVE: u16 = 6081;
    /// RFC 7510.
    pub(super) const MPLS: u16 = 6635;
    /// VXLAN on Linux before the number was assigned.
    pub(super) const VXLAN_LINUX: u16 = 8472;
    /// `TaZmen` Sniffer Protocol: remote capture of routers and access points.
    pub(super) const TZSP: u16 = 37008;
}

/// The tunnels over UDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OverUdp {
    GtpU,
    L2tp,
    Teredo,
    Gre,
    Vxlan,
    Geneve,
    Mpls,
    Tzsp,
}

/// The tunnel of a pair of ports. Where a sender chooses its own port (it spreads load: RFC 7348, 5), only the receiver's
/// counts; a name server's port is never a tunnel's.
fn of_ports(sport: u16, dport: u16) -> Option<OverUdp> {
    let one_way = match dport {
        port::VXLAN | port::VXLAN_GPE | port::VXLAN_LINUX => Some(OverUdp::Vxlan),
        port::GENEVE => Some(OverUdp::Geneve),
        port::MPLS => Some(OverUdp::Mpls),
        port::GRE => Some(OverUdp::Gre),
        port::TZSP => Some(OverUdp::Tzsp),
        port::DNS => return None,
        _ => None,
    };
    let either = |at| match at {
        transport::GTP_U => Some(OverUdp::GtpU),
        port::L2TP => Some(OverUdp::L2tp),
        port::TEREDO => Some(OverUdp::Teredo),
        _ => None,
    };
    one_way.or_else(|| either(dport)).or_else(|| either(sport).filter(|_| sport != port::DNS))
}

/// The IP packet inside a datagram of a tunnel over UDP; `None` when it isn't one, so that the other readers may look at
/// it. `cut`: the capture ends before the datagram does.
#[inline]
pub(crate) fn udp<'a>(datagram: &Udp<'a>, cut: bool) -> Option<&'a [u8]> {
    let tunnel = of_ports(datagram.sport, datagram.dport)?;
    let payload = datagram.payload;
    // No header read here begins with the version bits of RTP and RTCP (RFC 3550, 5.1).
    if payload.first()? & 0xc0 == 0x80 || sip::looks_like_sip(payload) {
        return None;
    }
    let trust = if cut { Trust::Cut } else { Trust::Framed };
    match tunnel {
        OverUdp::GtpU => transport::gtp_u(payload).and_then(|inner| plausible::ip(inner, trust)),
        OverUdp::L2tp => l2tp::udp(payload, trust),
        OverUdp::Teredo => teredo::server(payload, trust),
        OverUdp::Gre => inner_ip(gre::gre(payload), trust),
        OverUdp::Vxlan => inner_ip(vxlan::vxlan(payload)?, trust),
        OverUdp::Geneve => inner_ip(geneve::geneve(payload)?, trust),
        OverUdp::Mpls => inner_ip(mpls(payload, 0), Trust::Guessed),
        OverUdp::Tzsp => inner_ip(tzsp::tzsp(payload)?, trust),
    }
}

/// What stands inside a tunnel with an IP protocol number of its own; `None` when the number is no tunnel's.
pub(crate) fn over_ip(number: u8, payload: &[u8]) -> Option<Network<'_>> {
    Some(match number {
        protocol::IPIP | protocol::IPV6 => Network::Ip(payload),
        protocol::GRE => gre::gre(payload),
        protocol::L2TP => l2tp::ip(payload).map_or(Network::Other, Network::Ip),
        protocol::MPLS => mpls(payload, 0),
        // RFC 3378: version 3 and twelve reserved bits.
        protocol::ETHERIP => match payload {
            [0x30, _, frame @ ..] => link::ethernet(frame, 0),
            _ => Network::Malformed,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
