//! What a socket gave, as the packet that it was: IP and transport header put back in front of the payload. Addresses,
//! ports and payload are those of the wire; identification, window and the like are not.

use std::net::{IpAddr, SocketAddr};

/// IP protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Hop limit: a value that no router has lowered.
const HOPS: u8 = 64;

/// Flags of TCP (RFC 9293, 3.1).
pub(super) const SYN: u8 = 2;
pub(super) const FIN: u8 = 1;
pub(super) const ACK: u8 = 16;

/// Most octets of a TCP segment's payload: what an IP packet holds beside the headers.
pub(super) const MAX_SEGMENT: usize = 65_535 - 60;

/// A UDP datagram (RFC 768).
pub(super) fn udp(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MAX_SEGMENT).unwrap_or(payload);
    let mut datagram = Vec::with_capacity(8 + payload.len());
    datagram.extend(src.port().to_be_bytes());
    datagram.extend(dst.port().to_be_bytes());
    datagram.extend(length(8 + payload.len()));
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let sum = match checksum(src.ip(), dst.ip(), UDP, &datagram) {
        // No checksum is written as zero.
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    ip(src.ip(), dst.ip(), UDP, &datagram)
}

/// A TCP segment.
pub(super) fn tcp(
    src: SocketAddr,
    dst: SocketAddr,
    (seq, ack): (u32, u32),
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + payload.len());
    segment.extend(src.port().to_be_bytes());
    segment.extend(dst.port().to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload.get(..MAX_SEGMENT).unwrap_or(payload));
    let sum = checksum(src.ip(), dst.ip(), TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ip(src.ip(), dst.ip(), TCP, &segment)
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}

fn ip(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + payload.len());
    if let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) {
        out.extend([0x45, 0]);
        out.extend(length(20 + payload.len()));
        // Don't fragment.
        out.extend([0, 0, 0x40, 0, HOPS, protocol, 0, 0]);
        out.extend(src.octets());
        out.extend(dst.octets());
        let sum = fold(sum(&out));
        out[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        out.extend([0x60, 0, 0, 0]);
        out.extend(length(payload.len()));
        out.extend([protocol, HOPS]);
        out.extend(octets(src));
        out.extend(octets(dst));
    }
    out.extend(payload);
    out
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// RFC 1071, over the pseudo-header of either version too.
fn checksum(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let of = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => sum(&ip.octets()),
        IpAddr::V6(ip) => sum(&ip.octets()),
    };
    fold(of(src) + of(dst) + u64::from(protocol) + payload.len() as u64 + sum(payload))
}

fn sum(octets: &[u8]) -> u64 {
    let pairs = octets.chunks(2);
    pairs.map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_add_up() {
        for (src, dst) in [("192.0.2.1:5060", "192.0.2.2:5061"), ("[2001:db8::1]:1", "[2001:db8::2]:2")] {
            let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
            let head = if src.is_ipv4() { 20 } else { 40 };
            for (protocol, packet) in
                [(UDP, udp(src, dst, b"abc")), (TCP, tcp(src, dst, (1, 2), ACK, b"abc"))]
            {
                assert_eq!(
                    checksum(src.ip(), dst.ip(), protocol, &packet[head..]),
                    0,
                    "RFC 1071: the sum of all is zero"
                );
                if src.is_ipv4() {
                    assert_eq!(fold(sum(&packet[..head])), 0);
                }
                assert!(packet.ends_with(b"abc"));
            }
        }
    }
}
