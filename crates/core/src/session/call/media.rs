//! Which media addresses belong to which call, and what a side's session description says of its payload types.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::table::CallRef;
use crate::decode::sdp;
use crate::packet::Endpoint;
use crate::product::{Encoding, Side};

/// Most media addresses of one call. Audio and video on both sides of three hops with a change each make 24; ICE adds
/// some for each. When full, the first ones go: the newest offer is what the call uses.
pub(super) const MAX_ADDRESSES: usize = 64;

/// Most media descriptions kept of one call: no more than it has addresses.
const MAX_SECTIONS: usize = MAX_ADDRESSES;

/// Most encoding names that share one copy. IANA lists about 150 for RTP; beyond this each stream pays for its own.
const MAX_NAMES: usize = 512;

/// Longest encoding name kept; the longest registered one has 24 octets.
const MAX_NAME: usize = 32;

/// A transport address in a form that hashes and compares as three words.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Address {
    high: u64,
    low: u64,
    port: u16,
}

impl From<Endpoint> for Address {
    #[inline]
    fn from(at: Endpoint) -> Self {
        let ip = match at.ip {
            // `Endpoint` never holds a mapped address, so the two families can't meet.
            IpAddr::V4(ip) => 0xffff_0000_0000 | u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        Self { high: (ip >> 64) as u64, low: ip as u64, port: at.port }
    }
}

/// What one side said it receives at one address.
pub(super) struct Section {
    pub(super) side: Side,
    codecs: SmallVec<[Codec; 4]>,
}

/// One payload type of one section: dynamic ones only, RFC 3551 has the others.
struct Codec {
    payload_type: u8,
    encoding: Encoding,
    clock: u32,
}

/// Where an address leads.
#[derive(Clone, Copy)]
pub(super) struct Binding {
    pub(super) call: CallRef,
    /// Index into [`Described::sections`].
    section: u8,
    /// `a=rtcp` or an ICE candidate of component 2.
    rtcp_only: bool,
}

/// What the session descriptions of one call have said so far.
#[derive(Default)]
pub(super) struct Described {
    sections: SmallVec<[Section; 2]>,
    /// The section to go next, once there are as many as there may be.
    oldest: u8,
    addresses: SmallVec<[Address; 2]>,
    /// The sides' last direction: whether either has put the call on hold.
    hold: [bool; 2],
}

/// What [`Media::describe`] did.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome {
    /// An address is new to the call, or the direction changed.
    pub(super) changed: bool,
    /// Addresses or descriptions that didn't fit.
    pub(super) dropped: u64,
}

impl Described {
    /// Whether media may be silent because it was asked to be (RFC 3264, 8.4).
    pub(super) fn on_hold(&self) -> bool {
        self.hold.contains(&true)
    }

    /// Side that described the section of a binding.
    pub(super) fn side(&self, binding: Binding) -> Option<Side> {
        self.sections.get(usize::from(binding.section)).map(|s| s.side)
    }

    /// Encoding and clock of a payload type: as the receiver of the packet described it, since an offer or answer says
    /// what its sender wants to receive (RFC 3264, 5.1); else as anybody in the call did, newest first.
    fn dynamic(&self, binding: Binding, payload_type: u8) -> Option<(Encoding, u32)> {
        let own = self.sections.get(usize::from(binding.section));
        let codec = own
            .into_iter()
            .chain(self.sections.iter().rev())
            .find_map(|s| s.codecs.iter().find(|c| c.payload_type == payload_type))?;
        Some((codec.encoding.clone(), codec.clock))
    }
}

/// Addresses of all calls.
#[derive(Default)]
pub(super) struct Media {
    bindings: HashMap<Address, Binding>,
    names: HashMap<Box<str>, Arc<str>>,
}

impl Media {
    /// The binding of an address that receives RTP.
    #[inline]
    pub(super) fn rtp(&self, at: Endpoint) -> Option<Binding> {
        self.bindings.get(&Address::from(at)).filter(|b| !b.rtcp_only).copied()
    }

    /// The binding of an address that receives RTCP: named by `a=rtcp`, the RTP port itself (RFC 5761), or the next
    /// port up (RFC 3550, 11).
    pub(super) fn rtcp(&self, at: Endpoint) -> Option<Binding> {
        if let Some(binding) = self.bindings.get(&Address::from(at)) {
            return Some(*binding);
        }
        self.rtp(Endpoint { port: at.port.checked_sub(1)?, ..at })
    }

    /// Takes one side's session description into a call: binds its addresses to the call and keeps its payload types.
    /// An address that another call has is taken over: ports are used again within seconds, and the newest description
    /// tells whose they are now.
    pub(super) fn describe(
        &mut self,
        call: CallRef,
        known: &mut Described,
        side: Side,
        session: &sdp::Session<'_>,
    ) -> Outcome {
        let mut done = Outcome::default();
        let mut hold = None;
        for media in session.media.iter().filter(|m| m.is_rtp() && m.port != 0) {
            let Some(ip) = media.connection else { continue };
            // RFC 2543's hold, which RFC 3264, 8.4 still allows to be received.
            let nowhere = ip.is_unspecified();
            hold = hold.or(Some(nowhere || media.direction != sdp::Direction::SendRecv));
            if nowhere {
                continue;
            }
            let rtp = Endpoint { ip, port: media.port };
            let section = self.section(call, known, side, rtp, media, &mut done);
            self.bind(call, known, rtp, section, false, &mut done);
            if let Some((port, ip_of_rtcp)) = media.rtcp.filter(|_| !media.rtcp_mux) {
                let rtcp = Endpoint { ip: ip_of_rtcp.unwrap_or(ip), port };
                if rtcp != rtp && (rtcp.ip != ip || rtcp.port.checked_sub(1) != Some(rtp.port)) {
                    self.bind(call, known, rtcp, section, true, &mut done);
                }
            }
            for (component, candidate) in &media.candidates {
                if *candidate != rtp && !candidate.ip.is_unspecified() && candidate.port > 9 {
                    self.bind(call, known, *candidate, section, *component == 2, &mut done);
                }
            }
        }
        if let (Some(hold), Some(before)) = (hold, known.hold.get_mut(side as usize)) {
            done.changed |= *before != hold;
            *before = hold;
        }
        done
    }

    /// The section for an address: the one it has, or a new one; with the payload types of `media` put in.
    fn section(
        &mut self,
        call: CallRef,
        known: &mut Described,
        side: Side,
        rtp: Endpoint,
        media: &sdp::Media<'_>,
        done: &mut Outcome,
    ) -> u8 {
        let bound = self.bindings.get(&Address::from(rtp)).filter(|b| b.call == call).map(|b| b.section);
        let bound = bound.filter(|n| known.sections.get(usize::from(*n)).is_some_and(|s| s.side == side));
        let mut codecs = SmallVec::new();
        for map in &media.rtpmap {
            let encoding = self.encoding(map.encoding);
            codecs.push(Codec { payload_type: map.payload_type, encoding, clock: map.clock });
        }
        let section = Section { side, codecs };
        if let Some(n) = bound
            && let Some(place) = known.sections.get_mut(usize::from(n))
        {
            *place = section;
            return n;
        }
        if known.sections.len() < MAX_SECTIONS {
            known.sections.push(section);
            return (known.sections.len() - 1) as u8;
        }
        // The oldest goes, and its addresses with it.
        let n = known.oldest;
        known.oldest = (n + 1) % MAX_SECTIONS as u8;
        done.dropped += 1;
        let bindings = &mut self.bindings;
        known.addresses.retain(|address| {
            let gone = bindings.get(address).is_some_and(|b| b.call == call && b.section == n);
            if gone {
                bindings.remove(address);
            }
            !gone
        });
        if let Some(place) = known.sections.get_mut(usize::from(n)) {
            *place = section;
        }
        n
    }

    fn bind(
        &mut self,
        call: CallRef,
        known: &mut Described,
        at: Endpoint,
        section: u8,
        rtcp_only: bool,
        done: &mut Outcome,
    ) {
        let address = Address::from(at);
        let before = self.bindings.insert(address, Binding { call, section, rtcp_only });
        if before.is_some_and(|b| b.call == call) {
            return;
        }
        done.changed = true;
        if known.addresses.len() == MAX_ADDRESSES {
            let oldest = known.addresses.remove(0);
            self.forget(call, oldest);
            done.dropped += 1;
        }
        known.addresses.push(address);
    }

    /// The call leaves: what is still its own goes with it.
    pub(super) fn release(&mut self, call: CallRef, known: &Described) {
        for address in &known.addresses {
            self.forget(call, *address);
        }
    }

    fn forget(&mut self, call: CallRef, address: Address) {
        if self.bindings.get(&address).is_some_and(|b| b.call == call) {
            self.bindings.remove(&address);
        }
    }

    /// Encoding and RTP clock of a packet. 8000 Hz when neither SDP nor RFC 3551 knows the payload type.
    pub(super) fn payload(
        &mut self,
        known: &Described,
        binding: Binding,
        payload_type: u8,
    ) -> (Encoding, u32) {
        if let Some(dynamic) = known.dynamic(binding, payload_type) {
            return dynamic;
        }
        match sdp::static_payload_type(payload_type) {
            Some((name, clock)) => (self.encoding(name.as_bytes()), clock),
            None => (Encoding::Unknown, 8000),
        }
    }

    /// Encoding names are compared without case (RFC 4855, 3).
    fn encoding(&mut self, name: &[u8]) -> Encoding {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("PCMU") {
            return Encoding::Pcmu;
        }
        if is("PCMA") {
            return Encoding::Pcma;
        }
        if is("CN") {
            return Encoding::ComfortNoise;
        }
        if is("telephone-event") {
            return Encoding::TelephoneEvent;
        }
        let Some(name) = std::str::from_utf8(name).ok().filter(|n| !n.is_empty() && n.len() <= MAX_NAME)
        else {
            return Encoding::Unknown;
        };
        let upper = name.to_ascii_uppercase();
        if let Some(shared) = self.names.get(upper.as_str()) {
            return Encoding::Other(shared.clone());
        }
        let shared: Arc<str> = upper.as_str().into();
        if self.names.len() < MAX_NAMES {
            self.names.insert(upper.into(), shared.clone());
        }
        Encoding::Other(shared)
    }

    /// How many addresses are bound.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }
}
