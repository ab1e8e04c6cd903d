//! The first message of a flow over UDP, of whichever protocol it began with.

use super::NameVia;
use super::Visibility;
use super::quic::pieces::Pieces;
use super::quic::{Progress, QuicHello, QuicName, told_by_google};
use crate::decode::tls::Step;
use crate::decode::unseen::{PRIVATE_DNS, Unseen};
use crate::decode::{dtls, gquic, quic};

/// Datagrams in which the beginning of Google's or DTLS's hello is looked for.
const MAX_TRIES: u8 = 32;

/// A hello that is awaited.
pub(super) enum Hello {
    Quic(QuicHello),
    /// Google QUIC up to Q046: one packet has it, and a copy repeats it.
    Gquic {
        tries: u8,
    },
    Dtls(DtlsHello),
}

impl Hello {
    /// `None` where none of them begins.
    pub(super) fn begins(datagram: &[u8]) -> Option<Self> {
        if quic::looks_like_quic(datagram) {
            Some(Self::Quic(QuicHello::new()))
        } else if gquic::looks_like_gquic(datagram) {
            Some(Self::Gquic { tries: 0 })
        } else if dtls::looks_like_dtls(datagram) {
            Some(Self::Dtls(DtlsHello::default()))
        } else {
            None
        }
    }

    pub(super) fn feed(&mut self, datagram: &[u8]) -> Progress {
        match self {
            Self::Quic(hello) => hello.feed(datagram),
            Self::Dtls(hello) => hello.feed(datagram),
            Self::Gquic { tries } => match gquic::chlo(datagram) {
                Step::Done(chlo) => told_by_google(&chlo),
                _ if *tries >= MAX_TRIES => Progress::GivenUp,
                _ => {
                    *tries += 1;
                    Progress::NeedMore
                }
            },
        }
    }

    /// Octets kept.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Quic(hello) => hello.octets(),
            Self::Dtls(hello) => hello.pieces.octets(),
            Self::Gquic { .. } => 0,
        }
    }

    /// What a finished hello says of the flow.
    pub(super) fn visibility(&self, progress: &Progress, server_port: u16) -> Visibility {
        match (self, progress) {
            (Self::Quic(hello), _) if hello.is_doq() => Visibility::Hidden(Unseen::Doq),
            // Not every client offers `doq`, but nothing else may use the port (RFC 9250, 4.1.1).
            (Self::Quic(_), Progress::Hello(_) | Progress::NoName) if server_port == PRIVATE_DNS => {
                Visibility::Hidden(Unseen::Doq)
            }
            (_, Progress::Hello(found)) if found.via.may_be_outer() => Visibility::Outer,
            (_, Progress::Hello(_)) => Visibility::Visible,
            (Self::Dtls(hello), _) if hello.srtp => Visibility::NotAsked,
            (_, Progress::NoName | Progress::Unreadable) => Visibility::Hidden(Unseen::NoName),
            (_, Progress::NeedMore | Progress::GivenUp) => Visibility::Hidden(Unseen::NoHello),
        }
    }
}

/// The `ClientHello` of DTLS, put together (RFC 6347, 4.2.3).
#[derive(Default)]
pub(super) struct DtlsHello {
    message: u16,
    whole: usize,
    pieces: Pieces,
    tries: u8,
    srtp: bool,
}

impl DtlsHello {
    fn feed(&mut self, datagram: &[u8]) -> Progress {
        for fragment in dtls::fragments(datagram) {
            // The hello with the server's cookie replaces the one before it.
            if (fragment.message, fragment.whole) != (self.message, self.whole) {
                (self.message, self.whole, self.pieces) =
                    (fragment.message, fragment.whole, Pieces::default());
            }
            self.pieces.insert(fragment.offset as u64, fragment.data);
            if self.whole > 0 && self.pieces.beginning().len() >= self.whole {
                let Step::Done(hello) = dtls::client_hello(self.pieces.beginning()) else {
                    return Progress::GivenUp;
                };
                self.srtp = hello.srtp && hello.server_name.is_none();
                return match hello.name() {
                    Some(name) => Progress::Hello(QuicName { name: Box::from(&*name), via: NameVia::Dtls }),
                    None if hello.server_name.is_some() => Progress::Unreadable,
                    None => Progress::NoName,
                };
            }
        }
        self.tries += 1;
        if self.tries >= MAX_TRIES { Progress::GivenUp } else { Progress::NeedMore }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::dtls::tests::datagrams;
    use crate::decode::gquic::tests::q046;

    const NAME: &str = "www.example.com";

    fn named(via: NameVia) -> Progress {
        Progress::Hello(QuicName { name: NAME.into(), via })
    }

    #[test]
    fn a_hello_of_dtls_is_put_together_from_its_fragments() {
        let mut pieces = datagrams(NAME, b"cookie", 1, 500);
        assert_eq!(pieces.len(), 3);
        let mut hello = Hello::begins(&pieces[0]).unwrap();
        pieces.rotate_left(1);
        assert_eq!(hello.feed(&pieces[0]), Progress::NeedMore);
        // A copy of the hello before the cookie came must not be mixed in.
        assert_eq!(hello.feed(&datagrams(NAME, b"", 0, 500)[0]), Progress::NeedMore);
        assert_eq!(hello.feed(&pieces[0]), Progress::NeedMore);
        assert_eq!(hello.feed(&pieces[1]), Progress::NeedMore);
        let last = hello.feed(&pieces[2]);
        assert_eq!(last, named(NameVia::Dtls));
        assert_eq!(hello.visibility(&last, 443), Visibility::Visible);
    }

    #[test]
    fn p52_google_quic_names_its_server() {
        let datagram = q046(NAME.as_bytes());
        let mut hello = Hello::begins(&datagram).unwrap();
        assert_eq!(hello.feed(b"else"), Progress::NeedMore);
        assert_eq!(hello.feed(&datagram), named(NameVia::Gquic));
    }

    #[test]
    fn p56_dns_over_quic_is_told_by_its_port_once_it_is_quic() {
        let hello = Hello::Quic(QuicHello::new());
        let doq = Visibility::Hidden(Unseen::Doq);
        assert_eq!(hello.visibility(&Progress::NoName, PRIVATE_DNS), doq);
        assert_eq!(hello.visibility(&named(NameVia::Quic), PRIVATE_DNS), doq);
        assert_eq!(hello.visibility(&Progress::GivenUp, PRIVATE_DNS), Visibility::Hidden(Unseen::NoHello));
        assert_eq!(hello.visibility(&named(NameVia::QuicEch), 443), Visibility::Outer);
    }
}
