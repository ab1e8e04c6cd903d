//! Next-generation capture files (draft-ietf-opsawg-pcapng): blocks that each say their length before and after.

use std::io;

use mandat_core::{LinkType, Time};

use crate::MAX_PACKET;
use crate::buffer::{Buffer, MAX_NEED};
use crate::error::Reason;
use crate::reader::{Current, Order, Step};
use crate::resolution::Resolution;

/// Interfaces remembered of one section. Captures on every interface of a host with many containers describe some
/// hundreds; ten times that costs 160 kB.
pub(crate) const MAX_INTERFACES: usize = 4096;

/// Block types that we know (11.1). Closed: any other is skipped and noted.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    /// Obsolete Packet Block (appendix A).
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE: u32 = 3;
    pub(super) const NAMES: u32 = 4;
    pub(super) const STATISTICS: u32 = 5;
    pub(super) const ENHANCED: u32 = 6;
    pub(super) const JOURNAL: u32 = 9;
    /// Decryption Secrets Block: keys of other people's sessions. Never read, not even to be noted.
    pub(super) const SECRETS: u32 = 10;
    pub(super) const CUSTOM: u32 = 0x0bad;
    pub(super) const CUSTOM_NO_COPY: u32 = 0x4000_0bad;
}

/// Byte-Order Magic of a Section Header Block (4.1).
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Type, length and the length again.
const FRAME: usize = 12;
/// Fixed part of a Section Header Block up to the byte-order magic.
const SECTION_HEAD: usize = 12;
/// Fixed part of a Section Header Block, without its closing length.
const SECTION_FIXED: usize = 24;
/// Fixed parts before the packet or the options, with type and length.
const INTERFACE_FIXED: usize = 16;
const ENHANCED_FIXED: usize = 28;
const SIMPLE_FIXED: usize = 12;

const OPTION_END: u16 = 0;
const OPTION_TSRESOL: u16 = 9;
const OPTION_TSOFFSET: u16 = 14;

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    /// Octets that the capture kept of a packet; 0 for all. Only Simple Packet Blocks need it.
    snaplen: u32,
    resolution: Resolution,
    /// Seconds to add to every timestamp.
    offset: i64,
}

pub(crate) struct PcapNg {
    order: Order,
    /// Those of the current section.
    interfaces: Vec<Interface>,
    /// Time of the last packet that had one.
    last: Time,
    /// The rest of a block too long for the window: octets to drop before the next one.
    rest: u64,
}

impl PcapNg {
    /// Whether `head` begins with a Section Header Block. Its type reads the same in both byte orders.
    pub(crate) fn recognises(head: [u8; 4]) -> bool {
        u32::from_le_bytes(head) == block::SECTION
    }

    pub(crate) fn new() -> Self {
        Self { order: Order::Little, interfaces: Vec::new(), last: Time(0), rest: 0 }
    }

    /// Reads the next block.
    #[inline]
    pub(crate) fn step(&mut self, buffer: &mut Buffer) -> io::Result<Step> {
        if self.rest > 0 {
            let whole = buffer.skip(std::mem::take(&mut self.rest))?;
            return Ok(if whole { Step::Nothing } else { Step::Stop(Reason::Truncated) });
        }
        if !buffer.need(SECTION_HEAD)? {
            return Ok(if buffer.unread().is_empty() { Step::End } else { Step::Stop(Reason::Truncated) });
        }
        let head = buffer.unread();
        if self.order.u32(head, 0) == block::SECTION {
            let Some(order) = Order::with_magic(head, 8, BYTE_ORDER_MAGIC) else {
                return Ok(Step::Stop(Reason::Damaged));
            };
            self.order = order;
        }
        let kind = self.order.u32(head, 0);
        let total = self.order.u32(head, 4) as usize;
        if total < FRAME || !total.is_multiple_of(4) {
            return Ok(Step::Stop(Reason::Damaged));
        }
        // A block that fits is taken whole and its closing length compared before anything in it is believed. Of a
        // longer one (a packet with huge options, a vendor's block) only the head is taken, the rest is dropped.
        let whole = total <= MAX_NEED;
        let taken = if whole { total } else { MAX_NEED };
        if !buffer.need(taken)? {
            return Ok(Step::Stop(Reason::Truncated));
        }
        let at = buffer.mark();
        let octets = &buffer.unread()[..taken];
        if whole && self.order.u32(octets, total - 4) as usize != total {
            return Ok(Step::Stop(Reason::Damaged));
        }
        let body = if whole { &octets[..total - 4] } else { octets };
        let found = self.block(kind, body, at);
        buffer.consume(taken);
        self.rest = (total - taken) as u64;
        Ok(found)
    }

    /// `octets` is the block from its type to before its closing length; it starts at `at` in the window.
    fn block(&mut self, kind: u32, octets: &[u8], at: usize) -> Step {
        match kind {
            block::ENHANCED => self.packet(octets, at, false),
            block::PACKET => self.packet(octets, at, true),
            block::SIMPLE => self.simple(octets, at),
            block::INTERFACE => self.interface(octets),
            block::SECTION => self.section(octets),
            block::NAMES
            | block::STATISTICS
            | block::JOURNAL
            | block::SECRETS
            | block::CUSTOM
            | block::CUSTOM_NO_COPY => Step::Nothing,
            unknown => Step::Note(Reason::UnknownBlock(unknown)),
        }
    }

    /// Section Header Block (4.1): forgets the interfaces of the section before.
    fn section(&mut self, octets: &[u8]) -> Step {
        if octets.len() < SECTION_FIXED {
            return Step::Stop(Reason::Damaged);
        }
        self.interfaces.clear();
        match self.order.u16(octets, 12) {
            1 => Step::Nothing,
            major => Step::Stop(Reason::Version(major)),
        }
    }

    /// Interface Description Block (4.2).
    fn interface(&mut self, octets: &[u8]) -> Step {
        if octets.len() < INTERFACE_FIXED {
            return Step::Stop(Reason::Damaged);
        }
        if self.interfaces.len() == MAX_INTERFACES {
            return Step::Note(Reason::TooManyInterfaces);
        }
        let mut interface = Interface {
            link: LinkType(u32::from(self.order.u16(octets, 8))),
            snaplen: self.order.u32(octets, 12),
            resolution: Resolution::DEFAULT,
            offset: 0,
        };
        let mut options = &octets[INTERFACE_FIXED..];
        while options.len() >= 4 {
            let code = self.order.u16(options, 0);
            let len = usize::from(self.order.u16(options, 2));
            let Some(value) = options.get(4..4 + len) else { break };
            match (code, len) {
                (OPTION_END, _) => break,
                (OPTION_TSRESOL, 1) => interface.resolution = Resolution::from_option(value[0]),
                (OPTION_TSOFFSET, 8) => interface.offset = self.order.i64(value, 0),
                _ => {}
            }
            options = options.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        if crate::reader::is_read(interface.link) {
            Step::Nothing
        } else {
            Step::Note(Reason::LinkType(interface.link.0))
        }
    }

    /// Enhanced Packet Block (4.3), or the obsolete Packet Block, whose interface number shares its word with a drop
    /// count.
    #[inline]
    fn packet(&mut self, octets: &[u8], at: usize, obsolete: bool) -> Step {
        if octets.len() < ENHANCED_FIXED {
            return Step::Stop(Reason::Damaged);
        }
        let id = if obsolete { u32::from(self.order.u16(octets, 8)) } else { self.order.u32(octets, 8) };
        let Some(interface) = self.interfaces.get(id as usize) else {
            return Step::Note(Reason::UnknownInterface(id));
        };
        let units = u64::from(self.order.u32(octets, 12)) << 32 | u64::from(self.order.u32(octets, 16));
        let ts = interface.resolution.time(units, interface.offset);
        let captured = self.order.u32(octets, 20) as usize;
        let original = self.order.u32(octets, 24);
        let len = captured.min(MAX_PACKET);
        if octets.len() < ENHANCED_FIXED + len {
            return Step::Stop(Reason::Damaged);
        }
        let current = Current {
            ts,
            link: interface.link,
            at: at + ENHANCED_FIXED,
            len,
            wire_len: original.max(captured as u32),
        };
        self.last = ts;
        if len == captured { Step::Packet(current) } else { Step::Noted(current, Reason::Oversized) }
    }

    /// Simple Packet Block (4.4): interface 0, no time, and the captured length only as the lesser of the original
    /// length and the interface's snapshot length.
    fn simple(&mut self, octets: &[u8], at: usize) -> Step {
        if octets.len() < SIMPLE_FIXED {
            return Step::Stop(Reason::Damaged);
        }
        let Some(interface) = self.interfaces.first() else {
            return Step::Note(Reason::UnknownInterface(0));
        };
        let original = self.order.u32(octets, 8);
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let len = (original.min(snaplen) as usize).min(MAX_PACKET);
        if octets.len() < SIMPLE_FIXED + len {
            return Step::Stop(Reason::Damaged);
        }
        let current =
            Current { ts: self.last, link: interface.link, at: at + SIMPLE_FIXED, len, wire_len: original };
        Step::Noted(current, Reason::NoTime)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Ng, put32, read};

    const ORDERS: [Order; 2] = [Order::Little, Order::Big];

    #[test]
    fn every_packet_block_of_every_section_is_read() {
        for order in ORDERS {
            let mut file = Ng::new(order)
                .interface(1, 0, &[])
                .interface(101, 4, &[(OPTION_TSRESOL, &[9]), (OPTION_END, &[])])
                .enhanced(0, 3_000_000, b"one")
                .enhanced(1, 4_000_000_005, b"two!")
                .obsolete(1, 5_000_000_006, b"three")
                .out;
            // The next section is in the other order, and its interface 0 is another one.
            let other = if order == Order::Big { Order::Little } else { Order::Big };
            file.extend(Ng::new(other).interface(228, 0, &[]).enhanced(0, 6_000_000, b"four").out);
            let outcome = read(&file);
            assert_eq!(outcome.warnings, []);
            assert_eq!(
                outcome.packets,
                [
                    (3_000_000_000, 1, b"one".to_vec(), 4),
                    (4_000_000_005, 101, b"two!".to_vec(), 5),
                    (5_000_000_006, 101, b"three".to_vec(), 6),
                    (6_000_000_000, 228, b"four".to_vec(), 5),
                ]
            );
        }
    }

    #[test]
    fn every_resolution_and_offset_is_applied() {
        for order in ORDERS {
            for (octet, units) in
                (0..=9).map(|n| (n, 5 * 10_u64.pow(u32::from(n)))).chain([(0x80 | 0x14, 5 << 20)])
            {
                let offset =
                    if order == Order::Big { (-2_i64).to_be_bytes() } else { (-2_i64).to_le_bytes() };
                let file = Ng::new(order)
                    .interface(1, 0, &[(2, b"eth"), (OPTION_TSRESOL, &[octet]), (OPTION_TSOFFSET, &offset)])
                    .enhanced(0, units, b"x")
                    .out;
                assert_eq!(read(&file).packets[0].0, 3_000_000_000, "if_tsresol {octet:#x}");
            }
        }
    }

    #[test]
    fn a_simple_packet_takes_its_length_from_the_interface_and_its_time_from_before() {
        let file = Ng::new(Order::Little)
            .interface(1, 4, &[])
            .enhanced(0, 9_000_000, b"x")
            .simple(100, b"abcd")
            .simple(3, b"efg")
            .out;
        let outcome = read(&file);
        assert_eq!(outcome.packets[1], (9_000_000_000, 1, b"abcd".to_vec(), 100));
        assert_eq!(outcome.packets[2], (9_000_000_000, 1, b"efg".to_vec(), 3));
        assert_eq!(outcome.warnings.iter().map(|w| (w.0, w.2)).collect::<Vec<_>>(), [("source.no_time", 2)]);
    }

    #[test]
    fn blocks_without_packets_are_passed_over_and_only_unknown_ones_are_noted() {
        let vendor = vec![7; 3 * MAX_NEED];
        let file = Ng::new(Order::Big)
            .interface(1, 0, &[])
            .block(block::SECRETS, b"CLIENT_RANDOM")
            .block(block::NAMES, b"")
            .block(block::CUSTOM, b"1234")
            .block(0x8000_0001, &vendor)
            .block(0x8000_0001, b"")
            .enhanced(3, 0, b"whose?")
            .enhanced(0, 1, b"x")
            .out;
        let outcome = read(&file);
        assert_eq!(outcome.packets.len(), 1);
        let noted: Vec<_> = outcome.warnings.iter().map(|w| (w.0, w.2)).collect();
        assert_eq!(noted, [("source.unknown_block", 2), ("source.unknown_interface", 1)]);
    }

    #[test]
    fn a_packet_above_the_limit_is_cut_and_the_next_one_is_read() {
        for size in [MAX_PACKET, MAX_PACKET + 1, 5 * MAX_PACKET] {
            let file = Ng::new(Order::Little)
                .interface(1, 0, &[])
                .enhanced(0, 1, &vec![3; size])
                .enhanced(0, 2, b"x")
                .out;
            let outcome = read(&file);
            assert_eq!(outcome.packets.len(), 2);
            assert_eq!(outcome.packets[0].2.len(), MAX_PACKET);
            assert_eq!(outcome.packets[0].3 as usize, size + 1);
            assert_eq!(outcome.warnings.len(), usize::from(size > MAX_PACKET));
        }
    }

    #[test]
    fn interfaces_beyond_the_limit_are_not_kept() {
        let mut file = Ng::new(Order::Little);
        for _ in 0..MAX_INTERFACES + 2 {
            file = file.interface(1, 0, &[]);
        }
        let outcome = read(&file.enhanced(MAX_INTERFACES as u32 - 1, 1, b"x").out);
        assert_eq!(outcome.packets.len(), 1);
        assert_eq!((outcome.warnings[0].0, outcome.warnings[0].2), ("source.too_many_interfaces", 2));
    }

    #[test]
    fn a_cut_anywhere_keeps_what_is_whole_and_names_the_block() {
        for order in ORDERS {
            let header = Ng::new(order).interface(1, 0, &[(OPTION_TSRESOL, &[6])]);
            let first = header.out.len();
            let file = header.enhanced(0, 1, b"first");
            let second = file.out.len();
            let file = file.enhanced(0, 2, b"second").out;
            for cut in 28..file.len() {
                let outcome = read(&file[..cut]);
                assert_eq!(outcome.packets.len(), usize::from(cut >= second));
                let place = [28, first, second].into_iter().rfind(|end| *end <= cut).unwrap();
                let expected: &[_] =
                    if place == cut { &[] } else { &[("source.truncated", place as u64, 1)] };
                assert_eq!(outcome.warnings, expected, "cut at {cut}");
            }
            for cut in 1..28 {
                assert!(read(&file[..cut]).error.is_some());
            }
        }
    }

    #[test]
    fn a_lying_length_stops_the_file_there() {
        let start = Ng::new(Order::Little).interface(1, 0, &[]).enhanced(0, 1, b"good").out;
        let packet = start.len();
        let file = Ng { order: Order::Little, out: start }.enhanced(0, 2, b"evil").out;
        // Total length, closing length, captured length.
        for (at, lie) in [(4, 13), (4, 8), (4, 32), (file.len() - packet - 4, 4), (20, 5), (20, u32::MAX)] {
            let mut file = file.clone();
            file[packet + at..packet + at + 4].copy_from_slice(&put32(Order::Little, lie));
            let outcome = read(&file);
            assert_eq!(outcome.packets.len(), 1, "{at} {lie}");
            assert_eq!(outcome.warnings, [("source.damaged", packet as u64, 1)], "{at} {lie}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_blocks_never_panic(kinds in prop::collection::vec((0_u32..8, prop::collection::vec(any::<u8>(), 0..60)), 0..8), tail: Vec<u8>, big: bool) {
            let mut file = Ng::new(if big { Order::Big } else { Order::Little }).interface(1, 0, &[]);
            for (kind, body) in &kinds {
                file = file.block(*kind, body);
            }
            file.out.extend(tail);
            let outcome = read(&file.out);
            prop_assert!(outcome.packets.iter().map(|packet| packet.2.len()).sum::<usize>() <= file.out.len());
        }

        #[test]
        fn arbitrary_octets_never_panic(octets: Vec<u8>) {
            read(&octets);
            read(&[&Ng::new(Order::Big).out[..], &octets].concat());
        }
    }
}
