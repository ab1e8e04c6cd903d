//! One QUIC connection, until its `ClientHello` is whole. Owns connection IDs and pieces of one handshake message,
//! and lets go of both as soon as it is finished.

pub(super) mod pieces;

use smallvec::SmallVec;

use crate::decode::gquic;
use crate::decode::name::printable;
use crate::decode::quic::{ClientKeys, Initial, MAX_CID, Packet, Version, crypto_frames, packets};
use crate::decode::tls::{self, ClientHello, Step};
use crate::session::NameVia;
use pieces::Pieces;

/// Sets of keys tried in one connection: the first, one after version negotiation, one after Retry (RFC 9000,
/// 17.2.5.2: a client accepts one), and one spare for a client that starts anew on the same port.
const MAX_ATTEMPTS: usize = 4;

/// Datagrams that told nothing new before the connection is given up. A client sends 1 to 3 Initials and repeats them
/// at growing intervals.
const MAX_IDLE: u8 = 32;

/// Packets looked at in one datagram. A client coalesces one of each kind (RFC 9000, 12.2); forged Initials of a few
/// octets would each cost a key derivation.
const MAX_COALESCED: usize = 8;

/// What a datagram has brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The hello isn't whole: give the next datagram.
    NeedMore,
    /// The hello is whole and has a name. Said once.
    Hello(QuicName),
    /// The hello is whole and names nobody.
    NoName,
    /// The hello is whole and its name isn't printable: to be counted.
    Unreadable,
    /// No hello will be found: another protocol, an unknown version, damage, or a limit.
    GivenUp,
}

/// The name a client asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QuicName {
    pub(crate) name: Box<str>,
    /// [`NameVia::QuicEch`] where the hello holds `encrypted_client_hello`: the name may be an outer one (RFC 9849).
    pub(crate) via: NameVia,
}

/// The hello of one connection. Fed with the datagrams from client to server.
pub(crate) struct QuicHello {
    /// Nothing once finished.
    attempts: SmallVec<[Box<Attempt>; 1]>,
    idle: u8,
    finished: bool,
    /// The client offers `doq` (RFC 9250, 4.1.1).
    doq: bool,
}

/// One start of the handshake: keys, and the CRYPTO stream under them. Starts are kept side by side, so that a
/// forged Initial, which anyone can make, doesn't undo what the client sent.
struct Attempt {
    version: Version,
    /// Destination connection ID of the first Initial. Later ones have the server's, and these keys still.
    dcid: SmallVec<[u8; MAX_CID]>,
    keys: ClientKeys,
    pieces: Pieces,
}

impl QuicHello {
    pub(crate) fn new() -> Self {
        Self { attempts: SmallVec::new(), idle: 0, finished: false, doq: false }
    }

    /// Nothing more can come of it.
    #[cfg(test)]
    const fn finished(&self) -> bool {
        self.finished
    }

    /// The connection is DNS over QUIC: known once the hello is.
    pub(crate) const fn is_doq(&self) -> bool {
        self.doq
    }

    /// Octets of hellos kept.
    pub(crate) fn octets(&self) -> usize {
        self.attempts.iter().map(|a| a.pieces.octets()).sum()
    }

    /// Takes a datagram from the client. After the end every answer is [`Progress::GivenUp`].
    pub(crate) fn feed(&mut self, datagram: &[u8]) -> Progress {
        if self.finished {
            return Progress::GivenUp;
        }
        let mut news = false;
        for packet in packets(datagram).take(MAX_COALESCED) {
            let Packet::Initial(initial) = packet else { continue };
            match self.initial(&initial) {
                Step::Done(progress) => return self.finish(progress),
                Step::NeedMore => news = true,
                Step::Foreign => {}
            }
        }
        if !news {
            self.idle += 1;
            // No keys at all after the first datagram: it isn't QUIC, or not a client's side of it.
            if self.attempts.is_empty() || self.idle >= MAX_IDLE {
                return self.finish(Progress::GivenUp);
            }
        }
        Progress::NeedMore
    }

    fn finish(&mut self, progress: Progress) -> Progress {
        (self.finished, self.attempts) = (true, SmallVec::new());
        progress
    }

    /// [`Step::NeedMore`] when the Initial held octets of the hello that are new; [`Step::Foreign`] when it did not.
    fn initial(&mut self, initial: &Initial<'_>) -> Step<Progress> {
        for attempt in &mut self.attempts {
            if let Some(frames) = attempt.open(initial) {
                return attempt.take(&frames, &mut self.doq);
            }
        }
        // Not under any keys that we have: after Retry and version negotiation, and of course at first, the keys
        // derive from the packet's own destination connection ID. The server's Retry need not have been seen.
        let known = self.attempts.iter().any(|a| a.version == initial.version && *a.dcid == *initial.dcid);
        if known || self.attempts.len() >= MAX_ATTEMPTS {
            return Step::Foreign;
        }
        let Some(keys) = ClientKeys::derive(initial.version, initial.dcid) else { return Step::Foreign };
        let Some(frames) = keys.open(initial) else { return Step::Foreign };
        let mut attempt =
            Attempt { version: initial.version, dcid: initial.dcid.into(), keys, pieces: Pieces::default() };
        let step = attempt.take(&frames, &mut self.doq);
        self.attempts.push(Box::new(attempt));
        // A client's first Initial that holds only PING is strange, but its keys are news.
        if step == Step::Foreign { Step::NeedMore } else { step }
    }
}

impl Attempt {
    /// The frames of an Initial that belongs to this start. After compatible version negotiation the handshake goes
    /// on in another version, with keys that derive from the same connection ID (RFC 9369, 4.1).
    fn open(&self, initial: &Initial<'_>) -> Option<Vec<u8>> {
        if self.version == initial.version {
            self.keys.open(initial)
        } else {
            ClientKeys::derive(initial.version, &self.dcid)?.open(initial)
        }
    }

    fn take(&mut self, frames: &[u8], doq: &mut bool) -> Step<Progress> {
        if self.version == Version::Q050 {
            return match gquic::chlo_of_frames(frames) {
                Step::Done(chlo) => Step::Done(told_by_google(&chlo)),
                Step::NeedMore => Step::NeedMore,
                Step::Foreign => Step::Foreign,
            };
        }
        let mut news = false;
        for frame in crypto_frames(frames) {
            news |= self.pieces.insert(frame.offset, frame.data);
        }
        match tls::client_hello(self.pieces.beginning()) {
            Step::Done(hello) => {
                *doq |= hello.protocols().any(|protocol| protocol == b"doq");
                Step::Done(told(&hello))
            }
            Step::NeedMore if news => Step::NeedMore,
            // What is no hello counts as idle: a forged Initial can't end the connection at once.
            Step::NeedMore | Step::Foreign => Step::Foreign,
        }
    }
}

fn told(hello: &ClientHello<'_>) -> Progress {
    match hello.name() {
        Some(name) => Progress::Hello(QuicName { name: Box::from(&*name), via: NameVia::quic(hello.ech) }),
        None if hello.server_name.is_some() => Progress::Unreadable,
        None => Progress::NoName,
    }
}

/// What a `CHLO` of Google QUIC says.
pub(super) fn told_by_google(chlo: &gquic::Chlo<'_>) -> Progress {
    match chlo.server_name.map(printable) {
        Some(Some(name)) => Progress::Hello(QuicName { name: Box::from(&*name), via: NameVia::Gquic }),
        Some(None) => Progress::Unreadable,
        None => Progress::NoName,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::quic::tests::{crypto, seal};
    use crate::decode::tls::tests::hello_for;

    const DCID: &[u8] = b"firstcid";
    const NAME: &str = "www.example.com";

    fn named(name: &str) -> Progress {
        Progress::Hello(QuicName { name: name.into(), via: NameVia::Quic })
    }

    fn first(frames: &[u8]) -> Vec<u8> {
        seal(Version::V1, DCID, DCID, &[], 0, frames)
    }

    #[test]
    fn p53_a_hello_over_two_packets_is_put_together_in_either_order() {
        let hello = hello_for(NAME);
        let (head, tail) = hello.split_at(1100);
        // The second one goes to the server's connection ID, under the first one's keys.
        let one = first(&[&[1, 0, 0][..], &crypto(0, head)].concat());
        let two =
            seal(Version::V1, DCID, b"server", &[], 1, &[&[2, 0, 0, 0, 0][..], &crypto(1100, tail)].concat());
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&one), Progress::NeedMore);
        assert_eq!(state.feed(&one), Progress::NeedMore, "a copy");
        assert_eq!(state.feed(&two), named(NAME));
        assert!(state.finished());
        assert_eq!(state.feed(&two), Progress::GivenUp);

        let early = seal(Version::V1, DCID, DCID, &[], 1, &crypto(1100, tail));
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&early), Progress::NeedMore);
        assert_eq!(state.feed(&one), named(NAME));
        // Both in one datagram.
        assert_eq!(QuicHello::new().feed(&[early, one].concat()), named(NAME));
    }

    #[test]
    fn p52_after_retry_the_keys_are_new() {
        let hello = hello_for(NAME);
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&first(&crypto(0, &hello[..1000]))), Progress::NeedMore);
        let again =
            |number, frames: &[u8]| seal(Version::V1, b"retrycid", b"retrycid", b"token", number, frames);
        assert_eq!(state.feed(&again(1, &crypto(0, &hello[..900]))), Progress::NeedMore);
        assert_eq!(state.feed(&again(2, &crypto(900, &hello[900..]))), named(NAME));
    }

    #[test]
    fn p52_after_version_negotiation_the_version_is_new() {
        let hello = hello_for(NAME);
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&first(&crypto(0, &hello[..1000]))), Progress::NeedMore);
        assert_eq!(state.feed(&seal(Version::V2, DCID, DCID, &[], 0, &crypto(0, &hello))), named(NAME));
    }

    #[test]
    fn p52_after_compatible_version_negotiation_the_hello_goes_on() {
        let hello = hello_for(NAME);
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&first(&crypto(0, &hello[..1000]))), Progress::NeedMore);
        let rest = seal(Version::V2, DCID, b"server", &[], 1, &crypto(1000, &hello[1000..]));
        assert_eq!(state.feed(&rest), named(NAME));
    }

    #[test]
    fn a_forged_start_does_not_undo_the_real_one() {
        let hello = hello_for(NAME);
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&first(&crypto(0, &hello[..1000]))), Progress::NeedMore);
        let forged = seal(Version::V1, b"forged", b"forged", &[], 0, &crypto(0, &[9, 0, 0xff, 0]));
        assert_eq!(state.feed(&forged), Progress::NeedMore);
        assert_eq!(state.feed(&first(&crypto(1000, &hello[1000..]))), named(NAME));
    }

    #[test]
    fn what_no_key_opens_is_given_up() {
        let mut damaged = first(&crypto(0, &hello_for(NAME)));
        damaged[50] ^= 1;
        assert_eq!(QuicHello::new().feed(&damaged), Progress::GivenUp);
        assert_eq!(QuicHello::new().feed(&[0x40, 1, 2, 3]), Progress::GivenUp);
        let mut state = QuicHello::new();
        assert_eq!(state.feed(&first(&crypto(0, &hello_for(NAME)[..9]))), Progress::NeedMore);
        let last = (0..MAX_IDLE).map(|_| state.feed(&damaged)).last();
        assert_eq!(last, Some(Progress::GivenUp));
        assert!(state.attempts.is_empty(), "nothing is kept");
    }

    #[test]
    fn a_name_that_is_not_printable_is_not_told() {
        let mut hello = hello_for("x");
        let at = hello.windows(2).position(|w| w == [1, b'x']).unwrap_or_default();
        hello[at + 1] = 7;
        assert_eq!(QuicHello::new().feed(&first(&crypto(0, &hello))), Progress::Unreadable);
    }

    #[test]
    fn what_is_no_hello_is_given_up_after_a_while() {
        let server_hello = first(&crypto(0, &[2, 0, 0, 0]));
        let mut state = QuicHello::new();
        let answers: Vec<_> = (0..=MAX_IDLE).map(|_| state.feed(&server_hello)).collect();
        assert_eq!(answers[0], Progress::NeedMore);
        assert_eq!(answers.last(), Some(&Progress::GivenUp));
    }

    proptest! {
        #[test]
        fn any_order_and_overlap_gives_the_same_name(
            cuts in proptest::collection::vec((0_usize..1500, 1_usize..900), 0..12),
            order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
            step in 60_usize..700,
        ) {
            let hello = hello_for(NAME);
            let mut frames: Vec<_> = (0..hello.len()).step_by(step)
                .map(|at| (at, hello[at..].chunks(step).next().unwrap_or_default()))
                .collect();
            frames.extend(cuts.iter().filter_map(|(at, n)| Some((*at, hello.get(*at..)?.chunks(*n).next()?))));
            let mut keyed: Vec<_> = frames.iter().enumerate().map(|(i, f)| (order[i % 40], *f)).collect();
            keyed.sort_by_key(|(key, _)| *key);
            let mut state = QuicHello::new();
            let mut found = None;
            for (number, (_, (at, data))) in keyed.iter().enumerate() {
                let datagram = seal(Version::V1, DCID, DCID, &[], number as u32, &crypto(*at, data));
                if let Progress::Hello(hello) = state.feed(&datagram) {
                    found = Some(hello.name);
                }
            }
            prop_assert_eq!(found.as_deref(), Some(NAME));
        }

        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..200), frames: Vec<u8>) {
            let mut state = QuicHello::new();
            let _ = state.feed(&octets);
            let _ = QuicHello::new().feed(&first(&[&[0; 4][..], &frames].concat()));
        }
    }
}
