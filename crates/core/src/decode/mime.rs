//! Encodings of bodies: Content-Transfer-Encoding (RFC 2045, 6) and Content-Encoding (RFC 9110, 8.4.1), undone.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use memchr::memchr;

/// Octets that a compressed body may grow to: four times the largest datagram. A body that would be larger isn't given
/// at all, so that nobody takes its beginning for the whole.
const MAX_INFLATED: usize = 256 * 1024;

/// Undoes a transfer encoding. One that isn't known is left as it came (RFC 2045, 6.4: it then hides the type).
pub(crate) fn transfer<'a>(encoding: &[u8], body: &'a [u8]) -> Cow<'a, [u8]> {
    let encoding = encoding.trim_ascii();
    if encoding.eq_ignore_ascii_case(b"base64") {
        Cow::Owned(base64(body))
    } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
        Cow::Owned(quoted_printable(body))
    } else {
        Cow::Borrowed(body)
    }
}

/// Undoes a content encoding; `None` for one that isn't known, for damage, and beyond [`MAX_INFLATED`].
pub(crate) fn content<'a>(encoding: &[u8], body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let encoding = encoding.trim_ascii();
    let is = |name: &[u8]| encoding.eq_ignore_ascii_case(name);
    if encoding.is_empty() || is(b"identity") {
        return Some(Cow::Borrowed(body));
    }
    let mut out = Vec::new();
    let limit = MAX_INFLATED as u64 + 1;
    if is(b"gzip") || is(b"x-gzip") {
        GzDecoder::new(body).take(limit).read_to_end(&mut out).ok()?;
    } else if is(b"deflate") {
        // RFC 9110, 8.4.1.2: zlib's format; some send the bare one.
        if ZlibDecoder::new(body).take(limit).read_to_end(&mut out).is_err() {
            out.clear();
            DeflateDecoder::new(body).take(limit).read_to_end(&mut out).ok()?;
        }
    } else {
        return None;
    }
    (out.len() <= MAX_INFLATED).then_some(Cow::Owned(out))
}

/// RFC 2045, 6.8: octets outside the alphabet are passed over; `=` ends the data.
fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for octet in body {
        let six = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// RFC 2045, 6.7. What isn't a code stands for itself.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr(b'=', rest) {
        out.extend(&rest[..at]);
        rest = &rest[at + 1..];
        let hex = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
        match *rest {
            [b'\r', b'\n', ..] => rest = &rest[2..],
            [b'\n', ..] => rest = &rest[1..],
            [high, low, ..] if hex(high).is_some() && hex(low).is_some() => {
                out.push(hex(high).unwrap_or(0) << 4 | hex(low).unwrap_or(0));
                rest = &rest[2..];
            }
            _ => out.push(b'='),
        }
    }
    out.extend(rest);
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).and_then(|()| encoder.finish()).expect("in memory")
    }

    #[test]
    fn transfer_encodings() {
        for (encoding, body, expected) in [
            (&b"base64"[..], &b"aGVs\r\nbG8="[..], &b"hello"[..]),
            (b" Base64 ", b"aGVsbG8", b"hello"),
            (b"base64", b"AA==", b"\0"),
            (b"quoted-printable", b"h=C3=A9=\r\nl=3D=0A=zz=", b"h\xc3\xa9l=\n=zz="),
            (b"8bit", b"=41", b"=41"),
            (b"", b"aGk=", b"aGk="),
        ] {
            assert_eq!(&*transfer(encoding, body), expected);
        }
    }

    #[test]
    fn content_encodings() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let zlib = zlib.write_all(b"hello").and_then(|()| zlib.finish()).expect("in memory");
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        let raw = raw.write_all(b"hello").and_then(|()| raw.finish()).expect("in memory");
        for (encoding, body) in [
            (&b"GZIP"[..], gzip(b"hello")),
            (b"deflate", zlib),
            (b"deflate", raw),
            (b"identity", b"hello".to_vec()),
        ] {
            assert_eq!(content(encoding, &body).as_deref(), Some(&b"hello"[..]));
        }
        assert_eq!(content(b"br", b"hello"), None);
        assert_eq!(content(b"gzip", b"hello"), None);
        assert_eq!(content(b"gzip", &gzip(&vec![0; MAX_INFLATED + 1])), None, "a bomb");
        assert!(content(b"gzip", &gzip(&vec![0; MAX_INFLATED])).is_some());
    }

    proptest! {
        #[test]
        fn never_panics(encoding in "(base64|quoted-printable|gzip|deflate|7bit)", body: Vec<u8>) {
            prop_assert!(transfer(encoding.as_bytes(), &body).len() <= body.len());
            let _ = content(encoding.as_bytes(), &body);
        }
    }
}
