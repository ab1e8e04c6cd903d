//! Session descriptions (RFC 8866), as far as they tell where media goes and how it is encoded.

use std::net::IpAddr;

use memchr::{memchr, memchr_iter};
use smallvec::SmallVec;

use super::sip::{self, trim};
use crate::packet::Endpoint;

/// Most media descriptions read. Offers with audio, video, text, image and message have five; RFC 9143 bundles of
/// conferences have tens, most of them on one port.
pub(crate) const MAX_MEDIA: usize = 32;

/// Most formats read of one media description. There are 128 payload types, and nobody offers them all.
pub(crate) const MAX_FORMATS: usize = 64;

/// Most ICE candidates read of one media description (RFC 8839).
pub(crate) const MAX_CANDIDATES: usize = 16;

/// Most `a=crypto` lines read of one media description. There are nine suites.
pub(crate) const MAX_CRYPTO: usize = 9;

/// What a side is ready to do (RFC 3264, 5.1). Hold is `sendonly` or `inactive` (8.4).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// Encoding of a payload type, from `a=rtpmap`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RtpMap<'a> {
    pub(crate) payload_type: u8,
    pub(crate) encoding: &'a [u8],
    /// RTP clock, Hz.
    pub(crate) clock: u32,
    pub(crate) channels: u8,
}

/// One media description: an `m=` line and what follows it.
#[derive(Clone, Default, Debug)]
#[expect(clippy::struct_field_names, reason = "`media` is what RFC 8866 calls the first field of `m=`")]
pub(crate) struct Media<'a> {
    /// `audio`, `video`, `image`, `text`, `application`, `message`.
    pub(crate) media: &'a [u8],
    /// 0 when the stream is refused or bundled.
    pub(crate) port: u16,
    /// `RTP/AVP`, `RTP/SAVPF`, `UDP/TLS/RTP/SAVPF`, `udptl`, …
    pub(crate) proto: &'a [u8],
    /// Payload types, in order of preference. Formats that are no number aren't kept.
    pub(crate) formats: SmallVec<[u8; 8]>,
    pub(crate) rtpmap: SmallVec<[RtpMap<'a>; 4]>,
    pub(crate) direction: Direction,
    /// Of this description, else of the session. `None` when neither gives an IP address.
    pub(crate) connection: Option<IpAddr>,
    /// `a=rtcp` (RFC 3605): port and, seldom, address.
    pub(crate) rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=rtcp-mux` (RFC 5761).
    pub(crate) rtcp_mux: bool,
    /// Addresses of ICE candidates over UDP with the component they are for: 1 RTP, 2 RTCP.
    pub(crate) candidates: SmallVec<[(u8, Endpoint); 1]>,
    /// `a=fmtp`: payload type and parameters.
    pub(crate) fmtp: SmallVec<[(u8, &'a [u8]); 2]>,
    /// `a=crypto` (RFC 4568), as written.
    pub(crate) crypto: SmallVec<[&'a [u8]; 1]>,
    /// `a=fingerprint` here or for the session: keys come by DTLS (RFC 5763).
    pub(crate) fingerprint: bool,
}

impl Media<'_> {
    /// Whether it is fax over UDPTL (T.38, annex D).
    pub(crate) fn is_fax(&self) -> bool {
        self.media.eq_ignore_ascii_case(b"image") && self.proto.eq_ignore_ascii_case(b"udptl")
    }

    /// Whether its profile is one of SRTP: `RTP/SAVP`, `RTP/SAVPF`, `UDP/TLS/RTP/SAVP`, `UDP/TLS/RTP/SAVPF`.
    pub(crate) fn is_secure(&self) -> bool {
        memchr::memmem::find(self.proto, b"RTP/SAVP").is_some()
    }

    /// Whether it is carried by RTP or SRTP over UDP.
    pub(crate) fn is_rtp(&self) -> bool {
        memchr::memmem::find(self.proto, b"RTP/").is_some() && !self.proto.starts_with(b"TCP/")
    }
}

/// A session description, borrowed.
#[derive(Clone, Default, Debug)]
pub(crate) struct Session<'a> {
    /// `sess-version` of `o=`: the same number as before means that nothing has changed (RFC 3264, 8).
    pub(crate) version: &'a [u8],
    /// `o=` without its version: the same session, whoever passes it on.
    pub(crate) origin: (&'a [u8], &'a [u8]),
    /// Its address, as written.
    pub(crate) origin_address: &'a [u8],
    pub(crate) media: SmallVec<[Media<'a>; 2]>,
    /// Descriptions, formats or candidates were left out: more than the limits above.
    pub(crate) dropped: bool,
}

impl<'a> Session<'a> {
    /// Reads a description. Unknown and damaged lines are stepped over: what can be read is what the endpoints read.
    /// `None` when it doesn't begin like one.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        if !octets.trim_ascii_start().starts_with(b"v=") {
            return None;
        }
        let mut session = Self::default();
        let (mut connection, mut direction, mut fingerprint) = (None, Direction::SendRecv, false);
        let mut start = 0;
        for end in memchr_iter(b'\n', octets).chain([octets.len()]) {
            let line = trim(octets.get(start..end).unwrap_or_default());
            start = end + 1;
            let [kind, b'=', value @ ..] = line else { continue };
            if *kind == b'm' {
                if session.media.len() == MAX_MEDIA {
                    // What follows would be taken for the last one's.
                    session.dropped = true;
                    break;
                }
                let mut media = Media { direction, connection, fingerprint, ..Media::default() };
                session.dropped |= media_line(value, &mut media);
                session.media.push(media);
                continue;
            }
            match (kind, session.media.last_mut()) {
                (b'c', Some(media)) => media.connection = address_of(value).or(media.connection),
                (b'c', None) => connection = address_of(value),
                (b'o', None) => {
                    let mut fields = value.split(|b| *b == b' ');
                    let (user, id, version) = (fields.next(), fields.next(), fields.next());
                    session.origin = (user.unwrap_or_default(), id.unwrap_or_default());
                    session.version = version.unwrap_or_default();
                    // Net type and address type stand before it (RFC 8866, 5.2).
                    session.origin_address = fields.nth(2).unwrap_or_default();
                }
                (b'a', Some(media)) => session.dropped |= attribute(value, media),
                (b'a', None) if value.starts_with(b"fingerprint:") => fingerprint = true,
                (b'a', None) => direction = direction_of(value).unwrap_or(direction),
                _ => {}
            }
        }
        Some(session)
    }
}

/// `m=audio 49170/2 RTP/AVP 0 8 97`. Says whether formats were left out.
fn media_line<'a>(value: &'a [u8], media: &mut Media<'a>) -> bool {
    let mut fields = value.split(|b| *b == b' ').filter(|f| !f.is_empty());
    media.media = fields.next().unwrap_or_default();
    let port = fields.next().unwrap_or_default().split(|b| *b == b'/').next().unwrap_or_default();
    media.port = number(port).unwrap_or(0);
    media.proto = fields.next().unwrap_or_default();
    for payload_type in fields.filter_map(number::<u8>).filter(|pt| *pt < 128) {
        if media.formats.len() == MAX_FORMATS {
            return true;
        }
        media.formats.push(payload_type);
    }
    false
}

/// An `a=` line of a media description. Says whether something was left out.
fn attribute<'a>(value: &'a [u8], media: &mut Media<'a>) -> bool {
    match value {
        [b'r', b't', b'p', b'm', b'a', b'p', b':', rest @ ..] => {
            if media.rtpmap.len() == MAX_FORMATS {
                return true;
            }
            media.rtpmap.extend(rtpmap(trim(rest)));
        }
        b"rtcp-mux" => media.rtcp_mux = true,
        [b'f', b'm', b't', b'p', b':', rest @ ..] => {
            if media.fmtp.len() == MAX_FORMATS {
                return true;
            }
            media.fmtp.extend(fmtp(trim(rest)));
        }
        [b'c', b'r', b'y', b'p', b't', b'o', b':', rest @ ..] => {
            if media.crypto.len() == MAX_CRYPTO {
                return true;
            }
            media.crypto.push(trim(rest));
        }
        [b'f', b'i', b'n', b'g', b'e', b'r', b'p', b'r', b'i', b'n', b't', b':', ..] => {
            media.fingerprint = true;
        }
        [b'r', b't', b'c', b'p', b':', rest @ ..] => {
            let mut fields = trim(rest).splitn(2, |b| *b == b' ');
            if let Some(port) = fields.next().and_then(number) {
                media.rtcp = Some((port, fields.next().and_then(address_of)));
            }
        }
        [b'c', b'a', b'n', b'd', b'i', b'd', b'a', b't', b'e', b':', rest @ ..] => {
            if media.candidates.len() == MAX_CANDIDATES {
                return true;
            }
            media.candidates.extend(candidate(trim(rest)));
        }
        _ => media.direction = direction_of(value).unwrap_or(media.direction),
    }
    false
}

fn direction_of(attribute: &[u8]) -> Option<Direction> {
    Some(match attribute {
        b"sendrecv" => Direction::SendRecv,
        b"sendonly" => Direction::SendOnly,
        b"recvonly" => Direction::RecvOnly,
        b"inactive" => Direction::Inactive,
        _ => return None,
    })
}

/// `97 AMR-WB/16000/1`.
fn rtpmap(value: &[u8]) -> Option<RtpMap<'_>> {
    // These fields have a few octets each: too few for a vector search to pay.
    let (payload_type, rest) = value.split_at(value.iter().position(|b| *b == b' ')?);
    let mut fields = trim(rest).split(|b| *b == b'/');
    let (encoding, clock) = (fields.next()?, fields.next().and_then(number));
    let channels = fields.next().and_then(number).unwrap_or(1);
    Some(RtpMap {
        payload_type: number(payload_type).filter(|pt| *pt < 128)?,
        encoding,
        clock: clock.unwrap_or(8000),
        channels,
    })
}

/// `97 octet-align=1; mode-set=0,2`.
fn fmtp(value: &[u8]) -> Option<(u8, &[u8])> {
    let (payload_type, rest) = value.split_at(value.iter().position(|b| *b == b' ')?);
    Some((number(payload_type).filter(|pt| *pt < 128)?, trim(rest)))
}

/// `IN IP4 192.0.2.1/127`.
fn address_of(value: &[u8]) -> Option<IpAddr> {
    let mut fields = value.split(|b| *b == b' ').filter(|f| !f.is_empty());
    let (net, _, address) = (fields.next()?, fields.next()?, fields.next()?);
    if !net.eq_ignore_ascii_case(b"IN") {
        return None;
    }
    parse_ip(address.get(..memchr(b'/', address).unwrap_or(address.len()))?)
}

/// `1 1 UDP 2130706431 192.0.2.1 5000 typ host` (RFC 8839, 5.1).
fn candidate(value: &[u8]) -> Option<(u8, Endpoint)> {
    let mut fields = value.split(|b| *b == b' ').filter(|f| !f.is_empty()).skip(1);
    let (component, transport, _) = (fields.next()?, fields.next()?, fields.next()?);
    let (address, port) = (fields.next()?, fields.next()?);
    transport.eq_ignore_ascii_case(b"udp").then_some(())?;
    Some((number(component)?, Endpoint { ip: parse_ip(address)?, port: number(port)? }))
}

/// One address has one spelling: mapped IPv4 becomes IPv4, as [`Endpoint`] asks.
fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// A decimal number that fits, white space around it or not.
fn number<T: TryFrom<u32>>(text: &[u8]) -> Option<T> {
    sip::number(trim(text)).and_then(|n| n.try_into().ok())
}

/// Payload types that have a meaning without `a=rtpmap` (RFC 3551, tables 4 and 5): encoding and RTP clock.
/// G.722 has a clock of 8000 although it samples at 16 000, by an error that was kept (4.5.2).
pub(crate) const fn static_payload_type(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        5 => ("DVI4", 8000),
        6 => ("DVI4", 16000),
        7 => ("LPC", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44100),
        12 => ("QCELP", 8000),
        13 => ("CN", 8000),
        14 => ("MPA", 90000),
        15 => ("G728", 8000),
        16 => ("DVI4", 11025),
        17 => ("DVI4", 22050),
        18 => ("G729", 8000),
        25 => ("CELB", 90000),
        26 => ("JPEG", 90000),
        28 => ("NV", 90000),
        31 => ("H261", 90000),
        32 => ("MPV", 90000),
        33 => ("MP2T", 90000),
        34 => ("H263", 90000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFER: &[u8] = b"v=0\r\no=- 17 3 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r\n\
        m=audio 49170/2 RTP/AVP 0 97 101\r\na=rtpmap:97 AMR-WB/16000/1\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=rtcp:53020 IN IP4 198.51.100.7\r\na=candidate:1 2 UDP 99 203.0.113.1 777 typ host\r\n\
        a=candidate:1 1 TCP 99 203.0.113.1 9 typ host\r\n\
        m=video 0 RTP/AVP 31\r\n\
        m=text 5000 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP6 2001:db8::1/3\r\na=inactive\r\na=rtcp-mux\r\na=rtcp:5001\r\n\
        m=image 6000 udptl t38\nc=IN IP4 0.0.0.0\n";

    #[test]
    fn reads_each_media_description() {
        let session = Session::parse(OFFER).expect("a description");
        assert_eq!((session.origin, session.version), ((&b"-"[..], &b"17"[..]), &b"3"[..]));
        let [audio, video, rtt, fax] = &session.media[..] else { panic!("four descriptions") };
        assert_eq!(
            (audio.media, audio.port, audio.formats.as_slice()),
            (&b"audio"[..], 49170, &[0, 97, 101][..])
        );
        assert_eq!(audio.direction, Direction::SendOnly, "from the session");
        assert_eq!(audio.connection, Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(audio.rtcp, Some((53020, Some(IpAddr::from([198, 51, 100, 7])))));
        assert_eq!(
            audio.rtpmap[0],
            RtpMap { payload_type: 97, encoding: b"AMR-WB", clock: 16000, channels: 1 }
        );
        let candidate = Endpoint { ip: IpAddr::from([203, 0, 113, 1]), port: 777 };
        assert_eq!(audio.candidates.as_slice(), [(2, candidate)], "UDP only");
        assert_eq!((video.port, video.direction), (0, Direction::SendOnly));
        assert_eq!(rtt.connection, "2001:db8::1".parse().ok());
        assert!(rtt.rtcp_mux && rtt.is_rtp() && rtt.rtcp == Some((5001, None)));
        assert_eq!(rtt.direction, Direction::Inactive);
        assert!(fax.is_fax() && !fax.is_rtp() && fax.formats.is_empty());
        assert_eq!(fax.connection, Some(IpAddr::from([0, 0, 0, 0])), "hold as RFC 2543 had it");
    }

    #[test]
    fn one_address_has_one_spelling() {
        let mapped =
            Session::parse(b"v=0\nc=IN IP6 ::ffff:192.0.2.1\nm=audio 1 RTP/AVP 0").expect("a description");
        assert_eq!(mapped.media[0].connection, Some(IpAddr::from([192, 0, 2, 1])));
    }

    #[test]
    fn limits_bite_and_say_so() {
        let mut many = b"v=0\nc=IN IP4 192.0.2.1\n".to_vec();
        for port in 1..100 {
            many.extend(format!("m=audio {port} RTP/AVP 0\n").bytes());
        }
        many.extend(b"a=inactive\n");
        let session = Session::parse(&many).expect("a description");
        assert_eq!((session.media.len(), session.dropped), (MAX_MEDIA, true));
        assert_eq!(session.media.last().map(|m| m.direction), Some(Direction::SendRecv));
        assert!(Session::parse(b"hello").is_none());
    }

    proptest! {
        #[test]
        fn any_octets(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Session::parse(&octets);
            let _ = Session::parse(&[b"v=0\n", &octets[..]].concat());
        }

        #[test]
        fn damaged_offers(at in 0..OFFER.len(), octets in "[ -~\n]{0,8}", cut in 0..OFFER.len()) {
            let mut damaged = OFFER.to_vec();
            damaged.splice(at..at, octets.bytes());
            let _ = Session::parse(&damaged);
            let _ = Session::parse(&damaged[..cut]);
        }

        #[test]
        fn round_trip(ip: [u8; 16], port in 1_u16.., pt in 0_u8..128) {
            let ip = IpAddr::from(ip).to_canonical();
            let version = if ip.is_ipv4() { 4 } else { 6 };
            let text = format!("v=0\r\nm=audio {port} RTP/AVP {pt}\r\nc=IN IP{version} {ip}\r\n");
            let session = Session::parse(text.as_bytes()).expect("a description");
            prop_assert_eq!((session.media[0].port, session.media[0].connection), (port, Some(ip)));
            prop_assert_eq!(session.media[0].formats.as_slice(), [pt]);
        }
    }
}
