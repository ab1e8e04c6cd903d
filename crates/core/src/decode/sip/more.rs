//! The headers that tell how a call came about: who diverted it, who moved it, why it ended, what it is a leg of.
//!
//! They stand in few messages. Those that hold one say so ([`Message::telling`]) and are gone through a second time.

use memchr::memchr;

use super::{Message, address, is_space, trim, trim_end};

/// Most of these headers read of one message. A call that was diverted five times over three networks has thirty.
const MAX_HEADERS: usize = 64;

/// A header that tells something of a call's course.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    /// RFC 3515; compact `r`.
    ReferTo,
    /// RFC 3892; compact `b`.
    ReferredBy,
    /// RFC 3891.
    Replaces,
    /// RFC 3911.
    Join,
    /// RFC 4538.
    TargetDialog,
    /// RFC 5806.
    Diversion,
    /// RFC 7044.
    HistoryInfo,
    /// RFC 7315, 4.2.
    PCalledPartyId,
    /// RFC 5502.
    PServedUser,
    /// RFC 3261, 20.7 and 20.28.
    Authorization,
    /// RFC 3323.
    Privacy,
    /// RFC 8224; compact `y`.
    Identity,
    /// RFC 7989.
    SessionId,
    /// RFC 7315, 4.6.
    ChargingVector,
    /// RFC 4028; compact `x`.
    SessionExpires,
    /// RFC 3326.
    Reason,
    /// The header that the site joins legs by.
    Custom,
}

impl Name {
    pub(super) fn of(name: &[u8], custom: Option<&[u8]>) -> Option<Self> {
        let is = |full: &[u8]| name.eq_ignore_ascii_case(full);
        let short = name.len() == 1;
        let found = match name.first()? | 0x20 {
            b'r' if short || is(b"Refer-To") => Self::ReferTo,
            b'b' if short => Self::ReferredBy,
            b'r' if is(b"Referred-By") => Self::ReferredBy,
            b'r' if is(b"Replaces") => Self::Replaces,
            b'r' if is(b"Reason") => Self::Reason,
            b'j' if is(b"Join") => Self::Join,
            b't' if is(b"Target-Dialog") => Self::TargetDialog,
            b'd' if is(b"Diversion") => Self::Diversion,
            b'h' if is(b"History-Info") => Self::HistoryInfo,
            b'p' if is(b"P-Called-Party-ID") => Self::PCalledPartyId,
            b'p' if is(b"P-Served-User") => Self::PServedUser,
            b'p' if is(b"P-Charging-Vector") => Self::ChargingVector,
            b'p' if is(b"Privacy") => Self::Privacy,
            b'p' if is(b"Proxy-Authorization") => Self::Authorization,
            b'a' if is(b"Authorization") => Self::Authorization,
            b'y' if short => Self::Identity,
            b'i' if is(b"Identity") => Self::Identity,
            b's' if is(b"Session-ID") => Self::SessionId,
            b'x' if short => Self::SessionExpires,
            b's' if is(b"Session-Expires") => Self::SessionExpires,
            _ if custom.is_some_and(is) => Self::Custom,
            _ => return None,
        };
        Some(found)
    }
}

impl<'a> Message<'a> {
    /// Gives each header of those in [`Name`], in order. `custom` is one that the site names.
    pub(crate) fn more(&self, custom: Option<&[u8]>, mut emit: impl FnMut(Name, &'a [u8])) {
        let lines = if custom.is_none() { self.telling_lines } else { self.lines() };
        let mut left = MAX_HEADERS;
        super::header_lines(lines, |line, _| {
            if left > 0
                && let Some(colon) = memchr(b':', line)
                && let Some(name) = Name::of(trim_end(line.get(..colon).unwrap_or_default()), custom)
            {
                emit(name, trim(line.get(colon + 1..).unwrap_or_default()));
                left -= 1;
            }
        });
    }

    /// All header lines.
    fn lines(&self) -> &'a [u8] {
        let message = super::skip_line_ends(self.octets);
        memchr(b'\n', message).and_then(|end| message.get(end + 1..)).unwrap_or_default()
    }
}

/// The value of a parameter of a header; empty when it isn't there. Parameters of a URI in brackets don't count.
pub(crate) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> &'a [u8] {
    address::parameter(address::behind(value), name)
}

/// The value before its parameters.
pub(crate) fn head(value: &[u8]) -> &[u8] {
    let end = memchr(b';', value).unwrap_or(value.len());
    trim(value.get(..end).unwrap_or_default())
}

/// The URI that one value names.
pub(crate) fn uri(value: &[u8]) -> &[u8] {
    address::addr_spec(value)
}

/// What the URI of a value says behind `?` under `name`, still escaped: Refer-To's Replaces (RFC 3891, 4), History-Info's
/// Reason (RFC 7044, 5).
pub(crate) fn embedded<'a>(value: &'a [u8], name: &[u8]) -> &'a [u8] {
    let inside = address::inside(value);
    let Some(query) = memchr(b'?', inside) else { return b"" };
    inside
        .get(query + 1..)
        .unwrap_or_default()
        .split(|b| *b == b'&')
        .find_map(|pair| {
            let at = memchr(b'=', pair)?;
            pair.get(..at)?.eq_ignore_ascii_case(name).then_some(pair.get(at + 1..)?)
        })
        .unwrap_or_default()
}

/// Each of several values joined by commas, whole.
pub(crate) fn values<'a>(value: &'a [u8], mut emit: impl FnMut(&'a [u8])) {
    let mut rest = value;
    while !rest.is_empty() {
        let (one, after) = rest.split_at(address::end_of_value(rest));
        let one = trim(one);
        if !one.is_empty() {
            emit(one);
        }
        rest = after.get(1..).unwrap_or_default();
    }
}

/// Undoes `%` escapes (RFC 3261, 25.1). Escapes that aren't are left as they are.
pub(crate) fn unescape(value: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%'
            && let Some(([high, low], behind)) = after.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            out.push(high << 4 | low);
            rest = behind;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

/// User name and realm of credentials (RFC 7616, 3.4).
pub(crate) fn credentials(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|b| is_space(*b))?;
    let mut found = (&b""[..], &b""[..]);
    values(value.get(space..)?, |one| {
        let Some(at) = memchr(b'=', one) else { return };
        let name = trim(one.get(..at).unwrap_or_default());
        let text = trim(one.get(at + 1..).unwrap_or_default());
        let text = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(text);
        if name.eq_ignore_ascii_case(b"username") {
            found.0 = text;
        } else if name.eq_ignore_ascii_case(b"realm") {
            found.1 = text;
        }
    });
    (!found.0.is_empty()).then_some(found)
}

/// The two halves of a Session-ID (RFC 7989, 5): the sender's and the other side's, 32 hex digits each. RFC 7329's has
/// the first alone.
pub(crate) fn session_id(value: &[u8]) -> Option<(u128, Option<u128>)> {
    let half = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok().filter(|t| t.len() == 32)?;
        u128::from_str_radix(text, 16).ok().filter(|n| *n != 0)
    };
    Some((half(head(value))?, half(address::parameter(value, b"remote"))))
}

/// Seconds of a Session-Expires (RFC 4028, 4).
pub(crate) fn seconds(value: &[u8]) -> Option<u32> {
    super::number(head(value))
}

/// Protocol and cause of one Reason (RFC 3326, 2).
pub(crate) fn reason(value: &[u8]) -> Option<(&[u8], u16)> {
    let cause = super::number(address::parameter(value, b"cause"))?;
    Some((head(value), u16::try_from(cause).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str) -> Vec<(Name, String)> {
        let message = Message::parse(raw.as_bytes()).expect("a message");
        let mut out = Vec::new();
        message.more(Some(b"X-Leg"), |name, value| {
            out.push((name, String::from_utf8_lossy(value).into_owned()));
        });
        out
    }

    #[test]
    fn p1_compact_names_beyond_the_core_ten() {
        let told = read(
            "REFER sip:b@h SIP/2.0\r\ni: 1\r\nCSeq: 1 REFER\r\nr: <sip:c@h>\r\nB : <sip:a@h>\r\nx: 1800\r\ny: e..s;info=<u>\r\n\
             m: <sip:a@1.2.3.4>\r\no: presence\r\nu: presence\r\na: *\r\nd: fork\r\nj: *\r\nn: <u>\r\nx-leg: 7\r\n\r\nr: body",
        );
        let names: Vec<Name> = told.iter().map(|t| t.0).collect();
        assert_eq!(
            names,
            [Name::ReferTo, Name::ReferredBy, Name::SessionExpires, Name::Identity, Name::Custom]
        );
    }

    #[test]
    fn messages_that_hold_one_say_so() {
        let says = |line: &str, header: &str| {
            let raw = format!(
                "{line}\r\nCall-ID: 1\r\n{header}\r\nMax-Forwards: 70\r\nAllow: INVITE\r\nSupported: timer\r\n\r\n"
            );
            let message = Message::parse(raw.as_bytes()).expect("a message");
            (message.telling, !message.contact.is_empty())
        };
        let request = "BYE sip:b@h SIP/2.0";
        for header in [
            "Reason: SIP;cause=200",
            "reason : a",
            "SESSION-ID: a",
            "Authorization: Digest a",
            "y: e",
            "Join: 1",
        ] {
            assert_eq!(says(request, header), (true, false), "{header}");
        }
        assert_eq!(
            [says(request, "User-Agent: a"), says(request, "Session-Expires: 90")],
            [(false, false); 2]
        );
        assert_eq!(says("SIP/2.0 200 OK", "x: 90"), (true, false));
        assert_eq!(
            [says(request, "m: <sip:a@h>"), says(request, "M: <sip:a@h>"), says(request, "CONTACT: a")],
            [(false, true); 3]
        );
    }

    #[test]
    fn p2_folded_joined_and_escaped_values() {
        let told = read(
            "INVITE sip:b@h SIP/2.0\nCall-ID: 1\nhistory-INFO : \"a,b;<c>\" <sip:x@h?Reason=SIP%3Bcause%3D302>;index=1,\n \
             <sip:y@h>;index=1.1\n\n",
        );
        let mut each = Vec::new();
        values(told[0].1.as_bytes(), |v| {
            each.push((uri(v), parameter(v, b"index"), unescape(embedded(v, b"reason"))));
        });
        assert_eq!(
            each,
            [
                (&b"sip:x@h"[..], &b"1"[..], b"SIP;cause=302".to_vec()),
                (&b"sip:y@h"[..], &b"1.1"[..], Vec::new())
            ]
        );
    }

    #[test]
    fn reads_the_small_ones() {
        let half = "ab30317f1a784dc48ff824d0d3715d86";
        let other = "47755a9de7794ba387653f2099600ef2";
        let read = session_id(format!("{half};remote={other}").as_bytes());
        assert_eq!(
            read,
            Some((
                0xab30_317f_1a78_4dc4_8ff8_24d0_d371_5d86,
                Some(0x4775_5a9d_e779_4ba3_8765_3f20_9960_0ef2)
            ))
        );
        let null = format!("{half};remote={}", "0".repeat(32));
        assert_eq!(session_id(null.as_bytes()).map(|s| s.1), Some(None), "the null UUID names nobody (5)");
        assert_eq!(session_id(b"xyz"), None);
        assert_eq!(seconds(b"4000;refresher=uac"), Some(4000));
        assert_eq!(reason(b"Q.850 ;cause=16 ;text=\"Terminated; cause=3\""), Some((&b"Q.850"[..], 16)));
        let digest = b"Digest realm=\"h.example\", uri=\"sip:x\" , username=\"alice\"";
        assert_eq!(credentials(digest), Some((&b"alice"[..], &b"h.example"[..])));
        assert_eq!(credentials(b"Basic"), None);
    }

    proptest! {
        #[test]
        fn any_octets(octets: Vec<u8>) {
            let raw = [&b"INVITE sip:b@h SIP/2.0\r\ni: 1\r\nr: "[..], &octets].concat();
            if let Some(message) = Message::parse(&raw) {
                message.more(None, |_, _| ());
            }
            values(&octets, |v| { let _ = (uri(v), parameter(v, b"a"), head(v)); });
            let _ = (embedded(&octets, b"a"), unescape(&octets), credentials(&octets));
            let _ = (session_id(&octets), seconds(&octets), reason(&octets));
        }

        /// The lines before the first telling one hold nothing that is read here.
        #[test]
        fn begins_where_the_first_of_them_stands(
            lines in prop::collection::vec(
                ("(?i:r|b|y|x|i|m|d|t|via|to|contact|min-se|allow|join|reason|replaces|refer-to|identity|diversion|\
                  history-info|session-id|session-expires|authorization|privacy|p-served-user) ?", "[ -~]{0,9}"),
                0..12,
            ),
            response: bool,
        ) {
            let start = if response { "SIP/2.0 200 OK" } else { "BYE sip:b@h SIP/2.0" };
            let lines = lines.iter().fold(String::new(), |all, (name, value)| all + &format!("\r\n{name}: {value}"));
            let raw = format!("{start}\r\nCall-ID: 1{lines}\r\n\r\n");
            let message = Message::parse(raw.as_bytes()).expect("a message");
            let read = |custom| {
                let mut found = Vec::new();
                message.more(custom, |name, value| found.push((name, value)));
                found
            };
            prop_assert_eq!(read(None), read(Some(b"X-Nowhere")));
        }

        #[test]
        fn unescape_round_trips(octets: Vec<u8>) {
            let escaped = octets.iter().fold(String::new(), |out, b| out + &format!("%{b:02x}"));
            prop_assert_eq!(unescape(escaped.as_bytes()), octets);
        }
    }
}
