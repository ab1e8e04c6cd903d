//! Microsoft Network Monitor 2.x captures: a header, the frames one behind the other, then a table of their offsets.
//!
//! There is no public standard; the layout is that of Microsoft's "Network Monitor Capture File" description, and
//! Wireshark's reader is the oracle. The table is not needed: frames stand in its order, up to where it begins, so that
//! pipes and packed files read like plain ones.

use std::io;

use mandat_core::{LinkType, Time};

use crate::MAX_PACKET;
use crate::buffer::Buffer;
use crate::error::Reason;
use crate::reader::{Current, Order, Step};

const MAGIC: [u8; 4] = *b"GMBU";

/// Octets of the file header that hold anything.
const FILE_HEADER: usize = 32;

/// Where the first frame stands.
const FIRST_FRAME: u64 = 128;

/// Time since the capture's start in microseconds, length on the wire, length captured.
const FRAME_HEADER: usize = 16;

pub(crate) struct NetMon {
    /// The media of all frames, before version 2.1 said it for each.
    media: u16,
    /// Octets behind each frame.
    trailer: usize,
    start: Time,
    /// Offset of the frame table: the end of the frames.
    table: u64,
}

impl NetMon {
    pub(crate) fn recognises(head: [u8; 4]) -> bool {
        head == MAGIC
    }

    /// Reads the file header and moves to the first frame.
    pub(crate) fn open(buffer: &mut Buffer) -> io::Result<Result<Self, Reason>> {
        if !buffer.need(FILE_HEADER)? {
            return Ok(Err(Reason::Truncated));
        }
        let head = buffer.unread();
        let field = |at| Order::Little.u16(head, at);
        let (minor, major) = (head[4], head[5]);
        // Version 1.x has its own magic number; what comes after 2.3 is not known.
        if major != 2 {
            return Ok(Err(Reason::NotCapture));
        }
        let trailer = match minor {
            0 => 0,
            1 => 2,
            2 => 6,
            _ => 15,
        };
        // A SYSTEMTIME: year, month, day of the week, day, hour, minute, second, millisecond. It has no zone; UTC is the
        // only one that gives the same file the same times everywhere.
        let date = [8, 10, 14, 16, 18, 20, 22].map(|at| i64::from(field(at)));
        let Some(start) = utc(date) else { return Ok(Err(Reason::Damaged)) };
        let table = u64::from(Order::Little.u32(head, 24));
        let media = field(6);
        if !buffer.skip(FIRST_FRAME)? {
            return Ok(Err(Reason::Truncated));
        }
        Ok(Ok(Self { media, trailer, start, table }))
    }

    /// The next frame.
    pub(crate) fn step(&self, buffer: &mut Buffer) -> io::Result<Step> {
        if buffer.place() >= self.table {
            return Ok(Step::End);
        }
        if !buffer.need(FRAME_HEADER)? {
            return Ok(Step::Stop(Reason::Truncated));
        }
        let head = buffer.unread();
        let since = Order::Little.i64(head, 0);
        let (wire_len, length) = (Order::Little.u32(head, 8), Order::Little.u32(head, 12) as usize);
        if length > MAX_PACKET {
            return Ok(Step::Stop(Reason::Damaged));
        }
        let whole = FRAME_HEADER + length + self.trailer;
        if !buffer.need(whole)? {
            return Ok(Step::Stop(Reason::Truncated));
        }
        let at = buffer.mark() + FRAME_HEADER;
        let media = match self.trailer {
            0 => self.media,
            _ => Order::Little.u16(buffer.unread(), FRAME_HEADER + length),
        };
        buffer.consume(whole);
        let ts = Time(self.start.0.saturating_add(since.saturating_mul(1000)));
        let current = Current { ts, link: link(media), at, len: length, wire_len };
        Ok(match link(media) {
            LinkType::ETHERNET => Step::Packet(current),
            other => Step::Noted(current, Reason::LinkType(other.0)),
        })
    }
}

/// Media types have numbers of their own. Those not known here are set apart from every LINKTYPE, which has 16 bits.
const fn link(media: u16) -> LinkType {
    match media {
        1 => LinkType::ETHERNET,
        other => LinkType(0x4e4d_0000 | other as u32),
    }
}

/// Nanoseconds since 1970 of a date, if it is one.
fn utc([year, month, day, hour, minute, second, milli]: [i64; 7]) -> Option<Time> {
    let sane = (1970..=2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61
        && milli < 1000;
    if !sane {
        return None;
    }
    // Days from the civil calendar, years counted from March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Time(seconds * 1_000_000_000 + milli * 1_000_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::Input;
    use crate::reader::Reader;

    fn file(minor: u8, frames: &[(i64, &[u8])]) -> Vec<u8> {
        let trailer = [0, 2, 6, 15][usize::from(minor)];
        let mut body = Vec::new();
        for (since, frame) in frames {
            body.extend(since.to_le_bytes());
            body.extend((frame.len() as u32 + 4).to_le_bytes());
            body.extend((frame.len() as u32).to_le_bytes());
            body.extend(*frame);
            body.extend(&[1, 0, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0][..trailer]);
        }
        let mut out = MAGIC.to_vec();
        out.extend([minor, 2, 1, 0]);
        for field in [2005u16, 7, 0, 17, 15, 39, 20, 502] {
            out.extend(field.to_le_bytes());
        }
        out.extend((128 + body.len() as u32).to_le_bytes());
        out.resize(128, 0);
        out.extend(body);
        out.extend([0xff; 8]); // the frame table is not looked at
        out
    }

    type Frames = Vec<(i64, Vec<u8>, u32)>;

    fn read(octets: Vec<u8>) -> Option<(Frames, Option<Reason>)> {
        let buffer = Buffer::new(Box::new(io::Cursor::new(octets)), 64);
        let mut reader = Reader::over("x", Input::memory(), buffer).ok()?;
        let (mut all, mut warnings) = (Vec::new(), Vec::new());
        while reader.advance(&mut warnings) {
            let packet = reader.packet();
            all.push((packet.ts.0, packet.data.to_vec(), packet.wire_len));
        }
        Some((all, reader.stopped()))
    }

    #[test]
    fn frames_of_every_version() {
        let start = 1_121_614_760_502_000_000; // 2005-07-17T15:39:20.502Z, as `date` says
        for minor in 0..4 {
            let (frames, stopped) = read(file(minor, &[(0, b"first"), (1500, b"second")])).unwrap();
            let want = vec![(start, b"first".to_vec(), 9), (start + 1_500_000, b"second".to_vec(), 10)];
            assert_eq!((frames, stopped), (want, None), "2.{minor}");
        }
    }

    #[test]
    fn what_stands_before_a_cut_is_delivered() {
        let whole = file(0, &[(0, b"first"), (1, b"second")]);
        for cut in 128..whole.len() - 8 {
            let (frames, stopped) = read(whole[..cut].to_vec()).unwrap();
            assert_eq!(frames.len(), usize::from(cut >= 128 + 21), "{cut}");
            assert!(stopped.is_some(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(minor in 0u8..4, table: u32, octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut file = file(minor, &[]);
            file.truncate(128);
            file[24..28].copy_from_slice(&table.to_le_bytes());
            file.extend(octets);
            let _ = read(file);
        }
    }
}
