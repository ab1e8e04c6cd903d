//! Calls: from the first INVITE to a while after the end.

use smallvec::SmallVec;

use crate::matching::Selection;
use crate::packet::{Endpoint, Time};
use crate::product::{Encoding, EndReason, Party, Side};

/// A call's state. One enum, one transition table (`transition`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallState {
    /// An INVITE was seen; nothing but 100 came back.
    Trying,
    /// 180, 183 or another provisional response.
    Ringing,
    /// A 2xx to INVITE.
    Answered,
    /// BYE, CANCEL or a final failure; kept a while for retransmissions and late media.
    Ended,
}

/// One call: an INVITE dialog set with one Call-ID.
pub(crate) struct Call {
    pub(crate) call_id: Box<str>,
    pub(crate) state: CallState,
    pub(crate) start: Time,
    pub(crate) ringing: Option<Time>,
    pub(crate) answer: Option<Time>,
    pub(crate) end: Option<Time>,
    pub(crate) end_reason: Option<EndReason>,
    /// First 2xx to INVITE, else the last final response to it.
    pub(crate) final_status: Option<u16>,
    /// Distinct identities in order of appearance; only ever grows (bounded), so that the matcher looks at each once.
    pub(crate) parties: SmallVec<[Party; 4]>,
    /// Signalling addresses of the first INVITE.
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    /// Transports that carried signalling.
    pub(crate) udp: bool,
    pub(crate) tcp: bool,
    /// Media streams in order of first packet (bounded).
    pub(crate) streams: Vec<Stream>,
    /// Tasks that select this call. Owned by the matcher.
    pub(crate) selection: Selection,
    /// How many of `parties` the matcher has looked at.
    pub(crate) checked: usize,
}

/// One media stream: one sender address, one receiver address, one SSRC.
pub(crate) struct Stream {
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    pub(crate) ssrc: u32,
    pub(crate) side: Side,
    /// Payload type and encoding of the last packet, RTP clock in Hz.
    pub(crate) payload_type: u8,
    pub(crate) encoding: Encoding,
    pub(crate) clock: u32,
    /// Packets that the sequence numbers say were sent, from first to last seen (RFC 3550 A.3).
    pub(crate) expected: u64,
    /// Packets seen without copies, and copies.
    pub(crate) seen: u64,
    pub(crate) duplicates: u64,
    pub(crate) first: Time,
    pub(crate) last: Time,
}
