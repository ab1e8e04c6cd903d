//! Where octets come from: a file or standard input, unpacked when its first octets say that it is packed.
//! The name says nothing: `capture.pcap` may be gzip and `capture.gz` may be plain.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::SystemTime;

use flate2::bufread::MultiGzDecoder;

use crate::error::Reason;
use crate::frame_table::Octets;

/// The name that stands for standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// Octets unpacked at once, and how many such pieces may wait: the unpacking thread stays busy while the point works,
/// and never runs further ahead than this.
const PIECE: usize = 256 * 1024;
const PIECES_AHEAD: usize = 4;

/// Octets of a packed file read at once.
const PACKED_READ: usize = 128 * 1024;

/// Largest zstd window accepted, as a power of two: 128 MiB, the zstd tool's own limit. A frame that asks for more
/// is refused, so that 20 octets can't claim the host's memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What has been read from the system, seen from any thread.
#[derive(Default)]
pub(crate) struct Tally {
    octets: AtomicU64,
    /// The system refused a read: an error that follows isn't the compression's.
    failed: AtomicBool,
}

impl Tally {
    pub(crate) fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }
}

struct Counted<R>(R, Arc<Tally>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out);
        match &read {
            Ok(n) => _ = self.1.octets.fetch_add(*n as u64, Ordering::Relaxed),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.1.failed.store(true, Ordering::Relaxed),
        }
        read
    }
}

/// A regular file as it was when it was opened.
struct Watch {
    file: Arc<File>,
    len: u64,
    modified: Option<SystemTime>,
}

/// An open source.
pub(crate) struct Input {
    pub(crate) tally: Arc<Tally>,
    watch: Option<Watch>,
    packed: bool,
    #[cfg(feature = "fuzz")]
    memory: Option<Arc<[u8]>>,
}

impl Input {
    /// Opens `name`; hands out the stream of unpacked octets beside what is known of it.
    pub(crate) fn open(name: &str) -> Result<(Self, Box<dyn Read + Send>), Reason> {
        let tally = Arc::new(Tally::default());
        if name == STANDARD_INPUT {
            return Self::unpack(Counted(io::stdin(), Arc::clone(&tally)), tally, None);
        }
        let file = Arc::new(File::open(name).map_err(|error| Reason::from(&error))?);
        let metadata = file.metadata().map_err(|error| Reason::from(&error))?;
        if metadata.is_dir() {
            return Err(Reason::Directory);
        }
        let watch = metadata.is_file().then(|| Watch {
            file: Arc::clone(&file),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        });
        Self::unpack(Counted(file, Arc::clone(&tally)), tally, watch)
    }

    /// Octets in memory, which nobody else changes; like those of a pipe, or as if they could be read at any place.
    #[cfg(feature = "fuzz")]
    pub(crate) fn in_memory(at_any_place: Option<&[u8]>) -> Self {
        Self { tally: Arc::default(), watch: None, packed: false, memory: at_any_place.map(Into::into) }
    }

    fn unpack<R: Read + Send + 'static>(
        mut raw: R,
        tally: Arc<Tally>,
        watch: Option<Watch>,
    ) -> Result<(Self, Box<dyn Read + Send>), Reason> {
        let mut head = Vec::with_capacity(4);
        // `read_to_end` of four octets: it asks again after a short read and after an interruption.
        raw.by_ref().take(4).read_to_end(&mut head).map_err(|error| Reason::from(&error))?;
        let packing = Packing::of(&head);
        let whole = Cursor::new(head).chain(raw);
        let stream: Box<dyn Read + Send> = match packing {
            None => Box::new(whole),
            Some(packing) => Box::new(Unpacked::start(packing, whole)?),
        };
        let input = Self {
            tally,
            watch,
            packed: packing.is_some(),
            #[cfg(feature = "fuzz")]
            memory: None,
        };
        Ok((input, stream))
    }

    /// Octets on disk; `None` for a pipe.
    pub(crate) fn len(&self) -> Option<u64> {
        self.watch.as_ref().map(|watch| watch.len)
    }

    /// Its octets and how many they are, where they can be read at any place: neither packed nor a pipe.
    pub(crate) fn at_any_place(&self) -> Option<(Octets, u64)> {
        #[cfg(feature = "fuzz")]
        if let Some(octets) = &self.memory {
            return Some((Octets::Memory(Arc::clone(octets)), octets.len() as u64));
        }
        let watch = self.watch.as_ref().filter(|_| !self.packed)?;
        Some((Octets::File(Arc::clone(&watch.file)), watch.len))
    }

    /// Whether the file was written to since it was opened.
    pub(crate) fn changed(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| {
            watch
                .file
                .metadata()
                .is_ok_and(|now| now.len() != watch.len || now.modified().ok() != watch.modified)
        })
    }

    /// What an error of the stream means: the system's, or the packed octets'.
    pub(crate) fn reason(&self, error: &io::Error) -> Reason {
        if self.packed && !self.tally.failed.load(Ordering::Relaxed) {
            Reason::Compression
        } else {
            Reason::from(error)
        }
    }
}

#[derive(Clone, Copy)]
enum Packing {
    /// RFC 1952; members may follow each other.
    Gzip,
    /// RFC 8878; frames may follow each other.
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or a skippable frame as parallel packers put in front (RFC 8878, 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }

    fn decoder(self, packed: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let packed = BufReader::with_capacity(PACKED_READ, packed);
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        })
    }
}

/// A stream unpacked on a thread of its own. The thread ends with the stream, or at its next piece once this is
/// dropped.
struct Unpacked {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// Used pieces go back, so that unpacking allocates nothing after its start.
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Unpacked {
    fn start(packing: Packing, packed: impl Read + Send + 'static) -> Result<Self, Reason> {
        let (out, pieces) = sync_channel(PIECES_AHEAD);
        let (used, free) = sync_channel(PIECES_AHEAD + 2);
        thread::Builder::new()
            .name("mandat-unpack".into())
            .spawn(move || unpack(packing, packed, &out, &free))
            .map_err(|error| Reason::from(&error))?;
        Ok(Self { pieces, used, piece: Vec::new(), at: 0 })
    }
}

fn unpack(
    packing: Packing,
    packed: impl Read + Send + 'static,
    out: &SyncSender<io::Result<Vec<u8>>>,
    free: &Receiver<Vec<u8>>,
) {
    let mut decoder = match packing.decoder(packed) {
        Ok(decoder) => decoder,
        Err(error) => {
            _ = out.send(Err(error));
            return;
        }
    };
    loop {
        let mut piece = free.try_recv().unwrap_or_else(|_| vec![0; PIECE]);
        piece.resize(PIECE, 0);
        // One read a piece: what a slow pipe has brought goes on at once.
        match decoder.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => {
                piece.truncate(read);
                if out.send(Ok(piece)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                _ = out.send(Err(error));
                return;
            }
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            // The channel closes when the stream has ended.
            let Ok(piece) = self.pieces.recv() else { return Ok(0) };
            _ = self.used.try_send(std::mem::replace(&mut self.piece, piece?));
            self.at = 0;
        }
        let n = out.len().min(self.piece.len() - self.at);
        out[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
