//! What can be wrong with a source, where, and what to do about it. Names of files appear here; octets of them never.

use std::fmt;
use std::io;

/// What is wrong. The closed set of everything that a source can complain of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// No file was named.
    NoFiles,
    /// Standard input was named twice; it can be read once.
    StandardInputTwice,
    /// Not `siprec:ADDRESS:PORT` with an address of this machine that controllers reach.
    SiprecAddress,
    /// A recording server was named beside other sources.
    SiprecAlone,
    /// A recording server without a controller that may send to it.
    SiprecControllers,
    /// No such file.
    NotFound,
    /// The process may not read the file.
    Permission,
    /// A directory.
    Directory,
    /// A file of no octets.
    Empty,
    /// Neither pcap, pcapng nor Network Monitor, nor one of them inside gzip or zstd.
    NotCapture,
    /// A version of the format that didn't exist when this was written.
    Version(u16),
    /// A link type that the point doesn't read: its packets are handed on and dropped there, counted.
    LinkType(u32),
    /// The file ends inside a packet or block.
    Truncated,
    /// A length or a marker can't be true; what follows it can't be found.
    Damaged,
    /// The compressed stream is cut short or damaged.
    Compression,
    /// Packets longer than [`MAX_PACKET`](crate::MAX_PACKET) were cut to it.
    Oversized,
    /// A pcapng block of an unknown type was skipped.
    UnknownBlock(u32),
    /// A pcapng packet names an interface that its section doesn't describe: no link type, so it was skipped.
    UnknownInterface(u32),
    /// A section describes more interfaces than are kept.
    TooManyInterfaces,
    /// A pcapng Simple Packet Block carries no time; it was given that of the packet before it.
    NoTime,
    /// The frame table of a Network Monitor file is cut short, not one, or of another length than the frames found
    /// without it.
    FrameTable,
    /// A frame of a Network Monitor file is not where the table says, or not as long as it says; it was skipped.
    Frame,
    /// Frames of a Network Monitor file are of a kind that no link type names: they are handed on and dropped at the
    /// point, counted.
    MediaType(u16),
    /// A Network Monitor file before version 2.3: its times are local, and it doesn't say where.
    LocalTime,
    /// The start of a Network Monitor capture is no date.
    StartTime,
    /// The file was written to while it was read: its end may be missing.
    Changed,
    /// Reading failed.
    Io(io::ErrorKind),
}

impl Reason {
    /// Stable name: scripts and alarms rely on it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoFiles => "source.no_files",
            Self::StandardInputTwice => "source.standard_input_twice",
            Self::SiprecAddress => "source.siprec_address",
            Self::SiprecAlone => "source.siprec_alone",
            Self::SiprecControllers => "source.siprec_controllers",
            Self::NotFound => "source.not_found",
            Self::Permission => "source.permission",
            Self::Directory => "source.directory",
            Self::Empty => "source.empty",
            Self::NotCapture => "source.not_capture",
            Self::Version(_) => "source.version",
            Self::LinkType(_) => "source.link_type",
            Self::Truncated => "source.truncated",
            Self::Damaged => "source.damaged",
            Self::Compression => "source.compression",
            Self::Oversized => "source.oversized",
            Self::UnknownBlock(_) => "source.unknown_block",
            Self::UnknownInterface(_) => "source.unknown_interface",
            Self::TooManyInterfaces => "source.too_many_interfaces",
            Self::NoTime => "source.no_time",
            Self::FrameTable => "source.frame_table",
            Self::Frame => "source.frame",
            Self::MediaType(_) => "source.media_type",
            Self::LocalTime => "source.local_time",
            Self::StartTime => "source.start_time",
            Self::Changed => "source.changed",
            Self::Io(_) => "source.io",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NoFiles => "name a capture file, or - for standard input",
            Self::StandardInputTwice => "name - once",
            Self::SiprecAddress => {
                "name the address and port that controllers send to: siprec:192.0.2.1:5060"
            }
            Self::SiprecAlone => "run files apart from the recording server",
            Self::SiprecControllers => "name each controller with --from ADDRESS",
            Self::NotFound => "check the name",
            Self::Permission => "let the account that runs the point read the file",
            Self::Directory => "name the files in it",
            Self::Empty => "check that the capture has started and that its disk is not full",
            Self::NotCapture => {
                "give pcap, pcapng or Network Monitor 2, plain or in gzip or zstd; `editcap -F pcapng` converts others"
            }
            Self::Version(_) => "write it again with a current tcpdump or Wireshark",
            Self::LinkType(_) => "capture on Ethernet, Linux cooked or raw IP, or convert the file",
            Self::Truncated => {
                "the packets before this place were read; copy the file again if it should go on"
            }
            Self::Damaged => "the packets before this place were read; try to repair the file with pcapfix",
            Self::Compression => "what could be unpacked was read; copy the file again",
            Self::Oversized => "the packet's head was read; capture with a snapshot length of 262144 or less",
            Self::UnknownBlock(_) => "no packets are lost unless a vendor put them there",
            Self::UnknownInterface(_) => "write the file again with a current tool",
            Self::TooManyInterfaces => "split the section into several files",
            Self::NoTime => "capture with Enhanced Packet Blocks when the time matters",
            Self::FrameTable => {
                "give the whole file, unpacked and not through a pipe, or convert it with `editcap -F pcapng`"
            }
            Self::Frame => "copy the file again; if that doesn't help, the writer left it so",
            Self::MediaType(_) => "capture on Ethernet or raw IP",
            Self::LocalTime => {
                "times were read as UTC: shift them by the capturing host's offset with `editcap -t SECONDS`"
            }
            Self::StartTime => "times count from 1970: shift them with `editcap -t SECONDS`",
            Self::Changed => "read it again when the capture has ended",
            Self::Io(_) => "check the disk or the pipe, then run again",
        }
    }

    /// What ends the reading of a file so that its result can't be trusted to be all there was to read.
    pub(crate) const fn fails_file(self) -> bool {
        !matches!(
            self,
            Self::LinkType(_)
                | Self::Truncated
                | Self::Damaged
                | Self::Compression
                | Self::Oversized
                | Self::UnknownBlock(_)
                | Self::UnknownInterface(_)
                | Self::TooManyInterfaces
                | Self::NoTime
                | Self::FrameTable
                | Self::Frame
                | Self::MediaType(_)
                | Self::LocalTime
                | Self::StartTime
                | Self::Changed
        )
    }
}

impl From<&io::Error> for Reason {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::IsADirectory => Self::Directory,
            kind => Self::Io(kind),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFiles => f.write_str("no source was named"),
            Self::StandardInputTwice => f.write_str("standard input was named twice"),
            Self::SiprecAddress => f.write_str("not the address and port of a recording server"),
            Self::SiprecAlone => f.write_str("a recording server can't be merged with other sources"),
            Self::SiprecControllers => f.write_str("no controller may send to the recording server"),
            Self::NotFound => f.write_str("no such file"),
            Self::Permission => f.write_str("permission denied"),
            Self::Directory => f.write_str("is a directory"),
            Self::Empty => f.write_str("is empty"),
            Self::NotCapture => f.write_str("not a capture file"),
            Self::Version(version) => write!(f, "unknown format version {version}"),
            Self::LinkType(link) => write!(f, "link type {link} is not read"),
            Self::Truncated => f.write_str("ends in the middle of a packet or block"),
            Self::Damaged => f.write_str("damaged: a length or marker can't be true"),
            Self::Compression => f.write_str("the compressed stream is cut short or damaged"),
            Self::Oversized => f.write_str("a packet longer than 262144 octets was cut"),
            Self::UnknownBlock(kind) => write!(f, "a block of unknown type {kind:#x} was skipped"),
            Self::UnknownInterface(id) => write!(f, "a packet of undescribed interface {id} was skipped"),
            Self::TooManyInterfaces => f.write_str("too many interfaces in one section"),
            Self::NoTime => f.write_str("a packet without time was given that of the one before it"),
            Self::FrameTable => {
                f.write_str("the frame table is cut short, damaged, or of another length than its frames")
            }
            Self::Frame => f.write_str("a frame whose place or length can't be true was skipped"),
            Self::MediaType(media) => write!(f, "media type {media:#x} is not read"),
            Self::LocalTime => f.write_str("times are local and their zone is not stated"),
            Self::StartTime => f.write_str("the start of the capture is no date"),
            Self::Changed => f.write_str("changed while it was read"),
            Self::Io(kind) => write!(f, "reading failed: {kind}"),
        }
    }
}

/// A source that can't be used: which, where, why and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}: octet {place}: {reason}; {advice}", advice = .reason.advice())]
pub struct SourceError {
    /// The file's name as given; `-` for standard input.
    pub file: Box<str>,
    /// Offset of the packet or block in the capture; for a compressed file, after decompression.
    pub place: u64,
    /// What is wrong.
    pub reason: Reason,
}

impl SourceError {
    pub(crate) fn new(file: &str, place: u64, reason: Reason) -> Self {
        Self { file: file.into(), place, reason }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        self.reason.advice()
    }
}

/// Something that a source did wrong and that the run outlived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// Its first occurrence.
    pub first: SourceError,
    /// How often it occurred in that file.
    pub times: u64,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.times > 1 {
            write!(f, " ({} times)", self.times)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_place_reason_and_advice() {
        let error = SourceError::new("a.pcap", 40, Reason::Truncated);
        assert_eq!(
            error.to_string(),
            "a.pcap: octet 40: ends in the middle of a packet or block; \
             the packets before this place were read; copy the file again if it should go on"
        );
        assert_eq!(error.code(), "source.truncated");
    }

    #[test]
    fn a_warning_says_how_often() {
        let first = SourceError::new("-", 0, Reason::NoTime);
        assert!(Warning { first: first.clone(), times: 3 }.to_string().ends_with("(3 times)"));
        assert!(!Warning { first, times: 1 }.to_string().contains("times"));
    }
}
