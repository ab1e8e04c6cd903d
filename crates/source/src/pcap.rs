//! Classic capture files (draft-ietf-opsawg-pcap): a header, then records of 16 octets and a packet.

use std::io;

use mandat_core::{LinkType, Time};

use crate::MAX_PACKET;
use crate::buffer::Buffer;
use crate::error::Reason;
use crate::reader::{Current, Order, Step};

/// Octets of the file header (4. General File Structure).
pub(crate) const FILE_HEADER: usize = 24;

/// Octets of a record header (5. Packet Record).
const RECORD_HEADER: usize = 16;

/// Octets of a record header in the variant that Red Hat's libpcap of 2000 wrote: interface and protocol follow.
const MODIFIED_RECORD_HEADER: usize = 24;

/// Bits of the link type field that hold the link type; those above hold the length of the frame check sequence.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

pub(crate) struct Pcap {
    order: Order,
    link: LinkType,
    record_header: usize,
    /// Nanoseconds in a unit of the second timestamp field.
    unit: u32,
}

impl Pcap {
    /// Whether `head` begins with one of the magic numbers.
    pub(crate) fn recognises(head: [u8; 4]) -> bool {
        Self::shape(head).is_some()
    }

    /// Byte order, length of a record header, nanoseconds to a unit.
    fn shape(head: [u8; 4]) -> Option<(Order, usize, u32)> {
        [Order::Little, Order::Big].into_iter().find_map(|order| {
            let (record_header, unit) = match order.u32(&head, 0) {
                0xa1b2_c3d4 => (RECORD_HEADER, 1000),
                0xa1b2_3c4d => (RECORD_HEADER, 1),
                0xa1b2_cd34 => (MODIFIED_RECORD_HEADER, 1000),
                _ => return None,
            };
            Some((order, record_header, unit))
        })
    }

    /// Reads the file header. The snapshot length in it is not looked at: writers get it wrong, and each record has
    /// its own length.
    pub(crate) fn open(buffer: &mut Buffer) -> io::Result<Result<Self, Reason>> {
        if !buffer.need(FILE_HEADER)? {
            return Ok(Err(Reason::Truncated));
        }
        let header = buffer.unread();
        let Some((order, record_header, unit)) = Self::shape([header[0], header[1], header[2], header[3]])
        else {
            return Ok(Err(Reason::NotCapture));
        };
        let major = order.u16(header, 4);
        if major != 2 {
            return Ok(Err(Reason::Version(major)));
        }
        let link = LinkType(order.u32(header, 20) & LINK_TYPE_BITS);
        buffer.consume(FILE_HEADER);
        Ok(Ok(Self { order, link, record_header, unit }))
    }

    /// The link type of every packet.
    pub(crate) const fn link(&self) -> LinkType {
        self.link
    }

    /// Reads the next record.
    #[inline]
    pub(crate) fn step(&self, buffer: &mut Buffer) -> io::Result<Step> {
        if !buffer.need(self.record_header)? {
            return Ok(if buffer.unread().is_empty() { Step::End } else { Step::Stop(Reason::Truncated) });
        }
        let header = buffer.unread();
        let seconds = self.order.u32(header, 0);
        let units = self.order.u32(header, 4);
        let captured = self.order.u32(header, 8) as usize;
        let original = self.order.u32(header, 12);
        if captured > MAX_PACKET {
            return Ok(Step::Stop(Reason::Damaged));
        }
        if !buffer.need(self.record_header + captured)? {
            return Ok(Step::Stop(Reason::Truncated));
        }
        buffer.consume(self.record_header);
        let at = buffer.mark();
        buffer.consume(captured);
        Ok(Step::Packet(Current {
            // 2^32 seconds and 2^32 microseconds fit: no overflow.
            ts: Time(i64::from(seconds) * 1_000_000_000 + i64::from(units) * i64::from(self.unit)),
            link: self.link,
            at,
            len: captured,
            // A few writers leave the second length at zero.
            wire_len: original.max(captured as u32),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{pcap, put32, read};

    #[test]
    fn both_orders_both_units_and_the_modified_record_say_the_same() {
        for order in [Order::Little, Order::Big] {
            for (magic, fraction) in
                [(0xa1b2_c3d4, 250_000), (0xa1b2_3c4d, 250_000_000), (0xa1b2_cd34, 250_000)]
            {
                // The header's snapshot length is 96: a packet of 200 octets is none the less whole.
                let file = pcap(order, magic, 101, &[(7, fraction, b"abc"), (8, 0, &[9; 200]), (9, 1, b"")]);
                let outcome = read(&file);
                assert_eq!(outcome.warnings, []);
                assert_eq!(outcome.packets.len(), 3);
                assert_eq!(outcome.packets[0], (7_250_000_000, 101, b"abc".to_vec(), 4));
                assert_eq!(outcome.packets[1], (8_000_000_000, 101, vec![9; 200], 201));
            }
        }
    }

    #[test]
    fn a_cut_anywhere_keeps_what_is_whole_and_names_the_place() {
        let file = pcap(Order::Little, 0xa1b2_c3d4, 1, &[(1, 0, b"first"), (2, 0, b"second")]);
        let ends = [FILE_HEADER, FILE_HEADER + 16 + 5, file.len()];
        for cut in 0..file.len() {
            let outcome = read(&file[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            if whole == 0 {
                let reason = match cut {
                    0 => Reason::Empty,
                    1..=3 => Reason::NotCapture,
                    _ => Reason::Truncated,
                };
                assert_eq!(outcome.error.unwrap().reason, reason);
                continue;
            }
            assert_eq!(outcome.packets.len(), whole - 1);
            let end = ends[whole - 1];
            let expected: &[_] = if cut == end { &[] } else { &[("source.truncated", end as u64, 1)] };
            assert_eq!(outcome.warnings, expected);
        }
    }

    #[test]
    fn a_length_that_cannot_be_true_stops_the_file_there() {
        let largest = vec![1; MAX_PACKET];
        let mut file = pcap(Order::Big, 0xa1b2_c3d4, 1, &[(1, 0, &largest), (2, 0, b"x")]);
        assert_eq!(read(&file).packets.len(), 2, "the largest packet is read");
        let second = FILE_HEADER + 16 + MAX_PACKET;
        for lie in [MAX_PACKET as u32 + 1, u32::MAX] {
            file[second + 8..second + 12].copy_from_slice(&put32(Order::Big, lie));
            let outcome = read(&file);
            assert_eq!(outcome.packets.len(), 1);
            assert_eq!(outcome.warnings, [("source.damaged", second as u64, 1)]);
        }
    }

    #[test]
    fn the_frame_check_sequence_bits_are_no_link_type() {
        let outcome = read(&pcap(Order::Little, 0xa1b2_c3d4, 0x4400_0001, &[(1, 0, b"a")]));
        assert_eq!(outcome.packets[0].1, 1);
    }

    #[test]
    fn an_unread_link_type_and_an_unknown_version_are_told() {
        let outcome = read(&pcap(Order::Little, 0xa1b2_c3d4, 105, &[(1, 0, b"a")]));
        assert_eq!((outcome.packets.len(), outcome.warnings), (1, vec![("source.link_type", 0, 1)]));
        let mut file = pcap(Order::Little, 0xa1b2_c3d4, 1, &[(1, 0, b"a")]);
        file[4] = 3;
        assert_eq!(read(&file).error.unwrap().reason, Reason::Version(3));
    }

    proptest! {
        #[test]
        fn arbitrary_records_never_panic_nor_make_octets(octets in prop::collection::vec(any::<u8>(), 0..600)) {
            let file = [&pcap(Order::Little, 0xa1b2_c3d4, 1, &[])[..], &octets].concat();
            let total: usize = read(&file).packets.iter().map(|packet| packet.2.len() + 16).sum();
            prop_assert!(total <= octets.len());
        }
    }
}
