//! HPACK (RFC 7541): the representations of one header block, borrowed. The dynamic table that they refer to is state
//! and stands in `session/http2.rs`. Only fields that tell a host, and how it is asked, have a name here; of all others
//! the size alone is kept, since the table is counted in octets.

use std::borrow::Cow;

use super::cursor::Cursor;

/// Longest string decoded. A longer one, such as no server accepts (they refuse 8 to 32 kB), ends the reading.
pub(crate) const MAX_STRING: usize = 32 * 1024;

/// Octets that an entry costs besides its strings (RFC 7541, 4.1).
pub(crate) const ENTRY_OVERHEAD: usize = 32;

/// Fields that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    /// `:authority` (RFC 9113, 8.3.1).
    Authority,
    /// `host`, which a gateway from HTTP/1 may send instead.
    Host,
    /// `:method`.
    Method,
    /// `:path`.
    Path,
    /// `:protocol` of an extended CONNECT (RFC 8441, 4).
    Protocol,
    /// `content-type`.
    ContentType,
    /// Any other.
    Other,
}

impl Field {
    /// Names are lower case on the wire (RFC 9113, 8.2.1).
    pub(crate) fn named(name: &[u8]) -> Self {
        match name {
            b":authority" => Self::Authority,
            b"host" => Self::Host,
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":protocol" => Self::Protocol,
            b"content-type" => Self::ContentType,
            _ => Self::Other,
        }
    }
}

/// A string literal, as it stands (RFC 7541, 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Text<'a> {
    huffman: bool,
    octets: &'a [u8],
}

impl<'a> Text<'a> {
    /// Its octets; `None` where its coding is wrong or it is too long.
    pub(crate) fn decode(&self) -> Option<Cow<'a, [u8]>> {
        if self.octets.len() > MAX_STRING {
            None
        } else if self.huffman {
            huffman(self.octets).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(self.octets))
        }
    }
}

/// The name of a literal field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Name<'a> {
    /// That of an entry of the tables.
    Indexed(usize),
    /// Spelled out.
    Literal(Text<'a>),
}

/// One instruction of a block (RFC 7541, 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Representation<'a> {
    /// A field of the tables, name and value.
    Indexed(usize),
    /// A field, and whether it enters the dynamic table.
    Literal { name: Name<'a>, value: Text<'a>, enters: bool },
    /// The dynamic table has this size from now on.
    TableSize(usize),
}

/// The instructions of a block; `None` in place of one that can't be read, which is the last.
pub(crate) fn representations(block: &[u8]) -> impl Iterator<Item = Option<Representation<'_>>> {
    let mut cursor = Cursor(block);
    std::iter::from_fn(move || {
        if cursor.0.is_empty() {
            return None;
        }
        let found = representation(&mut cursor);
        if found.is_none() {
            cursor.0 = &[];
        }
        Some(found)
    })
}

fn representation<'a>(cursor: &mut Cursor<'a>) -> Option<Representation<'a>> {
    let first = *cursor.0.first()?;
    if first & 0x80 != 0 {
        return integer(cursor, 7).filter(|index| *index != 0).map(Representation::Indexed);
    }
    if first & 0xe0 == 0x20 {
        return integer(cursor, 5).map(Representation::TableSize);
    }
    // With indexing 01, without 0000, never 0001.
    let enters = first & 0x40 != 0;
    let name = match integer(cursor, if enters { 6 } else { 4 })? {
        0 => Name::Literal(text(cursor)?),
        index => Name::Indexed(index),
    };
    Some(Representation::Literal { name, value: text(cursor)?, enters })
}

/// An integer whose first octet gives `prefix` bits (RFC 7541, 5.1), of at most 28 bits more: no honest one is larger.
fn integer(cursor: &mut Cursor<'_>, prefix: u32) -> Option<usize> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(cursor.u8()?) & mask;
    if value < mask {
        return Some(value);
    }
    for shift in [0, 7, 14, 21] {
        let octet = cursor.u8()?;
        value += usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text<'a>(cursor: &mut Cursor<'a>) -> Option<Text<'a>> {
    let huffman = cursor.0.first()? & 0x80 != 0;
    let length = integer(cursor, 7)?;
    Some(Text { huffman, octets: cursor.take(length)? })
}

/// An entry of the static table (RFC 7541, appendix A): field, value as far as it is read, and octets of the name.
pub(crate) fn static_entry(index: usize) -> Option<(Field, &'static [u8], usize)> {
    let name = usize::from(*STATIC_NAMES.get(index.checked_sub(1)?)?);
    let (field, value): (_, &[u8]) = match index {
        1 => (Field::Authority, b""),
        2 => (Field::Method, b"GET"),
        3 => (Field::Method, b"POST"),
        4 => (Field::Path, b"/"),
        5 => (Field::Path, b"/index.html"),
        31 => (Field::ContentType, b""),
        38 => (Field::Host, b""),
        _ => (Field::Other, b""),
    };
    Some((field, value, name))
}

/// Entries of the static table.
pub(crate) const STATIC_ENTRIES: usize = STATIC_NAMES.len();

/// Octets of the name of each entry.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13,
    12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3,
    16,
];

/// Length in bits of each symbol's code (RFC 7541, appendix B). The code is canonical: symbols in order of length and
/// then of value have consecutive codes, so that the lengths say all.
const CODE_LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const LONGEST_CODE: usize = 30;

/// The symbol that may only be padding.
const END_OF_STRING: u16 = 256;

/// Canonical decoding: of each length the first code, and where its symbols begin in the order of codes.
struct Codes {
    first: [u32; LONGEST_CODE + 2],
    begin: [u16; LONGEST_CODE + 2],
    symbols: [u16; 257],
}

static CODES: Codes = codes();

const fn codes() -> Codes {
    let mut out = Codes { first: [0; LONGEST_CODE + 2], begin: [0; LONGEST_CODE + 2], symbols: [0; 257] };
    let (mut code, mut at, mut length) = (0_u32, 0_usize, 1_usize);
    while length <= LONGEST_CODE {
        code <<= 1;
        out.first[length] = code;
        out.begin[length] = at as u16;
        let mut symbol = 0;
        while symbol < CODE_LENGTHS.len() {
            if CODE_LENGTHS[symbol] as usize == length {
                out.symbols[at] = symbol as u16;
                at += 1;
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    out.begin[LONGEST_CODE + 1] = at as u16;
    out
}

/// Decodes a string. Its padding must be the most significant bits of the end-of-string symbol, fewer than 8.
fn huffman(octets: &[u8]) -> Option<Vec<u8>> {
    // The shortest code has 5 bits.
    let mut out = Vec::with_capacity(octets.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0_usize);
    for bit in octets.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if length > LONGEST_CODE {
            return None;
        }
        let count = CODES.begin[length + 1] - CODES.begin[length];
        let within = code.wrapping_sub(CODES.first[length]);
        if within < u32::from(count) {
            match CODES.symbols[usize::from(CODES.begin[length]) + within as usize] {
                END_OF_STRING => return None,
                symbol => out.push(u8::try_from(symbol).ok()?),
            }
            (code, length) = (0, 0);
        }
    }
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// The coder, from the same lengths by another way: codes are counted up symbol by symbol.
    pub(crate) fn encode(octets: &[u8]) -> Vec<u8> {
        let mut order: Vec<usize> = (0..257).collect();
        order.sort_by_key(|symbol| (CODE_LENGTHS[*symbol], *symbol));
        let (mut table, mut next, mut before) = (vec![0_u32; 257], 0_u32, 5);
        for symbol in order {
            next <<= CODE_LENGTHS[symbol] - before;
            (table[symbol], before, next) = (next, CODE_LENGTHS[symbol], next + 1);
        }
        let mut bits: Vec<u8> = Vec::new();
        for octet in octets {
            let length = CODE_LENGTHS[usize::from(*octet)];
            bits.extend((0..length).rev().map(|at| (table[usize::from(*octet)] >> at & 1) as u8));
        }
        bits.resize(bits.len().div_ceil(8) * 8, 1);
        bits.chunks(8).map(|eight| eight.iter().fold(0, |value, bit| value << 1 | bit)).collect()
    }

    #[test]
    fn strings_are_those_of_rfc_7541_c4_and_c6() {
        for (code, want) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"),
        ] {
            assert_eq!(huffman(&unhex(code)).as_deref(), Some(want.as_bytes()));
            assert_eq!(encode(want.as_bytes()), unhex(code));
        }
    }

    #[test]
    fn padding_that_is_wrong_is_refused() {
        assert_eq!(huffman(&[0x1f]).as_deref(), Some(&b"a"[..]));
        assert!(huffman(&[0x1e]).is_none(), "not ones");
        assert!(huffman(&[0x1f, 0xff]).is_none(), "over 7 bits");
        assert!(huffman(&[0xff, 0xff, 0xff, 0xff]).is_none(), "the end-of-string symbol");
    }

    /// RFC 7541, C.1 and C.2.
    #[test]
    fn integers_and_representations_are_those_of_the_rfc() {
        assert_eq!(integer(&mut Cursor(&[0b1110_1010]), 5), Some(10));
        assert_eq!(integer(&mut Cursor(&[0x1f, 0x9a, 0x0a]), 5), Some(1337));
        assert_eq!(integer(&mut Cursor(&[42]), 8), Some(42));
        assert_eq!(integer(&mut Cursor(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0]), 5), None, "too large");
        let block = unhex("040c2f73616d706c652f70617468823fe11f");
        let all: Vec<_> = representations(&block).collect();
        let value = Text { huffman: false, octets: b"/sample/path" };
        assert_eq!(
            all,
            [
                Some(Representation::Literal { name: Name::Indexed(4), value, enters: false }),
                Some(Representation::Indexed(2)),
                Some(Representation::TableSize(4096)),
            ]
        );
        assert_eq!(representations(&[0x80, 0x82]).collect::<Vec<_>>(), [None], "index 0 is an error");
    }

    #[test]
    fn the_static_table_ends_where_it_does() {
        assert_eq!(static_entry(0), None);
        assert_eq!(static_entry(2), Some((Field::Method, &b"GET"[..], 7)));
        assert_eq!(static_entry(61).map(|e| e.2), Some("www-authenticate".len()));
        assert_eq!(static_entry(62), None);
    }

    proptest! {
        #[test]
        fn what_is_coded_comes_back(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(huffman(&encode(&octets)), Some(octets));
        }

        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(representations(&octets).count() <= octets.len());
            for found in representations(&octets).flatten() {
                if let Representation::Literal { value, .. } = found {
                    prop_assert!(value.decode().is_none_or(|text| text.len() <= octets.len() * 8 / 5));
                }
            }
        }
    }
}
