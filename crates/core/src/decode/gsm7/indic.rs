//! The national language tables of India and Pakistan (TS 23.038, A.2.4 to A.2.13 and A.3.4 to A.3.13).
//!
//! The nine scripts of India stand in Unicode in blocks of one plan (that of ISCII), and the locking tables follow it:
//! a position means the same offset into each block. So one plan is kept, and for each script what its block has not.

/// One language.
pub(super) struct Tables {
    /// Where the letters of the plan stand; `None` for Urdu, whose letters are listed.
    block: Option<u16>,
    /// Offsets of the plan that the block leaves unassigned; for Urdu, all letters in order of position.
    list: &'static [u16],
    /// What the locking table has at 0x60 and from 0x7B to 0x7F.
    tail: [u16; 6],
    /// What the single shift table has beyond [`COMMON`], in order of [`places`]; zero where it has nothing.
    single: &'static [u16],
}

/// Language identifiers (TS 23.040, 9.2.3.24.16) from 4 to 13.
pub(super) fn tables(language: u8) -> Option<&'static Tables> {
    language.checked_sub(4).and_then(|at| TABLES.get(usize::from(at)))
}

/// Offsets into a block in order of position: signs, vowels, consonants; nukta, avagraha, vowel signs, virama.
const PLAN: usize = 3 + 0x35 + 0x12;

/// Positions below 0x60 that hold the same in every locking table. Brackets do stand in this order.
const FIXED: &[(u8, char)] = &[
    (0x0a, '\n'),
    (0x0d, '\r'),
    (0x1b, ' '),
    (0x20, ' '),
    (0x21, '!'),
    (0x28, ')'),
    (0x29, '('),
    (0x2c, ','),
    (0x2e, '.'),
    (0x3a, ':'),
    (0x3b, ';'),
    (0x3f, '?'),
];

/// What every single shift table of this family has.
const COMMON: [char; 0x19] = [
    '@', '£', '$', '¥', '¿', '"', '¤', '%', '&', '\'', '\u{c}', '*', '+', '\r', '-', '/', '<', '=', '>', '¡',
    '^', '¡', '_', '#', '*',
];

const fn offset(index: usize) -> u16 {
    // 01 to 03 are signs and 04 is no letter of the plan; 3A and 3B are none either.
    (match index {
        0..=2 => index + 1,
        3..=55 => index + 2,
        _ => index + 4,
    }) as u16
}

/// A letter of a locking table; U+FFFD where the table has none.
pub(super) fn locking(tables: &Tables, septet: u8) -> char {
    let code = match septet {
        b'0'..=b'9' | b'a'..=b'z' => return char::from(septet),
        0x60 => tables.tail[0],
        0x7b..=0x7f => tables.tail[usize::from(septet - 0x7a)],
        _ => {
            if let Some((_, fixed)) = FIXED.iter().find(|(at, _)| *at == septet) {
                return *fixed;
            }
            let before = FIXED.iter().filter(|(at, _)| *at < septet).count();
            let digits = if septet > b'9' { 10 } else { 0 };
            let index = usize::from(septet) - before - digits;
            debug_assert!(index < PLAN, "sixty-four letters and ten signs stand below 0x60");
            match tables.block {
                None => tables.list.get(index).copied().unwrap_or(0),
                Some(_) if tables.list.contains(&offset(index)) => 0,
                Some(block) => block + offset(index),
            }
        }
    };
    letter(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Positions of a single shift table that differ from language to language.
fn places() -> impl Iterator<Item = u8> {
    (0x19..=0x3f).filter(|at| !matches!(at, 0x1b | 0x28 | 0x29 | 0x2f | 0x3c..=0x3e))
}

/// A letter of a single shift table, if it has one there that the default extension table has not.
pub(super) fn single(tables: &Tables, septet: u8) -> Option<char> {
    match septet {
        b'A'..=b'Z' => Some(char::from(septet)),
        _ => COMMON.get(usize::from(septet)).copied().or_else(|| {
            let at = places().position(|place| place == septet)?;
            letter(*tables.single.get(at)?)
        }),
    }
}

fn letter(code: u16) -> Option<char> {
    char::from_u32(u32::from(code)).filter(|c| *c != '\0')
}

#[rustfmt::skip]
static TABLES: [Tables; 10] = [
    // Bengali
    Tables {
        block: Some(0x980),
        list: &[0x0d, 0x0e, 0x11, 0x12, 0x29, 0x31, 0x33, 0x34, 0x35, 0x45, 0x46, 0x49, 0x4a],
        tail: [0x9ce, 0x9d7, 0x9dc, 0x9dd, 0x9f0, 0x9f1],
        single: &[
            0x9e6, 0x9e7, 0x9e8, 0x9e9, 0x9ea, 0x9eb, 0x9ec, 0x9ed, 0x9ee, 0x9ef, 0x9df, 0x9e0, 0x9e1, 0x9e2, 0x9e3,
            0x9f2, 0x9f3, 0x9f4, 0x9f5, 0x9f6, 0x9f7, 0x9f8, 0x9f9, 0x9fa,
        ],
    },
    // Gujarati
    Tables {
        block: Some(0xa80),
        list: &[0x0e, 0x12, 0x29, 0x31, 0x34, 0x46, 0x4a],
        tail: [0xad0, 0xae0, 0xae1, 0xae2, 0xae3, 0xaf1],
        single: &[0x964, 0x965, 0xae6, 0xae7, 0xae8, 0xae9, 0xaea, 0xaeb, 0xaec, 0xaed, 0xaee, 0xaef],
    },
    // Hindi
    Tables {
        block: Some(0x900),
        list: &[],
        tail: [0x950, 0x972, 0x97b, 0x97c, 0x97e, 0x97f],
        single: &[
            0x964, 0x965, 0x966, 0x967, 0x968, 0x969, 0x96a, 0x96b, 0x96c, 0x96d, 0x96e, 0x96f, 0x951, 0x952, 0x953,
            0x954, 0x958, 0x959, 0x95a, 0x95b, 0x95c, 0x95d, 0x95e, 0x95f, 0x960, 0x961, 0x962, 0x963, 0x970, 0x971,
        ],
    },
    // Kannada
    Tables {
        block: Some(0xc80),
        list: &[0x01, 0x0d, 0x11, 0x29, 0x34, 0x45, 0x49],
        tail: [0xcd5, 0xcd6, 0xce0, 0xce1, 0xce2, 0xce3],
        single: &[
            0x964, 0x965, 0xce6, 0xce7, 0xce8, 0xce9, 0xcea, 0xceb, 0xcec, 0xced, 0xcee, 0xcef, 0xcde, 0xcf1, 0xcf2,
        ],
    },
    // Malayalam
    Tables {
        block: Some(0xd00),
        list: &[0x01, 0x0d, 0x11, 0x29, 0x3c, 0x45, 0x49],
        tail: [0xd57, 0xd60, 0xd61, 0xd62, 0xd63, 0xd79],
        single: &[
            0x964, 0x965, 0xd66, 0xd67, 0xd68, 0xd69, 0xd6a, 0xd6b, 0xd6c, 0xd6d, 0xd6e, 0xd6f, 0xd70, 0xd71, 0xd72,
            0xd73, 0xd74, 0xd75, 0xd7a, 0xd7b, 0xd7c, 0xd7d, 0xd7e, 0xd7f,
        ],
    },
    // Oriya
    Tables {
        block: Some(0xb00),
        list: &[0x0d, 0x0e, 0x11, 0x12, 0x29, 0x31, 0x34, 0x45, 0x46, 0x49, 0x4a],
        tail: [0xb56, 0xb57, 0xb60, 0xb61, 0xb62, 0xb63],
        single: &[
            0x964, 0x965, 0xb66, 0xb67, 0xb68, 0xb69, 0xb6a, 0xb6b, 0xb6c, 0xb6d, 0xb6e, 0xb6f, 0xb5c, 0xb5d, 0xb5f,
            0xb70, 0xb71,
        ],
    },
    // Punjabi
    Tables {
        block: Some(0xa00),
        list: &[
            0x0b, 0x0c, 0x0d, 0x0e, 0x11, 0x12, 0x29, 0x31, 0x34, 0x37, 0x3d, 0x43, 0x44, 0x45, 0x46, 0x49, 0x4a,
        ],
        tail: [0xa51, 0xa70, 0xa71, 0xa72, 0xa73, 0xa74],
        single: &[
            0x964, 0x965, 0xa66, 0xa67, 0xa68, 0xa69, 0xa6a, 0xa6b, 0xa6c, 0xa6d, 0xa6e, 0xa6f, 0xa59, 0xa5a, 0xa5b,
            0xa5c, 0xa5e, 0xa75,
        ],
    },
    // Tamil
    Tables {
        block: Some(0xb80),
        list: &[
            0x01, 0x0b, 0x0c, 0x0d, 0x11, 0x16, 0x17, 0x18, 0x1b, 0x1d, 0x20, 0x21, 0x22, 0x25, 0x26, 0x27, 0x2b,
            0x2c, 0x2d, 0x3c, 0x3d, 0x43, 0x44, 0x45, 0x49,
        ],
        tail: [0xbd0, 0xbd7, 0xbf0, 0xbf1, 0xbf2, 0xbf9],
        single: &[
            0x964, 0x965, 0xbe6, 0xbe7, 0xbe8, 0xbe9, 0xbea, 0xbeb, 0xbec, 0xbed, 0xbee, 0xbef, 0xbf3, 0xbf4, 0xbf5,
            0xbf6, 0xbf7, 0xbf8, 0xbfa,
        ],
    },
    // Telugu
    Tables {
        block: Some(0xc00),
        list: &[0x0d, 0x11, 0x29, 0x34, 0x3c, 0x45, 0x49],
        tail: [0xc55, 0xc56, 0xc60, 0xc61, 0xc62, 0xc63],
        single: &[
            0, 0, 0xc66, 0xc67, 0xc68, 0xc69, 0xc6a, 0xc6b, 0xc6c, 0xc6d, 0xc6e, 0xc6f, 0xc58, 0xc59, 0xc78, 0xc79,
            0xc7a, 0xc7b, 0xc7c, 0xc7d, 0xc7e, 0xc7f,
        ],
    },
    // Urdu
    Tables {
        block: None,
        list: &[
            0x627, 0x622, 0x628, 0x67b, 0x680, 0x67e, 0x6a6, 0x62a, 0x6c2, 0x67f, 0x679, 0x67d, 0x67a, 0x67c, 0x62b,
            0x62c, 0x681, 0x684, 0x683, 0x685, 0x686, 0x687, 0x62d, 0x62e, 0x62f, 0x68c, 0x688, 0x689, 0x68a, 0x68f,
            0x68d, 0x630, 0x631, 0x691, 0x693, 0x699, 0x632, 0x696, 0x698, 0x69a, 0x633, 0x634, 0x635, 0x636, 0x637,
            0x638, 0x639, 0x641, 0x642, 0x6a9, 0x6aa, 0x6ab, 0x6af, 0x6b3, 0x6b1, 0x644, 0x645, 0x646, 0x6ba, 0x6bb,
            0x6bc, 0x648, 0x6c4, 0x6d5, 0x6c1, 0x6be, 0x621, 0x6cc, 0x6d0, 0x6d2, 0x64d, 0x650, 0x64f, 0x657,
        ],
        tail: [0x654, 0x655, 0x651, 0x653, 0x656, 0x670],
        single: &[
            0x600, 0x601, 0x6f0, 0x6f1, 0x6f2, 0x6f3, 0x6f4, 0x6f5, 0x6f6, 0x6f7, 0x6f8, 0x6f9, 0x60c, 0x60d, 0x60e,
            0x60f, 0x610, 0x611, 0x612, 0x613, 0x614, 0x61b, 0x61f, 0x640, 0x652, 0x658, 0x66b, 0x66c, 0x672, 0x673,
            0x6cd, 0x6d4,
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn table(language: u8) -> String {
        let tables = tables(language).expect("a table");
        (0..0x80).map(|septet| locking(tables, septet)).filter(|c| !c.is_ascii()).collect()
    }

    #[test]
    fn the_plan_has_a_letter_for_every_position() {
        assert_eq!(PLAN, 0x60 - FIXED.len() - 10);
        assert_eq!((offset(0), offset(3), offset(55), offset(56), offset(73)), (1, 5, 0x39, 0x3c, 0x4d));
        assert_eq!(tables(13).map(|urdu| urdu.list.len()), Some(PLAN));
        assert!(tables(3).is_none() && tables(14).is_none());
    }

    #[test]
    fn positions_of_the_standards_tables() {
        for (language, septets, letters) in [
            (4, &[0x15, 0x5f, 0x60][..], "ক্ৎ"),
            (5, &[0x15, 0x0c, 0x7f], "કઍ૱"),
            (6, &[0x3c, 0x4e, 0x7b], "ऩ़ॲ"),
            (7, &[0x01, 0x45, 0x5e], "ಂಱೌ"),
            (8, &[0x48, 0x5d, 0x7f], "ഴോ൹"),
            (9, &[0x2f, 0x49, 0x7b], "ନଵୗ"),
            (10, &[0x4a, 0x4c, 0x7b], "\u{a36}\u{a38}\u{a70}"),
            (11, &[0x3c, 0x48, 0x60], "னழௐ"),
            (12, &[0x0e, 0x46, 0x7f], "ఎలౣ"),
            (13, &[0x00, 0x5b, 0x7f], "اےٰ"),
        ] {
            let tables = tables(language).expect("a table");
            let read: String = septets.iter().map(|septet| locking(tables, *septet)).collect();
            assert_eq!(read, letters, "{language}");
        }
    }

    #[test]
    fn no_letter_stands_twice_and_gaps_are_those_of_the_block() {
        for (language, gaps) in
            [(4, 13), (5, 7), (6, 0), (7, 7), (8, 7), (9, 11), (10, 17), (11, 25), (12, 7), (13, 0)]
        {
            let letters: Vec<char> = table(language).chars().filter(|c| *c != '\u{fffd}').collect();
            let mut distinct = letters.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(letters.len(), distinct.len(), "{language}");
            assert_eq!(letters.len() + gaps, PLAN + 6, "{language}");
        }
    }

    #[test]
    fn single_shifts() {
        for (language, septet, letter) in [
            (4, 0x19, Some('০')),
            (4, 0x34, Some('৺')),
            (6, 0x1c, Some('०')),
            (6, 0x3a, Some('ॱ')),
            (8, 0x34, Some('ൿ')),
            (12, 0x19, None),
            (12, 0x32, Some('౿')),
            (13, 0x3f, Some('۔')),
            (11, 0x2e, Some('௺')),
            (11, 0x41, Some('A')),
            (11, 0x28, None),
            (11, 0x3a, None),
            (5, 0x17, Some('#')),
        ] {
            assert_eq!(single(tables(language).expect("a table"), septet), letter, "{language} {septet:#x}");
        }
    }
}
