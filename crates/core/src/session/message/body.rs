//! What a SIP MESSAGE holds.

use encoding_rs::Encoding;

use crate::decode::mime;
use crate::decode::sip::{self, is_type};
use crate::product::Role;

/// Parties of one kind that a CPIM wrapper may name (RFC 3862, 4.2: To may stand several times).
const MAX_CPIM_PARTIES: usize = 16;

/// The content of a MESSAGE request.
pub(super) enum Content {
    /// Text, of one part or of several joined by line ends.
    Text(String),
    /// `application/vnd.3gpp.sms`: a relay layer message (TS 24.341, 5.3).
    ShortMessage(Vec<u8>),
    /// Nothing but notices of a messaging client: "is composing" (RFC 3994), delivery notification (RFC 5438).
    Notification,
    /// Something else: a picture, location, cipher text, compressed text.
    Unreadable,
}

/// What one body part is.
enum Part {
    Text(String),
    Notification,
    Unreadable,
}

/// Reads the body of `message`.
///
/// `parties` takes those that a CPIM wrapper names: behind a conference or a gateway they are the people who write.
pub(super) fn read(message: &sip::Message<'_>, parties: &mut Vec<(Role, String)>) -> Content {
    let mut text: Option<String> = message.body.is_empty().then(String::new);
    let mut short = None;
    let mut notices = 0_usize;
    let mut others = 0_usize;
    let is_whole = message.bodies(|content_type, body| {
        if is_type(content_type, b"application/vnd.3gpp.sms") {
            short.get_or_insert_with(|| body.to_vec());
            return;
        }
        let part = if is_type(content_type, b"message/cpim") {
            cpim(body, parties)
        } else {
            part(content_type, body)
        };
        match part {
            Part::Text(part) => match &mut text {
                // A word may stand in any part: all are looked at.
                Some(text) => {
                    text.push('\n');
                    text.push_str(&part);
                }
                None => text = Some(part),
            },
            Part::Notification => notices += 1,
            Part::Unreadable => others += 1,
        }
    });
    others += usize::from(!is_whole);
    match (short, text) {
        (Some(octets), _) => Content::ShortMessage(octets),
        (None, Some(text)) => Content::Text(text),
        (None, None) if notices > 0 && others == 0 => Content::Notification,
        (None, None) => Content::Unreadable,
    }
}

fn part(content_type: &[u8], body: &[u8]) -> Part {
    if is_type(content_type, b"application/im-iscomposing+xml") || is_type(content_type, b"message/imdn+xml")
    {
        return Part::Notification;
    }
    // A body without a type is what RFC 3428, 5 says of all: text/plain in practice.
    let is_text =
        content_type.is_empty() || content_type.get(..5).is_some_and(|t| t.eq_ignore_ascii_case(b"text/"));
    if is_text { Part::Text(decode(content_type, body)) } else { Part::Unreadable }
}

/// RFC 3862, 3: message headers, an empty line, MIME headers, an empty line, the content.
fn cpim(body: &[u8], parties: &mut Vec<(Role, String)>) -> Part {
    let (head, rest) = split_headers(body);
    for (role, name) in [(Role::Originator, &b"From"[..]), (Role::Recipient, b"To")] {
        let uris = headers(head, name).take(MAX_CPIM_PARTIES).map(|value| sip::text(uri(value)).into_owned());
        parties.extend(uris.filter(|uri| !uri.is_empty()).map(|uri| (role, uri)));
    }
    let (mime, content) = split_headers(rest);
    let Some(content_type) = headers(mime, b"Content-Type").next() else {
        // The MIME headers are missing: all that follows the message headers is content.
        return part(b"", rest);
    };
    let encoding = headers(mime, b"Content-Transfer-Encoding").next().unwrap_or_default();
    part(content_type, &mime::transfer(encoding, content))
}

/// Values of the headers called `name`.
fn headers<'a>(head: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    head.split(|b| *b == b'\n').filter_map(move |line| {
        let (found, value) = line.split_at(memchr::memchr(b':', line)?);
        found.trim_ascii().eq_ignore_ascii_case(name).then(|| value[1..].trim_ascii())
    })
}

/// RFC 3862, 4.1: an optional name, then the URI in angle brackets.
fn uri(value: &[u8]) -> &[u8] {
    let Some(start) = memchr::memrchr(b'<', value) else { return value };
    let inner = &value[start + 1..];
    inner.get(..memchr::memchr(b'>', inner).unwrap_or(inner.len())).unwrap_or_default().trim_ascii()
}

/// Splits at the first empty line.
fn split_headers(octets: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(end) = octets.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let line = &octets[at..at + end];
        at += end + 1;
        if line.is_empty() || line == b"\r" {
            return (&octets[..at], &octets[at..]);
        }
    }
    (octets, &[])
}

/// Text in the stated charset; UTF-8 when none is stated (RFC 3428, 5 with RFC 3261, 20.15), Latin-1 when it isn't that.
fn decode(content_type: &[u8], body: &[u8]) -> String {
    let charset = content_type.split(|b| *b == b';').skip(1).find_map(|parameter| {
        let equals = memchr::memchr(b'=', parameter)?;
        let (name, value) = parameter.split_at(equals);
        let value = value[1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        name.trim_ascii().eq_ignore_ascii_case(b"charset").then_some(value)
    });
    match charset.and_then(Encoding::for_label) {
        Some(encoding) => encoding.decode(body).0.into_owned(),
        None => sip::text(body).into_owned(),
    }
}
