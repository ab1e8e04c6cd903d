//! What is known of a media stream beside its packets: whose it is and how surely, how it is protected, how its payload
//! is packed, and how well it was received at the tap.

/// How surely a stream belongs to its call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Attribution {
    /// Both ends are addresses that session descriptions of the call announced.
    Announced,
    /// One end is; the other was learned from the packets: a NAT stands between (symmetric RTP, RFC 4961; RFC 7362).
    Learned,
}

impl Attribution {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Learned => "learned",
        }
    }
}

/// Whether media are protected, and whether they could be read with keys that the signalling gave.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    /// RTP.
    None,
    /// SRTP whose keys the session descriptions held (RFC 4568): the listening copy is of what was said, the evidence
    /// is of what was sent. Also before the first packet was opened, when nobody may open it.
    SdesDecrypted,
    /// SRTP with keys in the session descriptions that don't fit.
    SdesFailed,
    /// SRTP keyed by DTLS (RFC 5764): only the ends have the keys. Kept as it came.
    DtlsSrtp,
    /// A secure profile, and no key that we know of (MIKEY, ZRTP, a description that wasn't seen). Kept as it came.
    Unknown,
}

impl Protection {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SdesDecrypted => "sdes_decrypted",
            Self::SdesFailed => "sdes_failed",
            Self::DtlsSrtp => "dtls_srtp",
            Self::Unknown => "unknown",
        }
    }
}

/// How the frames of AMR and AMR-WB lie in a payload (RFC 4867, 8.1). Other encodings have one way only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Packing {
    /// The default, and what everybody else has.
    #[default]
    BandwidthEfficient,
    /// `octet-align=1`.
    OctetAligned,
    /// `crc=1`, `robust-sorting=1` or `interleaving=n`: nobody in telephony sends them, and nothing here unpacks them.
    Other,
}

impl Packing {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BandwidthEfficient => "bandwidth_efficient",
            Self::OctetAligned => "octet_aligned",
            Self::Other => "other",
        }
    }
}

/// What a session description says of an encoding beside its name and clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Format {
    /// Channels of the encoding, from `a=rtpmap`.
    pub channels: u8,
    /// See [`Packing`].
    pub packing: Packing,
    /// The payload type of the primary encoding in RED (RFC 2198, 5).
    pub primary: Option<u8>,
}

impl Default for Format {
    fn default() -> Self {
        Self { channels: 1, packing: Packing::default(), primary: None }
    }
}

/// How well a stream was received at the tap. What the far telephone heard may be worse, not better: the tap doesn't see
/// what is lost behind it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Quality {
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came 200 ms or more behind the quickest ones of their time: a jitter buffer has given them up.
    pub late: u64,
    /// Interarrival jitter at the end, milliseconds (RFC 3550, 6.4.1), and its highest value.
    pub jitter_ms: f32,
    /// See `jitter_ms`.
    pub jitter_max_ms: f32,
    /// Runs of lost packets.
    pub loss_runs: u64,
    /// Mean length of a run of losses over what chance would make it (ITU-T G.107, 3.5); `None` without losses.
    pub burst_ratio: Option<f32>,
    /// Pauses in which the sender sent nothing on purpose: the timestamp jumps and the sequence goes on (RFC 3389, 4;
    /// RFC 3551, 4.1). They are silence, not loss.
    pub silences: u64,
    /// What the pauses add up to, milliseconds.
    pub silence_ms: u64,
    /// How much faster the sender's clock runs than the capture's, parts per million; `None` in short streams.
    pub drift_ppm: Option<f32>,
    /// Mean opinion score by the E-model (ITU-T G.107), for what was lost up to the tap, no delay counted. `None` when
    /// ITU-T G.113 has no figures for the encoding or the stream can't be read.
    pub mos: Option<f32>,
}
