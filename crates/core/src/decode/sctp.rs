//! SCTP packets and their DATA chunks (RFC 9260, 3; I-DATA of RFC 8260, 2.1). Checksums aren't looked at: a tap behind
//! an offloading interface sees packets whose checksum isn't there yet.

/// RFC 6951: SCTP within UDP.
pub(crate) const UDP_PORT: u16 = 9899;

/// Common header (RFC 9260, 3.1).
const HEADER: usize = 12;
/// DATA chunk with its header (RFC 9260, 3.3.1).
const DATA: u8 = 0;
const DATA_HEADER: usize = 16;
/// I-DATA chunk with its header (RFC 8260, 2.1).
const I_DATA: u8 = 64;
const I_DATA_HEADER: usize = 20;

/// The common header, and the chunks behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) verification_tag: u32,
    chunks: &'a [u8],
}

/// User data: a whole message, or a piece of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Data<'a> {
    pub(crate) tsn: u32,
    pub(crate) stream: u16,
    /// Payload protocol identifier; only the first piece of an I-DATA message has one.
    pub(crate) ppid: u32,
    /// B bit: the message begins here.
    pub(crate) begins: bool,
    /// E bit: the message ends here.
    pub(crate) ends: bool,
    pub(crate) payload: &'a [u8],
}

/// Reads the common header.
pub(crate) fn packet(octets: &[u8]) -> Option<Packet<'_>> {
    let (header, chunks) = octets.split_at_checked(HEADER)?;
    Some(Packet {
        sport: u16::from_be_bytes([header[0], header[1]]),
        dport: u16::from_be_bytes([header[2], header[3]]),
        verification_tag: be32(header, 4),
        chunks,
    })
}

impl<'a> Packet<'a> {
    /// The user data, in order. A chunk whose length can't be ends the packet, as RFC 9260, 6.10 has a receiver do.
    pub(crate) fn data(&self) -> impl Iterator<Item = Data<'a>> + use<'a> {
        let mut rest = self.chunks;
        std::iter::from_fn(move || {
            while let [kind, flags, l0, l1, ..] = *rest {
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                if length < 4 {
                    return None;
                }
                let chunk = rest.get(..length)?;
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if let Some(data) = read(kind, flags, chunk) {
                    return Some(data);
                }
            }
            None
        })
    }
}

fn read(kind: u8, flags: u8, chunk: &[u8]) -> Option<Data<'_>> {
    let (begins, ends) = (flags & 2 != 0, flags & 1 != 0);
    let (header, ppid) = match kind {
        DATA => (DATA_HEADER, 12),
        I_DATA => (I_DATA_HEADER, 16),
        _ => return None,
    };
    let (head, payload) = chunk.split_at_checked(header)?;
    // In later pieces of an I-DATA message the field is the fragment sequence number.
    let ppid = if kind == DATA || begins { be32(head, ppid) } else { 0 };
    let stream = u16::from_be_bytes([head[8], head[9]]);
    Some(Data { tsn: be32(head, 4), stream, ppid, begins, ends, payload })
}

fn be32(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u32::from_be_bytes(*b))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet of DATA chunks: flags, TSN, payload protocol, payload.
    pub(crate) fn built(tag: u32, chunks: &[(u8, u32, u32, &[u8])]) -> Vec<u8> {
        let mut out = [&[0x0b, 0x59, 0x0b, 0x59][..], &tag.to_be_bytes(), &[0; 4]].concat();
        for (flags, tsn, ppid, payload) in chunks {
            let length = (DATA_HEADER + payload.len()) as u16;
            out.extend([DATA, *flags]);
            out.extend(length.to_be_bytes());
            out.extend(tsn.to_be_bytes());
            out.extend([0, 7, 0, 1]);
            out.extend(ppid.to_be_bytes());
            out.extend_from_slice(payload);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn several_chunks_share_a_packet_and_padding_is_no_payload() {
        let octets = built(9, &[(3, 1, 3, b"abcde"), (2, 2, 3, b"fg")]);
        let packet = packet(&octets).expect("packet");
        let read: Vec<_> = packet.data().map(|d| (d.tsn, d.stream, d.begins, d.ends, d.payload)).collect();
        assert_eq!(read, [(1, 7, true, true, &b"abcde"[..]), (2, 7, true, false, b"fg")]);
        assert_eq!((packet.sport, packet.verification_tag), (2905, 9));
    }

    #[test]
    fn other_chunks_are_passed_over_and_interleaved_data_is_read() {
        let mut octets = built(9, &[]);
        // SACK, then I-DATA with its message identifier and payload protocol 3.
        octets.extend([3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0]);
        octets.extend([64, 3, 0, 21, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, b'x', 0, 0, 0]);
        let read: Vec<_> = packet(&octets).expect("packet").data().collect();
        assert_eq!(read, [Data { tsn: 5, stream: 1, ppid: 3, begins: true, ends: true, payload: b"x" }]);
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            if let Some(packet) = packet(&octets) {
                prop_assert!(packet.data().map(|d| d.payload.len()).sum::<usize>() <= octets.len());
            }
        }
    }
}
