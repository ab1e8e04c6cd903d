//! Which streams of a call are protected, and the keys that its session descriptions gave (RFC 4568).
//!
//! A key protects what its describer sends. Which of several it is (several lines, a new offer, another hop under the
//! same Call-ID, an MKI) isn't worked out but tried: a packet's tag is right under one key and no other.

use smallvec::SmallVec;

use crate::decode::sdes::Crypto;
use crate::decode::srtp::Keys;
use crate::decode::{rtp, sdp};
use crate::packet::Endpoint;
use crate::product::{Protection, Side};

/// Most descriptions kept of one call. Two for each of four hops, and as many for video. The first ones go.
const MAX_SECTIONS: usize = 16;

/// Most keys kept of one side. Nine suites make one offer, and a call has a few offers; the first ones go.
const MAX_KEYS: usize = 24;

/// Rollover counters that are tried: 64 wraps at 50 packets a second are 23 hours, and longer calls are given up
/// (`ABSOLUTE` in `call.rs`).
const MAX_ROLLOVER: u32 = 64;

/// Packets for which everything is tried. Afterwards one in [`RETRY`], and again when a key comes: a stream that can't be
/// opened must not cost a thousand times one that can.
const TRIES: u32 = 8;

/// See [`TRIES`].
const RETRY: u32 = 250;

/// How a description says that what it receives is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Clear,
    /// `RTP/AVP` with keys (opportunistic, RFC 8643): the other side may have left them out.
    PerhapsSdes,
    Sdes,
    Dtls,
    Unknown,
}

struct Section {
    at: Endpoint,
    how: How,
}

/// What the session descriptions of one call say of protection; only calls that have any need it.
#[derive(Default)]
pub(crate) struct Protections {
    sections: Vec<Section>,
    keys: [Vec<Crypto>; 2],
    /// Grows with each new key: what failed is tried again.
    generation: u32,
}

impl Protections {
    /// Takes a description in. `None` stays when there is nothing to say.
    pub(super) fn describe(known: &mut Option<Box<Self>>, side: Side, session: &sdp::Session<'_>) {
        let speaks = |m: &sdp::Media<'_>| m.is_secure() || m.fingerprint || !m.crypto.is_empty();
        if known.is_none() && !session.media.iter().any(speaks) {
            return;
        }
        let known = known.get_or_insert_default();
        for media in session.media.iter().filter(|m| m.is_rtp() && m.port != 0) {
            let Some(ip) = media.connection else { continue };
            let mut given: SmallVec<[Crypto; 2]> = SmallVec::new();
            given.extend(media.crypto.iter().flat_map(|line| Crypto::parse(line)));
            let how = match (media.is_secure(), given.is_empty()) {
                (true, false) => How::Sdes,
                (false, false) => How::PerhapsSdes,
                _ if media.fingerprint => How::Dtls,
                (true, true) => How::Unknown,
                (false, true) => How::Clear,
            };
            known.section(Section { at: Endpoint { ip, port: media.port }, how });
            for (_, at) in &media.candidates {
                known.section(Section { at: *at, how });
            }
            // The first line is the one that is preferred (RFC 4568, 7.1.1), so it comes last, where trying begins.
            for crypto in given.into_iter().rev() {
                known.key(side, crypto);
            }
        }
    }

    fn section(&mut self, section: Section) {
        self.sections.retain(|s| s.at != section.at);
        if self.sections.len() == MAX_SECTIONS {
            self.sections.remove(0);
        }
        self.sections.push(section);
    }

    fn key(&mut self, side: Side, crypto: Crypto) {
        let Some(keys) = self.keys.get_mut(side as usize) else { return };
        if keys.contains(&crypto) {
            return;
        }
        if keys.len() == MAX_KEYS {
            keys.remove(0);
        }
        keys.push(crypto);
        self.generation = self.generation.wrapping_add(1);
    }

    /// What a stream from `side` is, by its addresses: first by what its receiver said.
    fn how(&self, src: Endpoint, dst: Endpoint) -> How {
        let of = |at| self.sections.iter().rev().find(|s| s.at == at).map(|s| s.how);
        of(dst).or_else(|| of(src)).unwrap_or(How::Unknown)
    }

    /// Keys that may protect what a side sends, likeliest first.
    fn keys(&self, side: Side) -> impl Iterator<Item = &Crypto> {
        self.keys.get(side as usize).into_iter().flat_map(|keys| keys.iter().rev())
    }
}

/// What is known of the protection of one stream.
#[derive(Default)]
pub(crate) struct Opener {
    current: Option<Current>,
    generation: u32,
    failures: u32,
    opened: bool,
}

struct Current {
    crypto: Crypto,
    keys: Keys,
    /// Highest packet index so far: rollover counter and sequence number.
    index: u64,
}

impl Current {
    /// RFC 3711, 3.3.1: the rollover counter for which the index is nearest to the highest one.
    fn guess(&self, sequence: u16) -> u32 {
        let roc = (self.index >> 16) as u32;
        match i32::from(sequence) - i32::from(self.index as u16) {
            ..-0x8000 => roc.wrapping_add(1),
            0x8001.. => roc.saturating_sub(1),
            _ => roc,
        }
    }
}

impl Opener {
    /// Opens a packet of the stream: `out` is then the RTP packet as it was before protection.
    pub(super) fn open(
        &mut self,
        known: &Protections,
        side: Side,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(packet) = rtp::Packet::parse(datagram) else { return false };
        let sequence = packet.sequence;
        if let Some(current) = &mut self.current {
            let roc = current.guess(sequence);
            let index = u64::from(roc) << 16 | u64::from(sequence);
            if let Some(rate) = current.crypto.rate
                && index >> rate != current.index >> rate
                && let Some(keys) = Keys::derive(&current.crypto, index)
            {
                current.keys = keys;
            }
            if current.keys.unprotect(datagram, [roc], out).is_some() {
                current.index = current.index.max(index);
                self.failures = 0;
                return true;
            }
        }
        if self.generation != known.generation {
            (self.generation, self.failures) = (known.generation, 0);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures > TRIES && !self.failures.is_multiple_of(RETRY) {
            return false;
        }
        let Some(found) = self.search(known, side, sequence, datagram, out) else { return false };
        (self.current, self.failures, self.opened) = (Some(found), 0, true);
        true
    }

    /// Tries each key with each counter. The counter outlives a change of keys (RFC 3711, 3.3.1), so where it was comes
    /// first.
    fn search(
        &self,
        known: &Protections,
        side: Side,
        sequence: u16,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Current> {
        let first = self.current.as_ref().map(|current| current.guess(sequence));
        known.keys(side).find_map(|crypto| {
            let at = |roc: u32| u64::from(roc) << 16 | u64::from(sequence);
            let found = if crypto.rate.is_some() {
                // The keys themselves differ with the counter.
                first.into_iter().chain(0..=MAX_ROLLOVER).find_map(|roc| {
                    let keys = Keys::derive(crypto, at(roc))?;
                    keys.unprotect(datagram, [roc], out).map(|roc| (keys, roc))
                })
            } else {
                let keys = Keys::derive(crypto, 0)?;
                // Without a tag nothing can be tried: the stream is taken to be at its beginning.
                let last = if keys.authenticated() { MAX_ROLLOVER } else { 0 };
                let roc = keys.unprotect(datagram, first.into_iter().chain(0..=last), out);
                roc.map(|roc| (keys, roc))
            };
            found.map(|(keys, roc)| Current { crypto: crypto.clone(), keys, index: at(roc) })
        })
    }

    /// What to say of the stream as a whole. One packet that somebody else sent says nothing of the others.
    pub(super) const fn failed(&self) -> bool {
        self.failures > TRIES || (self.failures > 0 && !self.opened)
    }
}

impl Protections {
    /// What the descriptions say of a stream. With keys it is [`Protection::SdesDecrypted`] until a packet proves otherwise.
    pub(super) fn announced(&self, side: Side, src: Endpoint, dst: Endpoint) -> Protection {
        let keys = self.keys(side).next().is_some();
        match self.how(src, dst) {
            How::Clear => Protection::None,
            How::Dtls => Protection::DtlsSrtp,
            How::PerhapsSdes if !keys => Protection::None,
            How::Sdes | How::Unknown if !keys => Protection::Unknown,
            How::PerhapsSdes | How::Sdes | How::Unknown => Protection::SdesDecrypted,
        }
    }

    /// Whether a stream that no key opens is RTP after all.
    pub(super) fn perhaps_clear(&self, src: Endpoint, dst: Endpoint) -> bool {
        self.how(src, dst) == How::PerhapsSdes
    }
}

#[cfg(test)]
#[path = "protection_tests.rs"]
mod tests;
