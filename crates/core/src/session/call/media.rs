//! Which media addresses belong to which call, and what a side's session description says of its payload types.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use super::stream::{Codec as StreamCodec, Stream};
use super::table::CallRef;
use crate::decode::{dtmf, red, rtp, sdp};
use crate::packet::Endpoint;
use crate::packet::Seen;
use crate::product::{Encoding, Format, HoldBy, Packing, Side};

/// Most media addresses of one call. Audio and video on both sides of three hops with a change each make 24; ICE adds
/// some for each. When full, the first ones go: the newest offer is what the call uses.
pub(super) const MAX_ADDRESSES: usize = 64;

/// Most media descriptions kept of one call: no more than it has addresses.
const MAX_SECTIONS: usize = MAX_ADDRESSES;

/// Most encoding names that share one copy. IANA lists about 150 for RTP; beyond this each stream pays for its own.
const MAX_NAMES: usize = 512;

/// Most calls that one address is kept for besides the one that has it. Two calls meet at an address when a port is used
/// again, and a hop seen twice adds none; more is somebody who announces what isn't theirs.
const MAX_RIVALS: usize = 4;

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
    /// Datagrams of UDPTL come here (T.38), and perhaps RTP still: the switch often keeps the port.
    fax: bool,
    /// Which dialog of a forked INVITE, for the called side.
    branch: Option<u8>,
    codecs: SmallVec<[Codec; 4]>,
}

/// One payload type of one section: dynamic ones only, RFC 3551 has the others.
struct Codec {
    payload_type: u8,
    encoding: Encoding,
    clock: u32,
    format: Format,
}

/// Where an address leads.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Binding {
    pub(super) call: CallRef,
    /// Index into [`Described::sections`].
    section: u8,
    /// `a=rtcp` or an ICE candidate of component 2.
    rtcp_only: bool,
    /// Media have come to or from the address under this binding.
    flowing: bool,
    /// The call has ended: the next description of the address takes it.
    over: bool,
    /// Other calls have announced the address as well: see [`Media::rivals`].
    shared: bool,
    /// They did so while this call was up.
    pub(super) contested: bool,
    /// A task selects the call.
    selected: bool,
}

impl Binding {
    /// That of an address which the call announces for the first time.
    fn new(call: CallRef, section: u8, rtcp_only: bool, selected: bool) -> Self {
        Self {
            call,
            section,
            rtcp_only,
            flowing: false,
            over: false,
            shared: false,
            contested: false,
            selected,
        }
    }
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
    /// A task selects the call: it wins where nothing else tells calls apart.
    selected: bool,
}

/// What [`Media::describe`] did.
#[derive(Clone, Default)]
pub(super) struct Outcome {
    /// An address is new to the call, or the direction changed.
    pub(super) changed: bool,
    /// Addresses or descriptions that didn't fit.
    pub(super) dropped: u64,
    /// Addresses that another live call has announced too.
    pub(super) contested: u64,
    /// How the side holds the other (or doesn't), when the description says anything of audio or the like.
    #[expect(clippy::option_option, reason = "nothing said, not held, held")]
    pub(super) hold: Option<Option<HoldBy>>,
    /// Other live calls that announce the same addresses.
    pub(super) sharing: SmallVec<[CallRef; 2]>,
}

impl Described {
    /// Whether a session description announced the address.
    pub(super) fn announces(&self, at: Endpoint) -> bool {
        self.addresses.contains(&Address::from(at))
    }

    /// Whether media may be silent because it was asked to be (RFC 3264, 8.4).
    pub(super) fn on_hold(&self) -> bool {
        self.hold.contains(&true)
    }

    /// Whether each side holds.
    pub(super) fn holding(&self) -> [bool; 2] {
        self.hold
    }

    /// An offer was refused: the side's earlier direction is still in force.
    pub(super) fn restore(&mut self, side: Side, hold: bool) {
        if let Some(now) = self.hold.get_mut(side as usize) {
            *now = hold;
        }
    }

    /// Side that described the section of a binding.
    pub(super) fn side(&self, binding: Binding) -> Option<Side> {
        self.sections.get(usize::from(binding.section)).map(|s| s.side)
    }

    /// Whether fax comes to the address of a binding.
    pub(super) fn is_fax(&self, binding: Binding) -> bool {
        self.sections.get(usize::from(binding.section)).is_some_and(|s| s.fax)
    }

    /// Whether anybody in the call calls this payload type so.
    fn is_telephone_event(&self, payload_type: u8) -> bool {
        let codecs = self.sections.iter().flat_map(|s| &s.codecs);
        codecs.into_iter().any(|c| c.payload_type == payload_type && c.encoding == Encoding::TelephoneEvent)
    }

    /// Encoding and clock of a payload type: as the receiver of the packet described it, since an offer or answer says
    /// what its sender wants to receive (RFC 3264, 5.1); else as anybody in the call did, newest first.
    fn dynamic(&self, binding: Binding, payload_type: u8) -> Option<(Encoding, u32, Format)> {
        let own = self.sections.get(usize::from(binding.section));
        let codec = own
            .into_iter()
            .chain(self.sections.iter().rev())
            .find_map(|s| s.codecs.iter().find(|c| c.payload_type == payload_type))?;
        Some((codec.encoding.clone(), codec.clock, codec.format))
    }
}

/// What `a=rtpmap` and `a=fmtp` say of a payload type beside its encoding.
fn format_of(media: &sdp::Media<'_>, map: &sdp::RtpMap<'_>) -> Format {
    let text = media.fmtp.iter().find(|(pt, _)| *pt == map.payload_type).map_or(&b""[..], |(_, text)| text);
    let mut format = Format { channels: map.channels, ..Format::default() };
    if text.is_empty() {
        return format;
    }
    if map.encoding.eq_ignore_ascii_case(b"red") {
        // RFC 2198, 5: `121 0/5`, the primary first.
        let first = text.split(|b| *b == b'/').next().and_then(|t| std::str::from_utf8(t).ok());
        format.primary = first.and_then(|t| t.trim().parse().ok()).filter(|pt| *pt < 128);
        return format;
    }
    for parameter in text.split(|b| *b == b';') {
        let parameter = parameter.trim_ascii();
        let Some(equals) = parameter.iter().position(|b| *b == b'=') else { continue };
        let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("octet-align") && value == b"1" && format.packing != Packing::Other {
            format.packing = Packing::OctetAligned;
        } else if is("interleaving") || ((is("crc") || is("robust-sorting")) && value == b"1") {
            format.packing = Packing::Other;
        }
    }
    format
}

/// Longest payload that is taken for digits where the description says so: four events, and the tag of SRTP. Speech that
/// somebody labels `telephone-event` is longer, and isn't withheld.
const MAX_EVENTS: usize = 32;

/// Whether a packet holds digits: by what the session description calls its payload type; inside RED (RFC 2198, 3); and,
/// where no description was seen, by its form.
pub(super) fn is_digits(
    known: &Described,
    binding: Binding,
    encoding: &Encoding,
    packet: &rtp::Packet<'_>,
) -> bool {
    // The static types can't be events, whatever a description says: that would hide speech.
    if sdp::static_payload_type(packet.payload_type).is_some() {
        return false;
    }
    match encoding {
        Encoding::TelephoneEvent => packet.payload.len() <= MAX_EVENTS,
        Encoding::Other(name) if &**name == "TONE" => packet.payload.len() <= MAX_EVENTS,
        Encoding::Other(name) if &**name == "RED" => {
            let mut rest = packet.payload;
            let is_event = |payload_type: u8| {
                let own = known.dynamic(binding, payload_type);
                own.is_some_and(|(e, ..)| e == Encoding::TelephoneEvent)
                    || known.is_telephone_event(payload_type)
            };
            while let Some(first) = rest.first() {
                if is_event(first & 0x7f) {
                    return true;
                }
                // The last block's header has one octet and no F bit.
                let Some(after) = rest.get(4..).filter(|_| first & 0x80 != 0) else { break };
                rest = after;
            }
            false
        }
        Encoding::Unknown => {
            packet.payload.len() == 4 && dtmf::Payload::parse(packet.payload).is_some_and(|e| e.event < 16)
        }
        _ => false,
    }
}

/// Addresses of all calls.
#[derive(Default)]
pub(super) struct Media {
    bindings: HashMap<Address, Binding>,
    /// The other calls that announce an address, newest last. Anybody can name anybody's address in an INVITE, so the
    /// newest description doesn't win by itself: see [`Self::resolve`]. None are empty, and a binding that has some is
    /// `shared`: nothing is looked up here for the others.
    rivals: HashMap<Address, SmallVec<[Binding; 1]>>,
    names: Names,
    /// Some call has had fax: only then is a datagram that isn't RTP looked up.
    pub(super) any_fax: bool,
}

/// Encoding names, each kept once.
#[derive(Default)]
struct Names(HashMap<Box<str>, Arc<str>>);

impl Names {
    /// The payload types of a media description.
    fn codecs(&mut self, media: &sdp::Media<'_>) -> SmallVec<[Codec; 4]> {
        let mut codecs = SmallVec::new();
        for map in &media.rtpmap {
            let (encoding, format) = (self.encoding(map.encoding), format_of(media, map));
            codecs.push(Codec { payload_type: map.payload_type, encoding, clock: map.clock, format });
        }
        codecs
    }

    /// Encoding names are compared without case (RFC 4855, 3), but most are written as they are registered.
    fn encoding(&mut self, name: &[u8]) -> Encoding {
        match name {
            b"PCMU" => Encoding::Pcmu,
            b"PCMA" => Encoding::Pcma,
            b"CN" => Encoding::ComfortNoise,
            b"telephone-event" => Encoding::TelephoneEvent,
            _ => self.any_case(name),
        }
    }

    fn any_case(&mut self, name: &[u8]) -> Encoding {
        let mut upper = [0; MAX_NAME];
        let Some(upper) = upper.get_mut(..name.len()) else { return Encoding::Unknown };
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        match &*upper {
            b"" => Encoding::Unknown,
            b"PCMU" => Encoding::Pcmu,
            b"PCMA" => Encoding::Pcma,
            b"CN" => Encoding::ComfortNoise,
            b"TELEPHONE-EVENT" => Encoding::TelephoneEvent,
            other => std::str::from_utf8(other).map_or(Encoding::Unknown, |name| self.other(name)),
        }
    }

    fn other(&mut self, name: &str) -> Encoding {
        if let Some(shared) = self.0.get(name) {
            return Encoding::Other(shared.clone());
        }
        let shared: Arc<str> = name.into();
        if self.0.len() < MAX_NAMES {
            self.0.insert(name.into(), shared.clone());
        }
        Encoding::Other(shared)
    }
}

impl Media {
    /// The binding that an RTP packet falls under, and whether it goes to the address (or comes from it: symmetric RTP,
    /// RFC 4961).
    #[inline]
    pub(super) fn rtp(&mut self, src: Endpoint, dst: Endpoint) -> Option<(Binding, bool)> {
        let (src, dst) = (Address::from(src), Address::from(dst));
        match self.flow(dst, src) {
            Some(binding) => Some((binding, true)),
            None => Some((self.flow(src, dst)?, false)),
        }
    }

    #[inline]
    fn flow(&mut self, at: Address, other: Address) -> Option<Binding> {
        let binding = self.bindings.get_mut(&at).filter(|b| !b.rtcp_only)?;
        if !binding.shared {
            binding.flowing = true;
            return Some(*binding);
        }
        self.resolve(at, other)
    }

    /// Whose a packet is at an address that several calls have announced: a call's which has announced the packet's other
    /// end too; then one's that hasn't ended; then that one's whose media began here; then the newest one's. It is never
    /// given to two.
    #[cold]
    fn resolve(&mut self, at: Address, other: Address) -> Option<Binding> {
        let rank = |b: &Binding| {
            let there = self.claims(other).find(|o| o.call == b.call);
            // A description that is passed on unchanged makes legs that announce the same ends: the two directions of
            // one flow then stay together, in the leg that is selected.
            let flowing = b.flowing || there.is_some_and(|o| o.flowing);
            (there.is_some(), !b.over, flowing, b.selected, b.call)
        };
        let held = *self.bindings.get(&at)?;
        let rivals = self.rivals.get(&at).map_or(&[][..], |r| &r[..]);
        let best = rivals.iter().filter(|b| !b.rtcp_only).max_by_key(|b| rank(b)).copied();
        if let Some(best) = best.filter(|best| rank(best) > rank(&held)) {
            self.promote(at, best);
        }
        let binding = self.bindings.get_mut(&at)?;
        binding.flowing = true;
        Some(*binding)
    }

    /// Every binding of an address.
    fn claims(&self, at: Address) -> impl Iterator<Item = &Binding> {
        let held = self.bindings.get(&at);
        let rivals = held.filter(|b| b.shared).and_then(|_| self.rivals.get(&at));
        held.into_iter().chain(rivals.into_iter().flatten())
    }

    /// Lets a rival have the address; who had it becomes a rival.
    fn promote(&mut self, at: Address, rival: Binding) {
        let (Some(held), Some(rivals)) = (self.bindings.get_mut(&at), self.rivals.get_mut(&at)) else {
            return;
        };
        rivals.retain(|r| r.call != rival.call);
        rivals.push(*held);
        *held = Binding { shared: true, ..rival };
    }

    /// The binding of an address that receives RTCP: named by `a=rtcp`, the RTP port itself (RFC 5761), or the next
    /// port up (RFC 3550, 11).
    pub(super) fn rtcp(&self, at: Endpoint) -> Option<Binding> {
        if let Some(binding) = self.bindings.get(&Address::from(at)) {
            return Some(*binding);
        }
        let below = Endpoint { port: at.port.checked_sub(1)?, ..at };
        self.bindings.get(&Address::from(below)).filter(|b| !b.rtcp_only).copied()
    }

    /// Whether all addresses that the call has announced still lead to it.
    pub(super) fn holds(&self, call: CallRef, known: &Described) -> bool {
        known.addresses.iter().all(|at| self.claims(*at).any(|b| b.call == call))
    }

    /// Whether another live call has announced an address of this one, as [`Self::release`] says in the end.
    #[cfg(test)]
    pub(super) fn contested(&self, call: CallRef, known: &Described) -> bool {
        known.addresses.iter().any(|at| self.claims(*at).any(|b| b.call == call && b.contested))
    }

    /// A task selects the call.
    pub(super) fn prefer(&mut self, call: CallRef, known: &mut Described) {
        if known.selected {
            return;
        }
        known.selected = true;
        for at in &known.addresses {
            let held = self.bindings.get_mut(at).into_iter();
            let all = held.chain(self.rivals.get_mut(at).into_iter().flatten());
            all.filter(|b| b.call == call).for_each(|b| b.selected = true);
        }
    }

    /// The branch of a forked call that a packet belongs to: that of its end at the called side.
    pub(super) fn branch(&self, call: CallRef, known: &Described, seen: &Seen<'_>) -> Option<u8> {
        [seen.dst, seen.src].into_iter().find_map(|at| {
            let own = self.claims(Address::from(at)).find(|b| b.call == call)?;
            known.sections.get(usize::from(own.section))?.branch
        })
    }

    /// The call has ended, or (`over` is false) goes on after all. Its addresses stay its own until another call
    /// announces them, so that late media find it; those that another call announces already go to that one.
    pub(super) fn retire(&mut self, call: CallRef, known: &Described, over: bool) {
        for at in &known.addresses {
            let Some(held) = self.bindings.get_mut(at) else { continue };
            if held.call == call {
                held.over = over;
                if !held.shared {
                    continue;
                }
                let heir = self.rivals.get(at).and_then(|r| r.iter().rev().find(|b| !b.over)).copied();
                if let Some(heir) = heir.filter(|_| over) {
                    self.promote(*at, heir);
                }
            } else if let Some(own) =
                self.rivals.get_mut(at).and_then(|r| r.iter_mut().find(|b| b.call == call))
            {
                own.over = over;
            }
        }
    }

    /// Takes one side's session description into a call: binds its addresses to the call and keeps its payload types.
    /// An address of a call that has ended is taken over: ports are used again within seconds. One of a call that is
    /// still up is contested: see [`Self::resolve`].
    pub(super) fn describe(
        &mut self,
        call: CallRef,
        known: &mut Described,
        side: Side,
        branch: Option<u8>,
        session: &sdp::Session<'_>,
    ) -> Outcome {
        let mut done = Outcome::default();
        let mut hold = None;
        let carried = |m: &sdp::Media<'_>| (m.is_rtp() || m.is_fax()) && m.port != 0;
        for (n, media) in session.media.iter().enumerate().filter(|(_, m)| carried(m)) {
            let Some(ip) = media.connection else { continue };
            // RFC 2543's hold, which RFC 3264, 8.4 still allows to be received.
            let nowhere = ip.is_unspecified();
            hold = hold.or(Some(nowhere || media.direction != sdp::Direction::SendRecv));
            done.hold.get_or_insert(match media.direction {
                _ if nowhere => Some(HoldBy::Nowhere),
                sdp::Direction::SendOnly => Some(HoldBy::SendOnly),
                sdp::Direction::Inactive => Some(HoldBy::Inactive),
                _ => None,
            });
            if nowhere {
                continue;
            }
            let rtp = Endpoint { ip, port: media.port };
            // BUNDLE (RFC 9143): several descriptions, one address, told apart by payload type (9.2).
            let same =
                |m: &&sdp::Media<'_>| m.is_rtp() && (m.connection, m.port) == (media.connection, media.port);
            let bundled = session.media.iter().take(n).any(|m| same(&m));
            let fax = media.is_fax();
            self.any_fax |= fax;
            let section = Section { side, fax, branch, codecs: self.names.codecs(media) };
            let section = self.announce(call, known, rtp, (section, bundled), &mut done);
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

    /// Binds an address that media go to, and keeps what is said of it. Says where that is kept.
    fn announce(
        &mut self,
        call: CallRef,
        known: &mut Described,
        rtp: Endpoint,
        (section, bundled): (Section, bool),
        done: &mut Outcome,
    ) -> u8 {
        let address = Address::from(rtp);
        // Nearly every address is new: one look-up says so and takes it.
        if known.sections.len() < MAX_SECTIONS
            && let Entry::Vacant(free) = self.bindings.entry(address)
        {
            let n = known.sections.len() as u8;
            known.sections.push(section);
            free.insert(Binding::new(call, n, false, known.selected));
            self.remember(call, known, address, done);
            return n;
        }
        let n = self.section(call, known, address, (section, bundled), done);
        self.bind(call, known, rtp, n, false, done);
        n
    }

    /// Puts a section where the address has one already, or makes it a place.
    fn section(
        &mut self,
        call: CallRef,
        known: &mut Described,
        rtp: Address,
        (section, bundled): (Section, bool),
        done: &mut Outcome,
    ) -> u8 {
        let bound = self.claims(rtp).find(|b| b.call == call).map(|b| b.section);
        let same_side = |s: &Section| s.side == section.side;
        let bound = bound.filter(|n| known.sections.get(usize::from(*n)).is_some_and(same_side));
        if let Some(n) = bound
            && let Some(place) = known.sections.get_mut(usize::from(n))
        {
            if bundled {
                place.codecs.extend(section.codecs);
            } else {
                *place = section;
            }
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
        known.addresses.retain(|address| {
            let gone = self.claims(*address).any(|b| b.call == call && b.section == n);
            if gone {
                self.forget(call, *address);
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
        let new = Binding::new(call, section, rtcp_only, known.selected);
        // What is known of an address outlives the description of it.
        let renewed = |old: &Binding| Binding {
            flowing: old.flowing,
            shared: old.shared,
            contested: old.contested,
            ..new
        };
        match self.bindings.get_mut(&address) {
            Some(held) if held.call == call => {
                *held = renewed(held);
                return;
            }
            None => {
                self.bindings.insert(address, new);
            }
            Some(held) => {
                let rivals = self.rivals.entry(address).or_default();
                if let Some(own) = rivals.iter_mut().find(|b| b.call == call) {
                    *own = renewed(own);
                    return;
                }
                let contested = !held.over || rivals.iter().any(|b| !b.over);
                held.contested |= contested && !held.over;
                held.shared = true;
                let mut new = Binding { shared: true, contested, ..new };
                // Media that flow stay where they are, until the call that they flow in has ended.
                if held.over || !held.flowing {
                    std::mem::swap(held, &mut new);
                }
                rivals.push(new);
                if rivals.len() > MAX_RIVALS {
                    let worst = rivals.iter().position(|b| b.over || !b.flowing).unwrap_or(0);
                    rivals.remove(worst);
                    done.dropped += 1;
                }
                done.contested += u64::from(contested);
                let others = rivals.iter().chain([&*held]).filter(|b| !b.over && b.call != call);
                done.sharing.extend(others.map(|b| b.call));
            }
        }
        self.remember(call, known, address, done);
    }

    /// Keeps an address that is new to the call.
    fn remember(&mut self, call: CallRef, known: &mut Described, address: Address, done: &mut Outcome) {
        done.changed = true;
        if known.addresses.len() == MAX_ADDRESSES {
            let oldest = known.addresses.remove(0);
            self.forget(call, oldest);
            done.dropped += 1;
        }
        known.addresses.push(address);
    }

    /// The call leaves: what is still its own goes with it. Says whether another live call has announced an address of
    /// this one.
    pub(super) fn release(&mut self, call: CallRef, known: &Described) -> bool {
        let mut contested = false;
        for address in &known.addresses {
            contested |= self.forget(call, *address);
        }
        contested
    }

    /// An address goes from a call. Says whether it was contested.
    fn forget(&mut self, call: CallRef, address: Address) -> bool {
        let Entry::Occupied(held) = self.bindings.entry(address) else { return false };
        if held.get().shared {
            return self.forget_shared(call, address);
        }
        // Nearly every address has been of one call alone.
        held.get().call == call && held.remove().contested
    }

    fn forget_shared(&mut self, call: CallRef, address: Address) -> bool {
        let contested = self.claims(address).any(|b| b.call == call && b.contested);
        let own = self.bindings.get(&address).is_some_and(|b| b.call == call);
        let Some(rivals) = self.rivals.get_mut(&address) else { return contested };
        rivals.retain(|b| b.call != call);
        let heir =
            if own { rivals.iter().rposition(|b| !b.over).or(rivals.len().checked_sub(1)) } else { None };
        let heir = heir.map(|n| rivals.remove(n));
        let shared = !rivals.is_empty();
        if !shared {
            self.rivals.remove(&address);
        }
        if let Some(heir) = heir {
            self.bindings.insert(address, Binding { shared, ..heir });
        } else if own {
            self.bindings.remove(&address);
        } else if let Some(held) = self.bindings.get_mut(&address) {
            held.shared = shared;
        }
        contested
    }

    /// Encoding and RTP clock of a packet. 8000 Hz when neither SDP nor RFC 3551 knows the payload type.
    pub(super) fn payload(
        &mut self,
        known: &Described,
        binding: Binding,
        payload_type: u8,
    ) -> (Encoding, u32, Format) {
        if let Some(dynamic) = known.dynamic(binding, payload_type) {
            return dynamic;
        }
        match sdp::static_payload_type(payload_type) {
            Some((name, clock)) => {
                // RFC 3551, 4.5.11: payload type 10 is the one with two channels.
                let channels = if payload_type == 10 { 2 } else { 1 };
                (self.names.encoding(name.as_bytes()), clock, Format { channels, ..Format::default() })
            }
            None => (Encoding::Unknown, 8000, Format::default()),
        }
    }

    /// What a RED stream carries first: as its description says, else as the packet itself.
    pub(super) fn primary(
        &mut self,
        known: &Described,
        binding: Binding,
        stream: &Stream,
        packet: &rtp::Packet<'_>,
    ) -> Option<StreamCodec> {
        if !matches!(&stream.encoding, Encoding::Other(name) if &**name == "RED") {
            return None;
        }
        let payload_type =
            stream.format.primary.or_else(|| red::primary(packet.payload).map(|(pt, _)| pt))?;
        let (encoding, clock, format) = self.payload(known, binding, payload_type);
        Some(StreamCodec { payload_type, encoding, clock, format })
    }

    /// How many addresses are bound.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bindings.len() + self.rivals.values().map(SmallVec::len).sum::<usize>()
    }
}
