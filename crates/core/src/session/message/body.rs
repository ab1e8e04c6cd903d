//! What a SIP MESSAGE holds.

use encoding_rs::Encoding;

use crate::decode::sip::{self, is_type};

/// The content of a MESSAGE request.
pub(super) enum Content<'a> {
    /// Text, of one part or of several joined by line ends.
    Text(String),
    /// `application/vnd.3gpp.sms`: a relay layer message (TS 24.341, 5.3).
    ShortMessage(&'a [u8]),
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
pub(super) fn read<'a>(message: &sip::Message<'a>) -> Content<'a> {
    let mut text: Option<String> = message.body.is_empty().then(String::new);
    let mut short = None;
    let mut notices = 0_usize;
    let mut others = 0_usize;
    message.bodies(|content_type, body| {
        if is_type(content_type, b"application/vnd.3gpp.sms") {
            short = short.or(Some(body));
            return;
        }
        let part = if is_type(content_type, b"message/cpim") { cpim(body) } else { part(content_type, body) };
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
fn cpim(body: &[u8]) -> Part {
    let (_, rest) = split_headers(body);
    let (headers, content) = split_headers(rest);
    let content_type = headers.split(|b| *b == b'\n').find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at(colon);
        name.trim_ascii().eq_ignore_ascii_case(b"Content-Type").then(|| value[1..].trim_ascii())
    });
    match content_type {
        Some(content_type) => part(content_type, content),
        // The MIME headers are missing: all that follows the message headers is content.
        None => part(b"", rest),
    }
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
