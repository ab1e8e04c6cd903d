//! Recording sessions that are up, and the media ports that they hold.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

/// Media ports: pairs of RTP and RTCP from here up, below those that Linux gives to clients (32768).
const FIRST_PORT: u16 = 20_000;

/// Pairs of media ports, and so media descriptions that are received at one time: 512 calls of two participants.
pub(super) const MAX_PAIRS: usize = 1024;

/// Recording sessions at one time.
pub(super) const MAX_SESSIONS: usize = 512;

/// Tokens of media sockets begin here, two a pair.
pub(super) const MEDIA_TOKENS: usize = 1 << 16;

/// How long after its BYE a session keeps its ports for media on their way.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A session without media, signalling or session timer for so long is over: its controller has gone away.
pub(super) const IDLE: Duration = Duration::from_secs(3600);

/// RFC 3261, 17.1.1.1 and 13.3.1.4: a 2xx is sent again until the ACK comes, after T1, then twice that up to T2, for 64
/// times T1.
pub(super) const T1: Duration = Duration::from_millis(500);
pub(super) const T2: Duration = Duration::from_secs(4);

/// A session.
pub(super) struct Session {
    pub(super) call_id: Box<str>,
    /// The controller's tag, and ours.
    pub(super) from_tag: Box<str>,
    pub(super) tag: Box<str>,
    /// A pair of ports for each media description that was accepted.
    pub(super) pairs: Vec<Option<usize>>,
    /// `CSeq` of the last INVITE, and its answer.
    pub(super) answered: (u32, Vec<u8>),
    /// Version of our session description.
    pub(super) version: u32,
    pub(super) id: u64,
    /// The answer waits for its ACK: when it goes out next, after which interval again, and until when.
    pub(super) unacknowledged: Option<(Instant, Duration, Instant)>,
    /// Where answers go.
    pub(super) way: Way,
    pub(super) last: Instant,
    /// How long it may be silent.
    pub(super) patience: Duration,
    /// When its ports are let go: it has ended.
    pub(super) ends: Option<Instant>,
}

/// How a controller is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Udp(SocketAddr),
    /// A connection, by its token.
    Tcp(Token),
}

/// A pair of media sockets.
pub(super) struct Pair {
    pub(super) sockets: [UdpSocket; 2],
    pub(super) port: u16,
    /// Where the controller said that it sends from, besides its own address.
    pub(super) from: Option<IpAddr>,
    /// Its session, by Call-ID.
    pub(super) session: usize,
}

/// All pairs. The port that was used longest ago is used next, so that media of a call that is over don't come to
/// another.
pub(super) struct Ports {
    at: IpAddr,
    pub(super) pairs: Vec<Option<Pair>>,
    free: VecDeque<usize>,
}

impl Ports {
    pub(super) fn new(at: IpAddr) -> Self {
        Self { at, pairs: (0..MAX_PAIRS).map(|_| None).collect(), free: (0..MAX_PAIRS).collect() }
    }

    /// Opens a pair. Ports that another program holds are passed over.
    pub(super) fn open(
        &mut self,
        registry: &Registry,
        session: usize,
        from: Option<IpAddr>,
    ) -> Option<usize> {
        for _ in 0..self.free.len() {
            let place = self.free.pop_front()?;
            let port = FIRST_PORT + 2 * place as u16;
            let open = |n: u16| -> io::Result<UdpSocket> {
                let mut socket = UdpSocket::bind(SocketAddr::new(self.at, port + n))?;
                let token = Token(MEDIA_TOKENS + 2 * place + usize::from(n));
                registry.register(&mut socket, token, Interest::READABLE)?;
                Ok(socket)
            };
            if let (Ok(rtp), Ok(rtcp)) = (open(0), open(1)) {
                if let Some(pair) = self.pairs.get_mut(place) {
                    *pair = Some(Pair { sockets: [rtp, rtcp], port, from, session });
                }
                return Some(place);
            }
            self.free.push_back(place);
        }
        None
    }

    /// Closes a pair.
    pub(super) fn close(&mut self, place: usize) {
        if self.pairs.get_mut(place).and_then(Option::take).is_some() {
            self.free.push_back(place);
        }
    }
}
