//! Bodies: one, or several in a multipart body (RFC 2046, 5.1).

use memchr::{memchr, memmem};

use super::{address, trim, trim_end};

/// Deepest nesting of multipart bodies. SIP-I and emergency calls nest once; each level costs a pass over the body.
const MAX_DEPTH: u8 = 4;

/// Most parts of one message. SDP, ISUP, PIDF-LO, resource lists and a SIPREC metadata part make five.
const MAX_PARTS: u8 = 32;

/// One body that holds no others, as it came.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) content_type: &'a [u8],
    /// Content-Transfer-Encoding (RFC 2045, 6).
    pub(super) transfer_encoding: &'a [u8],
    /// Content-Encoding of this part alone.
    pub(super) content_encoding: &'a [u8],
    pub(super) octets: &'a [u8],
}

/// Gives the body, or each part of it.
pub(super) fn parts<'a>(body: Leaf<'a>, emit: &mut dyn FnMut(Leaf<'a>)) {
    let mut left = MAX_PARTS;
    walk(body, MAX_DEPTH, &mut left, emit);
}

/// Whether a body of this type may hold others.
#[inline]
pub(super) fn is_multipart(content_type: &[u8]) -> bool {
    content_type.get(..10).is_some_and(|t| t.eq_ignore_ascii_case(b"multipart/"))
}

fn walk<'a>(leaf: Leaf<'a>, depth: u8, left: &mut u8, emit: &mut dyn FnMut(Leaf<'a>)) {
    let Leaf { content_type, octets: body, .. } = leaf;
    let boundary =
        if is_multipart(content_type) { address::parameter(content_type, b"boundary") } else { b"" };
    if boundary.is_empty() {
        if *left > 0 {
            *left -= 1;
            emit(leaf);
        }
        return;
    }
    let Some(deeper) = depth.checked_sub(1) else { return };
    let finder = memmem::Finder::new(boundary);
    let mut open = None;
    let mut from = 0;
    while let Some(at) = body.get(from..).and_then(|rest| finder.find(rest)).map(|n| from + n) {
        from = at + boundary.len();
        // The delimiter stands at the beginning of a line, behind two hyphens.
        let Some(start) = at.checked_sub(2).filter(|s| body.get(*s..at) == Some(b"--")) else { continue };
        if start > 0 && body.get(start - 1) != Some(&b'\n') {
            continue;
        }
        let after = body.get(from..).unwrap_or_default();
        // Another boundary may begin with this one: a line end, white space or the final hyphens must follow.
        if !matches!(after.first(), None | Some(b'\r' | b'\n' | b' ' | b'\t')) && !after.starts_with(b"--") {
            continue;
        }
        if let Some(begin) = open.take() {
            part(body.get(begin..start).unwrap_or_default(), deeper, left, emit);
        }
        if *left == 0 || after.starts_with(b"--") {
            return;
        }
        from += memchr(b'\n', after).map_or(after.len(), |n| n + 1);
        open = Some(from);
    }
    // The final delimiter is missing: the last part goes to the end.
    if let Some(begin) = open {
        part(body.get(begin..).unwrap_or_default(), deeper, left, emit);
    }
}

/// Reads the headers of one part.
fn part<'a>(octets: &'a [u8], depth: u8, left: &mut u8, emit: &mut dyn FnMut(Leaf<'a>)) {
    // RFC 2046, 5.1: without Content-Type, a part is plain text.
    let mut leaf =
        Leaf { content_type: b"text/plain", transfer_encoding: b"", content_encoding: b"", octets: b"" };
    let mut rest = octets;
    let body = loop {
        let Some(end) = memchr(b'\n', rest) else { return };
        let line = trim_end(rest.get(..end).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break rest;
        }
        if let Some(colon) = memchr(b':', line) {
            let (name, value) = line.split_at(colon);
            let (name, value) = (trim(name), trim(value.get(1..).unwrap_or_default()));
            if matches!(name, [b'c' | b'C']) || name.eq_ignore_ascii_case(b"Content-Type") {
                leaf.content_type = value;
            } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
                leaf.transfer_encoding = value;
            } else if name.eq_ignore_ascii_case(b"Content-Encoding") {
                leaf.content_encoding = value;
            }
        }
    };
    // The line end before the delimiter belongs to the delimiter.
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    leaf.octets = body;
    walk(leaf, depth, left, emit);
}
