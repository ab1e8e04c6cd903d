//! One open capture file of any format.

use mandat_core::{LinkType, Packet, Time};

use crate::buffer::Buffer;
use crate::error::{Reason, SourceError, Warning};
use crate::input::Input;
use crate::netmon::Netmon;
use crate::pcap::Pcap;
use crate::pcapng::PcapNg;

/// Byte order of the host that wrote the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The order in which the four octets at `at` read as `magic`.
    pub(crate) fn with_magic(octets: &[u8], at: usize, magic: u32) -> Option<Self> {
        [Self::Little, Self::Big].into_iter().find(|order| order.u32(octets, at) == magic)
    }

    /// Sixteen bits at `at`. Callers have checked the length; beyond the end there are zeros.
    #[inline]
    pub(crate) fn u16(self, octets: &[u8], at: usize) -> u16 {
        let field = octets.get(at..at + 2).and_then(|field| field.try_into().ok()).unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(field),
            Self::Big => u16::from_be_bytes(field),
        }
    }

    /// Thirty-two bits at `at`.
    #[inline]
    pub(crate) fn u32(self, octets: &[u8], at: usize) -> u32 {
        let field = octets.get(at..at + 4).and_then(|field| field.try_into().ok()).unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(field),
            Self::Big => u32::from_be_bytes(field),
        }
    }

    /// Sixty-four bits at `at`, signed.
    pub(crate) fn i64(self, octets: &[u8], at: usize) -> i64 {
        let field = octets.get(at..at + 8).and_then(|field| field.try_into().ok()).unwrap_or_default();
        match self {
            Self::Little => i64::from_le_bytes(field),
            Self::Big => i64::from_be_bytes(field),
        }
    }
}

/// Where the packet just read sits in the window.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    pub(crate) ts: Time,
    pub(crate) link: LinkType,
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) wire_len: u32,
}

/// What one record or block turned out to be.
pub(crate) enum Step {
    /// A packet.
    Packet(Current),
    /// A packet, and something to note about it.
    Noted(Current, Reason),
    /// No packet; go on.
    Nothing,
    /// No packet; note it and go on.
    Note(Reason),
    /// The rest can't be read.
    Stop(Reason),
    /// The file ends where a record or block does.
    End,
}

/// Whether the point has a decoder for `link`.
pub(crate) const fn is_read(link: LinkType) -> bool {
    matches!(
        link,
        LinkType::NULL
            | LinkType::ETHERNET
            | LinkType::RAW_BSD
            | LinkType::RAW_OPENBSD
            | LinkType::RAW
            | LinkType::LOOP
            | LinkType::LINUX_SLL
            | LinkType::MTP2_WITH_PHDR
            | LinkType::MTP2
            | LinkType::MTP3
            | LinkType::SCCP
            | LinkType::SCTP
            | LinkType::IPV4
            | LinkType::IPV6
            | LinkType::NFLOG
            | LinkType::UPPER_PDU
            | LinkType::LINUX_SLL2
    )
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
    Netmon(Netmon),
}

/// An open file and the packet it stands at.
pub(crate) struct Reader {
    name: Box<str>,
    pub(crate) input: Input,
    buffer: Buffer,
    format: Format,
    current: Current,
    /// Why reading stopped before the file's end.
    stopped: Option<Reason>,
    ended: bool,
    /// Where in the run's warnings each of this file's stands: at most one of a code, so the list stays short.
    noted: Vec<(&'static str, usize)>,
}

impl Reader {
    /// Opens `name` and reads its header, through a window of `size` octets.
    pub(crate) fn open(name: &str, size: usize) -> Result<Self, SourceError> {
        let (input, stream) = Input::open(name).map_err(|reason| SourceError::new(name, 0, reason))?;
        Self::over(name, input, Buffer::new(stream, size))
    }

    /// Reads the header at the head of `buffer`.
    pub(crate) fn over(name: &str, input: Input, mut buffer: Buffer) -> Result<Self, SourceError> {
        let fail = |place, reason| SourceError::new(name, place, reason);
        let whole_magic = buffer.need(4).map_err(|error| fail(0, input.reason(&error)))?;
        let head = match *buffer.unread() {
            [] => return Err(fail(0, Reason::Empty)),
            [a, b, c, d, ..] if whole_magic => [a, b, c, d],
            _ => return Err(fail(0, Reason::NotCapture)),
        };
        let format = if Pcap::recognises(head) {
            let pcap = Pcap::open(&mut buffer).map_err(|error| fail(0, input.reason(&error)))?;
            Format::Pcap(pcap.map_err(|reason| fail(0, reason))?)
        } else if PcapNg::recognises(head) {
            let mut pcapng = PcapNg::new();
            match pcapng.step(&mut buffer).map_err(|error| fail(0, input.reason(&error)))? {
                // Text files may begin with these four octets; only a byte-order magic tells.
                Step::Stop(Reason::Damaged) => return Err(fail(0, Reason::NotCapture)),
                Step::Stop(reason) => return Err(fail(0, reason)),
                _ => Format::PcapNg(pcapng),
            }
        } else if Netmon::recognises(head) {
            let netmon = Netmon::open(&mut buffer, &input).map_err(|error| fail(0, input.reason(&error)))?;
            Format::Netmon(netmon.map_err(|reason| fail(0, reason))?)
        } else {
            return Err(fail(0, Reason::NotCapture));
        };
        let current = Current { ts: Time(0), link: LinkType(0), at: 0, len: 0, wire_len: 0 };
        Ok(Self {
            name: name.into(),
            input,
            buffer,
            format,
            current,
            stopped: None,
            ended: false,
            noted: Vec::new(),
        })
    }

    /// Notes what the header alone tells.
    pub(crate) fn note_header(&mut self, warnings: &mut Vec<Warning>) {
        match &self.format {
            Format::Pcap(pcap) if !is_read(pcap.link()) => {
                let link = pcap.link();
                self.note(Reason::LinkType(link.0), 0, warnings);
            }
            Format::Netmon(netmon) => {
                for reason in netmon.notes() {
                    self.note(reason, 0, warnings);
                }
            }
            Format::Pcap(_) | Format::PcapNg(_) => {}
        }
    }

    /// Moves to the next packet and says whether there is one.
    #[inline]
    pub(crate) fn advance(&mut self, warnings: &mut Vec<Warning>) -> bool {
        if self.ended {
            return false;
        }
        loop {
            let place = self.buffer.place();
            let step = match &mut self.format {
                Format::Pcap(pcap) => pcap.step(&mut self.buffer),
                Format::PcapNg(pcapng) => pcapng.step(&mut self.buffer),
                Format::Netmon(netmon) => netmon.step(&mut self.buffer),
            };
            match step {
                Ok(Step::Packet(current)) => {
                    self.current = current;
                    return true;
                }
                Ok(Step::Noted(current, reason)) => {
                    self.current = current;
                    self.note(reason, place, warnings);
                    return true;
                }
                Ok(Step::Nothing) => {}
                Ok(Step::Note(reason)) => self.note(reason, place, warnings),
                Ok(Step::End) => return self.end(None, place, warnings),
                Ok(Step::Stop(reason)) => return self.end(Some(reason), place, warnings),
                Err(error) => return self.end(Some(self.input.reason(&error)), place, warnings),
            }
        }
    }

    /// The packet that [`advance`](Self::advance) moved to.
    #[inline]
    pub(crate) fn packet(&self) -> Packet<'_> {
        let Current { ts, link, at, len, wire_len } = self.current;
        Packet { ts, link, data: self.buffer.slice(at, len), wire_len }
    }

    /// Its time.
    #[inline]
    pub(crate) fn ts(&self) -> Time {
        self.current.ts
    }

    /// Offset of the octet after the last that was read.
    pub(crate) fn place(&self) -> u64 {
        self.buffer.place()
    }

    /// Why reading stopped before the file's end, if it did.
    pub(crate) const fn stopped(&self) -> Option<Reason> {
        self.stopped
    }

    #[cold]
    fn end(&mut self, stopped: Option<Reason>, place: u64, warnings: &mut Vec<Warning>) -> bool {
        self.ended = true;
        self.stopped = stopped;
        if let Some(reason) = stopped {
            self.note(reason, place, warnings);
        }
        if self.input.changed() {
            self.note(Reason::Changed, place, warnings);
        }
        false
    }

    #[cold]
    fn note(&mut self, reason: Reason, place: u64, warnings: &mut Vec<Warning>) {
        // Only its table says where a frame begins.
        let place = if let Format::Netmon(netmon) = &self.format { netmon.place() } else { place };
        if let Some((_, at)) = self.noted.iter().find(|(code, _)| *code == reason.code()) {
            warnings[*at].times += 1;
        } else {
            self.noted.push((reason.code(), warnings.len()));
            warnings.push(Warning { first: SourceError::new(&self.name, place, reason), times: 1 });
        }
    }
}
