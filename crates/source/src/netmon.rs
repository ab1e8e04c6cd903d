//! Microsoft Network Monitor 2.x captures (Network Monitor 3 help, "Capture File Format").
//!
//! A table, usually behind the frames, says where each frame begins. It is read in pieces through positional reads
//! while the frames stream past once, from front to back: no lie in it can make the file be read twice, and memory
//! doesn't depend on how many frames it claims.
//!
//! Standard input and packed files have no positions, and a file that was cut short has no table. There the frames are
//! read one behind the other up to where the table begins, as every known writer puts them; when the table's length
//! tells of another number of frames than came, that is told.

use std::io;

use mandat_core::{LinkType, Time};

use crate::MAX_PACKET;
use crate::buffer::Buffer;
use crate::error::Reason;
use crate::frame_table::{ENTRY, Entry, FrameTable};
use crate::input::Input;
use crate::reader::{Current, Order, Step, is_read};

const MAGIC: [u8; 4] = *b"GMBU";

/// Octets of the file header: every writer leaves so many, and no frame may begin in them. The first 32 are read;
/// what follows says where comments and process names are.
const FILE_HEADER: usize = 128;

/// Octets of a frame header: microseconds since the start, length on the wire, length in the file.
const FRAME_HEADER: usize = 16;

/// 1970 in units of 100 nanoseconds since 1601 (`FILETIME`).
const EPOCH: i64 = 116_444_736_000_000_000;

/// Media that no registered link type names get one above the registry's sixteen bits, which no decoder reads.
const UNREGISTERED: u32 = 0x1_0000;

/// What media type values stand for ("Media Types"); Network Monitor 2.x reused the numbers that NDIS had for
/// other networks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Media {
    /// Frames of a link type that has a number at tcpdump.org.
    Link(LinkType),
    /// Frames of another kind: ATM with a header of its own, 802.11 with another, event tracing.
    Other(u16),
    /// No frame of a network: names of adapters, the DNS cache, the text of the capture filter.
    Note,
}

impl Media {
    const fn of(value: u16) -> Self {
        match value {
            // Version 3.4 writes 0 where it captures Ethernet inside a virtual private network.
            0 | 1 => Self::Link(LinkType::ETHERNET),
            2 => Self::Link(LinkType(6)),
            3 => Self::Link(LinkType(10)),
            // Tunnels, wireless wide area networks, raw IP: all begin with the IP header.
            7..=9 => Self::Link(LinkType::RAW),
            // Converted from a pcap file: the low bits are the link type.
            0xe000..=0xefff => Self::Link(LinkType((value & 0x0fff) as u32)),
            0xfffb | 0xfffd..=0xffff => Self::Note,
            _ => Self::Other(value),
        }
    }
}

/// How frames are found.
enum Frames {
    /// Through the table.
    Table(FrameTable),
    /// One behind the other up to the table at `end`, which has `left` more entries than frames were read.
    InSequence { end: u64, left: i64 },
}

pub(crate) struct Netmon {
    /// Of every frame; from version 2.1 each frame has its own.
    media: u16,
    trailer: Trailer,
    /// Start of the capture in nanoseconds since 1970; `None` when the header holds no date.
    start: Option<i64>,
    frames: Frames,
    /// The table's length isn't that of whole entries.
    ragged: bool,
    /// Octets of the file as it was opened, or of what comes before the table: nothing is looked for beyond.
    len: u64,
    /// Where the frame that was read last begins, for warnings.
    place: u64,
}

impl Netmon {
    /// Whether `head` is the magic number.
    pub(crate) fn recognises(head: [u8; 4]) -> bool {
        head == MAGIC
    }

    /// Reads the file header.
    pub(crate) fn open(buffer: &mut Buffer, input: &Input) -> io::Result<Result<Self, Reason>> {
        if !buffer.need(FILE_HEADER)? {
            return Ok(Err(Reason::Truncated));
        }
        let header = buffer.unread();
        let [minor, major] = [header[4], header[5]];
        if major != 2 {
            return Ok(Err(Reason::Version(u16::from(major))));
        }
        let (table, table_len) = (u64::from(Order::Little.u32(header, 24)), Order::Little.u32(header, 28));
        let entries = table_len / ENTRY as u32;
        if table < FILE_HEADER as u64 && entries > 0 {
            return Ok(Err(Reason::FrameTable));
        }
        let (frames, len) = match input.at_any_place().filter(|(_, len)| table < *len) {
            Some((octets, len)) => (Frames::Table(FrameTable::new(octets, table, entries)), len),
            None => (Frames::InSequence { end: table, left: i64::from(entries) }, table),
        };
        let netmon = Self {
            media: Order::Little.u16(header, 6),
            trailer: Trailer::of(minor),
            start: start(header),
            frames,
            ragged: !(table_len as usize).is_multiple_of(ENTRY),
            len,
            place: 0,
        };
        buffer.consume(FILE_HEADER);
        Ok(Ok(netmon))
    }

    /// What the header alone tells.
    pub(crate) fn notes(&self) -> impl Iterator<Item = Reason> + use<> {
        let time = match (self.trailer, self.start) {
            (Trailer::Utc, _) => None,
            (_, Some(_)) => Some(Reason::LocalTime),
            (_, None) => Some(Reason::StartTime),
        };
        let table = self.ragged.then_some(Reason::FrameTable);
        time.into_iter().chain(table)
    }

    /// Where the frame that was read last begins.
    pub(crate) const fn place(&self) -> u64 {
        self.place
    }

    /// Reads the next frame.
    pub(crate) fn step(&mut self, buffer: &mut Buffer) -> io::Result<Step> {
        let (offset, end) = match self.locate(buffer.place())? {
            Ok(found) => found,
            Err(end) => return Ok(end),
        };
        self.place = offset;
        let least = (FRAME_HEADER + self.trailer.len()) as u64;
        if offset < buffer.place() || offset + least > end {
            return Ok(self.lie());
        }
        if !buffer.skip(offset - buffer.place())? || !buffer.need(FRAME_HEADER)? {
            // Cut short: long ago, or since it was opened.
            return Ok(Step::Stop(Reason::Truncated));
        }
        let header = buffer.unread();
        let delta = Order::Little.i64(header, 0);
        let wire_len = Order::Little.u32(header, 8);
        let captured = Order::Little.u32(header, 12);
        let len = captured as usize;
        if len > MAX_PACKET || offset + least + u64::from(captured) > end {
            return Ok(self.lie());
        }
        if !buffer.need(FRAME_HEADER + len + self.trailer.len())? {
            return Ok(Step::Stop(Reason::Truncated));
        }
        let trailer = &buffer.unread()[FRAME_HEADER + len..];
        let media = Media::of(self.trailer.media(trailer).unwrap_or(self.media));
        let ts = self.trailer.utc(trailer).unwrap_or_else(|| since(self.start.unwrap_or(0), delta));
        buffer.consume(FRAME_HEADER);
        let at = buffer.mark();
        buffer.consume(len + self.trailer.len());
        let frame = |link| Current { ts, link, at, len, wire_len: wire_len.max(captured) };
        Ok(match media {
            Media::Link(link) if is_read(link) => Step::Packet(frame(link)),
            Media::Link(link) => Step::Noted(frame(link), Reason::LinkType(link.0)),
            Media::Other(value) => {
                Step::Noted(frame(LinkType(UNREGISTERED | u32::from(value))), Reason::MediaType(value))
            }
            Media::Note => Step::Nothing,
        })
    }

    /// Where the next frame begins and where it must have ended, when all before `read` has been read.
    ///
    /// With a table, that end is where the frame after it begins, unless that one can't be read anyway. So an entry
    /// that points far ahead costs its own frame, not all that follow, and one that points back costs its own and at
    /// most the one before.
    fn locate(&mut self, read: u64) -> io::Result<Result<(u64, u64), Step>> {
        Ok(match &mut self.frames {
            Frames::Table(table) => match table.next()? {
                Entry::At(offset) => {
                    let next = table.peek().filter(|next| *next >= read);
                    Ok((offset, next.map_or(self.len, |next| next.min(self.len))))
                }
                Entry::Missing => Err(Step::Stop(Reason::FrameTable)),
                Entry::End => Err(Step::End),
            },
            Frames::InSequence { end, left } if read >= *end => {
                Err(if *left == 0 { Step::End } else { Step::Stop(Reason::FrameTable) })
            }
            Frames::InSequence { end, left } => {
                *left -= 1;
                Ok((read, *end))
            }
        })
    }

    /// The frame at hand is not there, or not of that length. Only the table leads to the next.
    const fn lie(&self) -> Step {
        match self.frames {
            Frames::Table(_) => Step::Note(Reason::Frame),
            Frames::InSequence { .. } => Step::Stop(Reason::Damaged),
        }
    }
}

/// What follows a frame; it grew with each minor version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trailer {
    /// 2.0: nothing.
    None,
    /// 2.1: media type.
    Media,
    /// 2.2: media type, process.
    Process,
    /// 2.3: media type, process, `FILETIME`, time zone.
    Utc,
}

impl Trailer {
    const fn of(minor: u8) -> Self {
        match minor {
            0 => Self::None,
            1 => Self::Media,
            2 => Self::Process,
            _ => Self::Utc,
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Media => 2,
            Self::Process => 6,
            Self::Utc => 15,
        }
    }

    fn media(self, trailer: &[u8]) -> Option<u16> {
        (self != Self::None).then(|| Order::Little.u16(trailer, 0))
    }

    /// The frame's own time; zero means that none was kept.
    fn utc(self, trailer: &[u8]) -> Option<Time> {
        let ticks = if self == Self::Utc { Order::Little.i64(trailer, 6) } else { 0 };
        (ticks != 0).then(|| Time(ticks.saturating_sub(EPOCH).saturating_mul(100)))
    }
}

/// `start` plus a frame's time. Microsoft's text calls that an unsigned number of microseconds to be multiplied by ten
/// and then taken as signed: so does a frame before the start get its negative time.
fn since(start: i64, delta: i64) -> Time {
    Time(start.saturating_add(delta.wrapping_mul(10).saturating_mul(100)))
}

/// The start of the capture, a `SYSTEMTIME` of the host's local time, as if it were UTC: the file doesn't say which
/// zone that is.
fn start(header: &[u8]) -> Option<i64> {
    let field = |n: usize| i64::from(Order::Little.u16(header, 8 + 2 * n));
    // Field 2 is the day of the week.
    let [year, month, day] = [field(0), field(1), field(3)];
    let [hour, minute, second, millisecond] = [field(4), field(5), field(6), field(7)];
    // Network Monitor came after 1990; `Time` ends in 2262.
    let whole = (1970..=2261).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && millisecond < 1000;
    whole.then(|| {
        let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        (seconds * 1000 + millisecond) * 1_000_000
    })
}

/// Days since 1970 in the Gregorian calendar. The year is taken to begin in March, so that the leap day is its last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // 719468 days lie between March of the year 0 and January 1970.
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests;
