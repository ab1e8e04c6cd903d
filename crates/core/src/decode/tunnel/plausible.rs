//! Whether octets are an IP packet: the last step of every check of a tunnel.

use super::super::link::{self, Network};

/// How much speaks for an IP header before it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trust {
    /// A tunnel's header stands before it, and the packet is all there.
    Framed,
    /// The same, but the capture was cut short.
    Cut,
    /// Nothing but the place: the header must check in every way.
    Guessed,
}

/// `octets`, if they begin with an IP header whose lengths fit what is there.
pub(super) fn ip(octets: &[u8], trust: Trust) -> Option<&[u8]> {
    let fits = |length: usize| length <= octets.len() || trust == Trust::Cut;
    let good = match octets.first()? >> 4 {
        4 => {
            let head = octets.first_chunk::<20>()?;
            let header = usize::from(head[0] & 15) * 4;
            let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
            header >= 20
                && total >= header
                && fits(total)
                && (trust != Trust::Guessed || checksum(octets.get(..header)?) == 0)
        }
        6 => {
            let head = octets.first_chunk::<40>()?;
            let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
            // Nobody sends to or from nothing at all.
            length > 0 && fits(40 + length) && (trust != Trust::Guessed || head[24..40] != [0; 16])
        }
        _ => false,
    };
    good.then_some(octets)
}

/// The IP packet of a network layer, if it is one.
pub(super) fn inner_ip(found: Network<'_>, trust: Trust) -> Option<&[u8]> {
    match found {
        Network::Ip(octets) => ip(octets, trust),
        _ => None,
    }
}

/// The IP packet of an Ethernet frame that may be one.
pub(super) fn ethernet(frame: &[u8], depth: usize, trust: Trust) -> Option<&[u8]> {
    inner_ip(link::ethernet(frame, depth), trust)
}

/// The Internet checksum (RFC 1071) of a header that holds its own: zero when right.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that RFC 1071's method is usually shown with.
    const HEADER: [u8; 20] = [
        0x45, 0x00, 0x00, 0x14, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0xc0, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8,
        0x00, 0xc7,
    ];

    #[test]
    fn a_guess_needs_the_checksum_and_a_frame_does_not() {
        let mut header = HEADER;
        let sum = checksum(&header);
        // Mend the header's own field by what is missing, as its sender would.
        let field = u16::from_be_bytes([header[10], header[11]]);
        let (mended, carried) = field.overflowing_add(sum);
        header[10..12].copy_from_slice(&(mended + u16::from(carried)).to_be_bytes());
        assert!(ip(&header, Trust::Guessed).is_some());
        header[8] -= 1;
        assert!(ip(&header, Trust::Guessed).is_none());
        assert!(ip(&header, Trust::Framed).is_some());
        header[3] = 21;
        assert!(ip(&header, Trust::Framed).is_none(), "longer than what is there");
        assert!(ip(&header, Trust::Cut).is_some());
    }
}
