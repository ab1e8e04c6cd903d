//! Addresses in headers: name-addr, addr-spec and their parameters (RFC 3261, 20.10 and 25.1).

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::trim;

/// The tag of From or To (RFC 3261, 19.3); empty when there is none.
pub(super) fn tag(value: &[u8]) -> &[u8] {
    // What nearly every implementation writes: brackets, and behind them the tag alone or nothing.
    match value {
        [b'<', .., b'>'] if memchr(b'>', value) == Some(value.len() - 1) => return b"",
        _ => {}
    }
    // No token holds what stands before the tag.
    let token = value.iter().rev().take_while(|b| super::is_token(**b)).count();
    let (before, found) = value.split_at(value.len() - token);
    if before.ends_with(b">;tag=") {
        return found;
    }
    let parameters = split(value).1;
    // It stands first in what nearly every implementation writes.
    let first = parameters.strip_prefix(b">").unwrap_or(parameters);
    match first.strip_prefix(b";tag=") {
        Some(found) => parameter_value(found),
        None => parameter(parameters, b"tag"),
    }
}

/// Each value of a header that may hold several, joined by commas.
pub(super) fn each<'a>(value: &'a [u8], mut emit: impl FnMut(&'a [u8])) {
    let mut rest = value;
    while !rest.is_empty() {
        // Mostly there is one value alone.
        let end = if memchr(b',', rest).is_none() { rest.len() } else { end_of_value(rest) };
        let (one, after) = rest.split_at(end);
        let uri = addr_spec(one);
        if !uri.is_empty() {
            emit(uri);
        }
        rest = after.get(1..).unwrap_or_default();
    }
}

/// Where the first comma stands that is in neither quotes nor brackets.
pub(super) fn end_of_value(value: &[u8]) -> usize {
    let mut at = 0;
    while let Some(octet) = value.get(at) {
        match octet {
            b',' => return at,
            b'"' => at = quoted(value, at).unwrap_or(at),
            b'<' => at = memchr(b'>', value.get(at..).unwrap_or_default()).map_or(value.len(), |n| at + n),
            _ => {}
        }
        at += 1;
    }
    value.len()
}

/// Where the quoted string that begins at `at` ends, if it does.
fn quoted(value: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', value.get(at..)?)?;
        if value.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2; // a quoted-pair
    }
}

/// The URI of one value, without the header parameters behind it.
pub(super) fn addr_spec(value: &[u8]) -> &[u8] {
    without_headers(trim(split(value).0))
}

/// What stands in the brackets, headers behind `?` included.
pub(super) fn inside(value: &[u8]) -> &[u8] {
    split(value).0
}

/// The header parameters of one value: not those of its URI.
pub(super) fn behind(value: &[u8]) -> &[u8] {
    split(value).1
}

/// What stands in the brackets, and the header parameters behind them.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let value = trim(value);
    // A display name may hold any character between quotes, brackets too.
    let after_name = match value.first() {
        Some(b'"') => quoted(value, 0).map_or(0, |end| end + 1),
        _ => 0,
    };
    let behind = value.get(after_name..).unwrap_or_default();
    if let Some(open) = memchr(b'<', behind) {
        let inside = behind.get(open + 1..).unwrap_or_default();
        return inside.split_at(memchr(b'>', inside).unwrap_or(inside.len()));
    }
    // Without brackets, whatever follows a semicolon belongs to the header, not to the URI.
    behind.split_at(memchr(b';', behind).unwrap_or(behind.len()))
}

/// Cuts what History-Info hides behind `?` (RFC 7044): it says why, not who. A `?` may stand in a user part.
fn without_headers(uri: &[u8]) -> &[u8] {
    if memchr(b'?', uri).is_none() {
        return uri;
    }
    let host = memrchr(b'@', uri).unwrap_or(0);
    match memchr(b'?', uri.get(host..).unwrap_or_default()) {
        Some(at) => uri.get(..host + at).unwrap_or(uri),
        None => uri,
    }
}

/// The value of a header parameter, without quotes; empty when it isn't there.
pub(super) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> &'a [u8] {
    let mut rest = value;
    while let Some(at) = memchr2(b';', b'"', rest) {
        if rest.get(at) == Some(&b'"') {
            let end = quoted(rest, at).unwrap_or(at);
            rest = rest.get(end + 1..).unwrap_or_default();
            continue;
        }
        rest = rest.get(at + 1..).unwrap_or_default();
        let start = rest.iter().take_while(|b| super::is_space(**b)).count();
        let here = rest.get(start..).unwrap_or_default();
        let Some((key, after)) = here.split_at_checked(name.len()) else { continue };
        if !key.eq_ignore_ascii_case(name) {
            continue;
        }
        let gap = after.iter().take_while(|b| super::is_space(**b)).count();
        let Some([b'=', found @ ..]) = after.get(gap..) else { continue };
        return parameter_value(found);
    }
    b""
}

/// What stands behind `=`, up to the next parameter or value.
fn parameter_value(found: &[u8]) -> &[u8] {
    let found = trim(found);
    if found.first() == Some(&b'"') {
        return quoted(found, 0).and_then(|end| found.get(1..end)).unwrap_or_default();
    }
    let end = found.iter().take_while(|b| !matches!(b, b';' | b',' | b'>') && !super::is_space(**b)).count();
    found.get(..end).unwrap_or_default()
}

/// `uri` without its post-dial digits (RFC 2806, 2.2: `;postd=`). They are sent once the call is answered, and may be a
/// card number or a code: content, that no fact about the call may hold.
pub(super) fn without_post_dial(uri: &[u8]) -> Cow<'_, [u8]> {
    const POST_DIAL: &[u8] = b";postd=";
    if memchr(b';', uri).is_none() {
        return Cow::Borrowed(uri);
    }
    let mut out: Option<Vec<u8>> = None;
    let mut rest = uri;
    let is_there = |uri: &[u8], at: usize| {
        uri.get(at..at + POST_DIAL.len()).is_some_and(|name| name.eq_ignore_ascii_case(POST_DIAL))
    };
    while let Some(at) = memchr_iter(b';', rest).find(|at| is_there(rest, *at)) {
        out.get_or_insert_default().extend(&rest[..at]);
        let value = &rest[at + POST_DIAL.len()..];
        let end = value.iter().position(|b| matches!(b, b';' | b'@' | b'?' | b'>')).unwrap_or(value.len());
        rest = &value[end..];
    }
    match out {
        None => Cow::Borrowed(uri),
        Some(mut out) => {
            out.extend(rest);
            Cow::Owned(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The spelling of nearly all is read as any other is.
        #[test]
        fn a_tag_is_the_parameter_of_that_name(
            value in "(\"[a<>; ]{0,3}\" ?)?<sip:[a-c;=@]{0,6}>(;tag=[a-c.]{0,4}|;[a-c]=[a-c]{0,2}|;tag=\"[a-c]\"){0,3}",
        ) {
            let value = value.as_bytes();
            prop_assert_eq!(tag(value), parameter(split(value).1, b"tag"));
        }

        #[test]
        fn one_value_alone_is_read_as_one_of_many(value in "(\"[a<>,; ]{0,3}\" ?)?<?[a-c?@]{0,8}>?(;[a-c]=[a-c]{0,2})?") {
            let (mut alone, mut first) = (Vec::new(), Vec::new());
            each(value.as_bytes(), |uri| alone.push(uri));
            let joined = format!("{value},");
            each(joined.as_bytes(), |uri| first.push(uri));
            if end_of_value(joined.as_bytes()) == value.len() {
                prop_assert_eq!(alone, first);
            }
        }
    }
}
