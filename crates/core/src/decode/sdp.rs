//! Session descriptions (RFC 8866), as far as they tell where media goes and how it is encoded.

use std::net::{IpAddr, Ipv4Addr};

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
        contains(self.proto, b"RTP/SAVP")
    }

    /// Whether it is carried by RTP or SRTP over UDP.
    pub(crate) fn is_rtp(&self) -> bool {
        contains(self.proto, b"RTP/") && !self.proto.starts_with(b"TCP/")
    }
}

/// Whether a part of a profile's name stands in it. No name is long enough for a prepared search to pay.
fn contains<const N: usize>(name: &[u8], part: &[u8; N]) -> bool {
    name.windows(N).any(|window| window == part)
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
    /// One in most calls, so that the second may cost an allocation.
    pub(crate) media: SmallVec<[Media<'a>; 1]>,
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
        for line in Lines(octets) {
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
                (b'o', None) => session.origin_line(value),
                (b'a', Some(media)) => session.dropped |= attribute(value, media),
                (b'a', None) if value.starts_with(b"fingerprint:") => fingerprint = true,
                (b'a', None) => direction = direction_of(value).unwrap_or(direction),
                _ => {}
            }
        }
        Some(session)
    }

    /// `o=- 17 3 IN IP4 192.0.2.1`.
    fn origin_line(&mut self, value: &'a [u8]) {
        let mut rest = value;
        self.origin = (until(&mut rest, b' '), until(&mut rest, b' '));
        self.version = until(&mut rest, b' ');
        let _net_and_address_type = (until(&mut rest, b' '), until(&mut rest, b' '));
        self.origin_address = until(&mut rest, b' ');
    }
}

/// The lines of a description, each without white space at its ends.
pub(super) struct Lines<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (line, rest) = self.0.split_at(line_end(self.0));
        self.0 = rest.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(match line {
            // No white space is above the blank.
            [first, .., last] if *first > b' ' && *last > b' ' => line,
            _ => trim(line),
        })
    }
}

/// Where the line ends: at a line feed, else at the end. Lines of a description have some twenty octets; eight at a time
/// are through with one before a vector search has begun.
#[inline]
fn line_end(octets: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = octets.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        // An octet is zero where there is a line feed; the lowest bit left is that of the first such octet.
        let differs = u64::from_le_bytes(*word) ^ (EACH * u64::from(b'\n'));
        let found = differs.wrapping_sub(EACH) & !differs & (EACH << 7);
        if found != 0 {
            return n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    octets.len() - rest.len() + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
}

/// Takes what stands before the next `mark`, and the mark with it; everything when there is none.
#[inline]
fn until<'a>(rest: &mut &'a [u8], mark: u8) -> &'a [u8] {
    // Fields have a few octets each: too few for a vector search to pay.
    let (field, after) = rest.split_at(rest.iter().position(|b| *b == mark).unwrap_or(rest.len()));
    *rest = after.get(1..).unwrap_or_default();
    field
}

/// Takes the next word; any number of blanks may stand before it.
#[inline]
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    while let [b' ', after @ ..] = *rest {
        *rest = after;
    }
    (!rest.is_empty()).then(|| until(rest, b' '))
}

/// `m=audio 49170/2 RTP/AVP 0 8 97`. Says whether formats were left out.
fn media_line<'a>(value: &'a [u8], media: &mut Media<'a>) -> bool {
    let mut rest = value;
    media.media = word(&mut rest).unwrap_or_default();
    let mut port = word(&mut rest).unwrap_or_default();
    media.port = number(port).or_else(|| number(until(&mut port, b'/'))).unwrap_or(0);
    media.proto = word(&mut rest).unwrap_or_default();
    while let Some(format) = word(&mut rest) {
        let Some(payload_type) = payload_type(format) else { continue };
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
            if let Some(map) = rtpmap(trim(rest)) {
                media.rtpmap.push(map);
            }
        }
        b"rtcp-mux" => media.rtcp_mux = true,
        [b'f', b'm', b't', b'p', b':', rest @ ..] => {
            if media.fmtp.len() == MAX_FORMATS {
                return true;
            }
            if let Some(parameters) = fmtp(trim(rest)) {
                media.fmtp.push(parameters);
            }
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
    let (payload_type, mut rest) = of_payload_type(value)?;
    let encoding = until(&mut rest, b'/');
    let clock = number(until(&mut rest, b'/')).unwrap_or(8000);
    // Hardly anybody writes the one channel that most have.
    let channels = if rest.is_empty() { None } else { number(until(&mut rest, b'/')) };
    Some(RtpMap { payload_type, encoding, clock, channels: channels.unwrap_or(1) })
}

/// `97 octet-align=1; mode-set=0,2`.
fn fmtp(value: &[u8]) -> Option<(u8, &[u8])> {
    of_payload_type(value)
}

/// A payload type and what is said of it, behind a blank.
#[inline]
fn of_payload_type(value: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = value.split_at(value.iter().position(|b| *b == b' ')?);
    Some((payload_type(digits)?, trim(rest)))
}

/// Payload types have seven bits.
#[inline]
fn payload_type(text: &[u8]) -> Option<u8> {
    number(text).filter(|pt| *pt < 128)
}

/// `IN IP4 192.0.2.1/127`.
fn address_of(value: &[u8]) -> Option<IpAddr> {
    // As everybody writes it.
    if let Some(text) = value.strip_prefix(b"IN IP4 ")
        && let Some((ip, [] | [b' ' | b'/', ..])) = dotted(text)
    {
        return Some(IpAddr::V4(ip));
    }
    let mut rest = value;
    let (net, _, mut address) = (word(&mut rest)?, word(&mut rest)?, word(&mut rest)?);
    if !net.eq_ignore_ascii_case(b"IN") {
        return None;
    }
    parse_ip(until(&mut address, b'/'))
}

/// `1 1 UDP 2130706431 192.0.2.1 5000 typ host` (RFC 8839, 5.1).
fn candidate(value: &[u8]) -> Option<(u8, Endpoint)> {
    let mut rest = value;
    let mut next = || word(&mut rest);
    let (_foundation, component, transport, _priority) = (next()?, next()?, next()?, next()?);
    let (address, port) = (next()?, next()?);
    transport.eq_ignore_ascii_case(b"udp").then_some(())?;
    Some((number(component)?, Endpoint { ip: parse_ip(address)?, port: number(port)? }))
}

/// One address has one spelling: mapped IPv4 becomes IPv4, as [`Endpoint`] asks.
fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    if let Some((ip, [])) = dotted(text) {
        return Some(IpAddr::V4(ip));
    }
    std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The IPv4 address that a text begins with, and what follows it. It is strict, as the standard library is.
#[inline]
fn dotted(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (a, rest) = dotted_octet(text)?;
    let (b, rest) = dotted_octet(rest.strip_prefix(b".")?)?;
    let (c, rest) = dotted_octet(rest.strip_prefix(b".")?)?;
    let (d, rest) = dotted_octet(rest.strip_prefix(b".")?)?;
    Some((Ipv4Addr::new(a, b, c, d), rest))
}

/// One to three digits, at most 255. None follows a leading zero: who reads such numbers as octal means another address.
#[inline]
fn dotted_octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let [first @ b'0'..=b'9', rest @ ..] = text else { return None };
    let mut value = u16::from(first - b'0');
    let mut rest = rest;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        value = value * 10 + u16::from(digit - b'0');
        if *first == b'0' || value > 255 {
            return None;
        }
        rest = after;
    }
    Some((value as u8, rest))
}

/// A decimal number that fits, white space around it or not.
#[inline]
fn number<T: TryFrom<u32>>(text: &[u8]) -> Option<T> {
    short_number(text).or_else(|| sip::number(trim(text))).and_then(|n| n.try_into().ok())
}

/// A number of digits alone that are too few not to fit.
#[inline]
fn short_number(digits: &[u8]) -> Option<u32> {
    if !(1..10).contains(&digits.len()) {
        return None;
    }
    let mut number = 0;
    for octet in digits {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u32::from(digit);
    }
    Some(number)
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

    /// Addresses, and what only looks like one.
    const DOTTED: &str =
        "[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9./ :]{0,17}|(25[0-9]|0?[0-9]){0,2}(\\.[0-3]{0,4}){2,4}";

    proptest! {
        #[test]
        fn addresses_are_read_as_the_standard_library_does(text in DOTTED) {
            prop_assert_eq!(parse_ip(text.as_bytes()), text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()));
        }

        #[test]
        fn the_common_connection_is_read_like_any_other(text in DOTTED, tail in "[ /]?[0-9a]{0,2}") {
            // Two blanks lead past the quick way.
            let (quick, slow) = (format!("IN IP4 {text}{tail}"), format!("IN  IP4 {text}{tail}"));
            prop_assert_eq!(address_of(quick.as_bytes()), address_of(slow.as_bytes()));
        }

        #[test]
        fn numbers_are_read_like_any_others(text in "[ \t]?[0-9]{0,11}[ a]?|[0-9]{1,5}") {
            prop_assert_eq!(number::<u32>(text.as_bytes()), sip::number(trim(text.as_bytes())));
        }

        #[test]
        fn lines_are_those_between_line_feeds(text in "[a\r\n \u{8a}\t]{0,40}") {
            let wanted = text.as_bytes().split(|b| *b == b'\n').map(trim).filter(|line| !line.is_empty());
            let found = Lines(text.as_bytes()).filter(|line| !line.is_empty());
            prop_assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        }

        #[test]
        fn words_are_those_between_blanks(text in "[ab ]{0,20}") {
            let mut rest = text.as_bytes();
            let found: Vec<_> = std::iter::from_fn(|| word(&mut rest)).collect();
            let wanted = text.as_bytes().split(|b| *b == b' ').filter(|word| !word.is_empty());
            prop_assert_eq!(found, wanted.collect::<Vec<_>>());
        }

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
