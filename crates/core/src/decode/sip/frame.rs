//! Where a message ends in a stream (RFC 3261, 18.3 and 20.14).

use memchr::{memchr, memchr_iter};

use super::super::Framing;
use super::{Header, MAX_START_LINE, headers, number, skip_line_ends, start_line};

/// Longest header section of a message in a stream. Servers refuse far less (Kamailio 64 KiB for the whole message).
pub(crate) const MAX_HEADERS: usize = 256 * 1024;

/// Longest body of a message in a stream: several times the largest that servers accept. A length beyond it is damage.
const MAX_BODY: usize = 1024 * 1024;

/// Longest message in a stream: what holds unfinished ones must have room for it.
pub(crate) const MAX_MESSAGE: usize = MAX_HEADERS + MAX_BODY;

/// How many octets the message at the head of a stream has, once its header section is whole and says so.
pub(crate) fn length(octets: &[u8]) -> Option<usize> {
    let (_, rest) = start_line(octets)?;
    let mut length = None;
    let body = headers(rest, |header, value, _| {
        if header == Header::ContentLength {
            length = length.or(Some(number(value)));
        }
    })?;
    let length = length.flatten().filter(|n| *n as usize <= MAX_BODY)?;
    Some(octets.len() - body.len() + length as usize)
}

/// Says what stands at the head of a stream.
pub(crate) fn frame(octets: &[u8]) -> Framing {
    let pings = octets.len() - skip_line_ends(octets).len();
    if pings > 0 {
        return Framing::Skip(pings);
    }
    let Some((_, rest)) = start_line(octets) else { return resynchronise(octets) };
    let mut length: Option<Option<u32>> = None;
    let Some(body) = headers(rest, |header, value, _| {
        if header == Header::ContentLength {
            length = length.or(Some(number(value)));
        }
    }) else {
        return if octets.len() > MAX_HEADERS { Framing::Skip(octets.len()) } else { Framing::NeedMore };
    };
    let head = octets.len() - body.len();
    match length {
        Some(Some(n)) if n as usize <= MAX_BODY => {
            if body.len() >= n as usize {
                Framing::Message(head + n as usize)
            } else {
                Framing::NeedMore
            }
        }
        // RFC 3261, 20.14 demands it on streams; without it there is no body that could be told from the next message.
        // No number, or one beyond belief: the headers are still a message, and the next start line is looked for.
        None | Some(_) => Framing::Message(head),
    }
}

/// The stream was joined in the middle, or a length was wrong: looks for the next start line.
fn resynchronise(octets: &[u8]) -> Framing {
    let mut line = 0;
    for end in memchr_iter(b'\n', octets) {
        line = end + 1;
        if octets.get(line..).is_some_and(|rest| start_line(rest).is_some()) {
            return Framing::Skip(line);
        }
    }
    let last = octets.get(line..).unwrap_or_default();
    // SIP is text. A stream that begins with anything else isn't SIP, and neither is one of another protocol of lines.
    let binary = octets.iter().take(MAX_START_LINE).any(|b| b.is_ascii_control() && !b.is_ascii_whitespace());
    if binary || is_http(octets) {
        return Framing::Foreign;
    }
    match (line, last.len()) {
        (0, n) if n > MAX_START_LINE => Framing::Foreign,
        (0, _) => Framing::NeedMore,
        (n, _) => Framing::Skip(n),
    }
}

/// The first line is one of HTTP, RTSP or another protocol of the same shape but for the name.
fn is_http(octets: &[u8]) -> bool {
    let end = memchr(b'\n', octets).unwrap_or(octets.len());
    let line = octets.get(..end).unwrap_or_default();
    line.starts_with(b"HTTP/") || memchr::memmem::find(line, b" HTTP/1.").is_some()
}
