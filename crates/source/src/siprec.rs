//! A recording server (RFC 7866): session border controllers send it copies of calls, and it hands signalling and media
//! to the point as packets, which sees them like those of any other source.
//!
//! ```text
//! controller ─▶ UDP, TCP, media ports ─▶ server (one thread) ─▶ queue, bounded ─▶ Siprec::next() ─▶ Packet<'_>
//! ```
//!
//! The server never waits for the point: what the queue has no room for is dropped and counted. It answers the
//! controllers that it was told of and nobody else, and sends no media.

mod frames;
mod offer;
mod request;
mod server;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use mandat_core::{LinkType, Packet, Time};

use crate::error::{Reason, SourceError};

/// What a source's name begins with.
pub(crate) const SCHEME: &str = "siprec:";

/// Packets that may wait for the point: two seconds of 100 recorded calls, of which each sends 100 a second.
const QUEUE_PACKETS: usize = 20_000;

/// Octets that may wait for the point.
const QUEUE_OCTETS: usize = 64 << 20;

/// How long [`Siprec::next`] waits for a packet: so soon a signal or a revocation is heeded.
const PATIENCE: Duration = Duration::from_millis(200);

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// What the server counts.
        #[derive(Clone, Copy)]
        enum Count { $($(#[$doc])* $variant,)* }
        const NAMES: &[&str] = &[$($name,)*];
    };
}

counts! {
    /// Requests read.
    Requests => "siprec.requests",
    /// Recording sessions begun.
    Sessions => "siprec.sessions",
    /// Requests refused with a status.
    Refused => "siprec.refused",
    /// Messages that could not be read.
    Malformed => "siprec.malformed",
    /// Messages and connections of addresses that are no controller's.
    ForeignSignalling => "drop.siprec_source",
    /// Datagrams to a media port from an address that no controller has named.
    ForeignMedia => "drop.siprec_media_source",
    /// Packets that the queue had no room for.
    QueueFull => "drop.siprec_queue",
    /// Recording sessions given up because nothing came any more.
    Expired => "siprec.expired",
    /// Answers that no ACK came for.
    Unacknowledged => "siprec.unacknowledged",
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    counts: [AtomicU64; NAMES.len()],
    waiting: AtomicUsize,
    octets: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn count(&self, what: Count) {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// A packet on its way to the point.
struct Captured {
    ts: Time,
    octets: Vec<u8>,
}

/// The end of the queue that the server puts into.
struct Outlet {
    queue: SyncSender<Captured>,
    shared: Arc<Shared>,
}

impl Outlet {
    /// Never waits.
    fn put(&self, octets: Vec<u8>) {
        let size = octets.len();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ts = Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        let fits = self.shared.waiting.load(Ordering::Relaxed) + size <= QUEUE_OCTETS;
        if fits && self.queue.try_send(Captured { ts, octets }).is_ok() {
            self.shared.waiting.fetch_add(size, Ordering::Relaxed);
        } else {
            self.shared.count(Count::QueueFull);
        }
    }
}

/// A recording server that runs until it is dropped.
pub struct Siprec {
    queue: Receiver<Captured>,
    current: Captured,
    shared: Arc<Shared>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Siprec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Siprec")
    }
}

impl Siprec {
    /// Opens `siprec:HOST:PORT` over UDP and TCP, for the controllers at these addresses.
    pub(crate) fn open(name: &str, controllers: &[IpAddr]) -> Result<Self, SourceError> {
        let fail = |reason| SourceError::new(name, 0, reason);
        let at: SocketAddr = name
            .strip_prefix(SCHEME)
            .and_then(|at| at.parse().ok())
            .filter(|at: &SocketAddr| !at.ip().is_unspecified() && at.port() != 0)
            .ok_or_else(|| fail(Reason::SiprecAddress))?;
        if controllers.is_empty() {
            return Err(fail(Reason::SiprecControllers));
        }
        let shared = Arc::new(Shared::default());
        let (sender, queue) = sync_channel(QUEUE_PACKETS);
        let outlet = Outlet { queue: sender, shared: Arc::clone(&shared) };
        let (server, waker) =
            server::Server::open(at, controllers, outlet).map_err(|e| fail(Reason::from(&e)))?;
        let thread = std::thread::Builder::new()
            .name("mandat-siprec".into())
            .spawn(move || server.run())
            .map_err(|e| fail(Reason::from(&e)))?;
        let current = Captured { ts: Time::default(), octets: Vec::new() };
        Ok(Self { queue, current, shared, waker, thread: Some(thread) })
    }

    /// The next packet; `Ok(None)` when none came within [`PATIENCE`], an error once the server has ended and everything
    /// is read.
    pub(crate) fn next(&mut self) -> Result<Option<Packet<'_>>, Ended> {
        match self.queue.recv_timeout(PATIENCE) {
            Ok(packet) => {
                self.shared.waiting.fetch_sub(packet.octets.len(), Ordering::Relaxed);
                self.shared.octets.fetch_add(packet.octets.len() as u64, Ordering::Relaxed);
                self.current = packet;
                let data = &self.current.octets[..];
                Ok(Some(Packet {
                    ts: self.current.ts,
                    link: LinkType::RAW,
                    data,
                    wire_len: data.len() as u32,
                }))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }

    /// Octets read so far.
    pub(crate) fn octets_read(&self) -> u64 {
        self.shared.octets.load(Ordering::Relaxed)
    }

    /// What was counted, all that isn't zero.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.shared.counts.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.iter().copied().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Ends the server; what it has received can still be read.
    pub(crate) fn close(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Drop for Siprec {
    fn drop(&mut self) {
        self.close();
    }
}

/// The server has ended.
pub(crate) struct Ended;
