//! RTP (RFC 3550).

/// One RTP packet, borrowed.
pub(crate) struct Packet<'a> {
    pub(crate) payload: &'a [u8],
}
