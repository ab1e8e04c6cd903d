//! The GSM 7-bit alphabet (TS 23.038, 6.2): default table, extension table, and all national language tables of its
//! annex A. A language that the annex doesn't know falls back to the default tables, and that is said.

mod indic;

/// TS 23.038, 6.2.1: leads to the extension table.
const ESC: u8 = 0x1b;

/// TS 23.038, 6.2.1. Position 0x1B is ESC and never read from here.
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{a0}', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// What a national table changes in the table it stands on.
type Overlay = &'static [(u8, char)];

/// TS 23.038, 6.2.1.1.
const EXTENSION: Overlay = &[
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// TS 23.038, A.2.1.
const TURKISH_SINGLE: Overlay =
    &[(0x47, 'Ğ'), (0x49, 'İ'), (0x53, 'Ş'), (0x63, 'ç'), (0x67, 'ğ'), (0x69, 'ı'), (0x73, 'ş')];

/// TS 23.038, A.2.2.
const SPANISH_SINGLE: Overlay = &[
    (0x09, 'ç'),
    (0x41, 'Á'),
    (0x49, 'Í'),
    (0x4f, 'Ó'),
    (0x55, 'Ú'),
    (0x61, 'á'),
    (0x69, 'í'),
    (0x6f, 'ó'),
    (0x75, 'ú'),
];

/// TS 23.038, A.2.3.
const PORTUGUESE_SINGLE: Overlay = &[
    (0x05, 'ê'),
    (0x09, 'ç'),
    (0x0b, 'Ô'),
    (0x0c, 'ô'),
    (0x0e, 'Á'),
    (0x0f, 'á'),
    (0x12, 'Φ'),
    (0x13, 'Γ'),
    (0x14, '^'),
    (0x15, 'Ω'),
    (0x16, 'Π'),
    (0x17, 'Ψ'),
    (0x18, 'Σ'),
    (0x19, 'Θ'),
    (0x1f, 'Ê'),
    (0x41, 'À'),
    (0x49, 'Í'),
    (0x4f, 'Ó'),
    (0x55, 'Ú'),
    (0x5b, 'Ã'),
    (0x5c, 'Õ'),
    (0x61, 'Â'),
    (0x69, 'í'),
    (0x6f, 'ó'),
    (0x75, 'ú'),
    (0x7b, 'ã'),
    (0x7c, 'õ'),
    (0x7f, 'â'),
];

/// TS 23.038, A.3.1.
const TURKISH_LOCKING: Overlay =
    &[(0x04, '€'), (0x07, 'ı'), (0x0b, 'Ğ'), (0x0c, 'ğ'), (0x1c, 'Ş'), (0x1d, 'ş'), (0x40, 'İ'), (0x60, 'ç')];

/// TS 23.038, A.3.3.
const PORTUGUESE_LOCKING: Overlay = &[
    (0x04, 'ê'),
    (0x06, 'ú'),
    (0x07, 'í'),
    (0x08, 'ó'),
    (0x09, 'ç'),
    (0x0b, 'Ô'),
    (0x0c, 'ô'),
    (0x0e, 'Á'),
    (0x0f, 'á'),
    (0x12, 'ª'),
    (0x13, 'Ç'),
    (0x14, 'À'),
    (0x15, '∞'),
    (0x16, '^'),
    (0x17, '\\'),
    (0x18, '€'),
    (0x19, 'Ó'),
    (0x1a, '|'),
    (0x1c, 'Â'),
    (0x1d, 'â'),
    (0x1e, 'Ê'),
    (0x24, 'º'),
    (0x40, 'Í'),
    (0x5b, 'Ã'),
    (0x5c, 'Õ'),
    (0x5d, 'Ú'),
    (0x60, '~'),
    (0x7b, 'ã'),
    (0x7c, 'õ'),
    (0x7d, '`'),
];

/// National Language Identifier (TS 23.040, 9.2.3.24.16). Open registry: values that we have no table for are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Language(pub(crate) u8);

impl Language {
    /// No national table.
    pub(crate) const DEFAULT: Self = Self(0);
    pub(crate) const TURKISH: Self = Self(1);
    pub(crate) const SPANISH: Self = Self(2);
    pub(crate) const PORTUGUESE: Self = Self(3);

    fn locking(self) -> Option<Table> {
        match self {
            // Spanish has no locking table of its own (TS 23.038, A.3.2).
            Self::DEFAULT | Self::SPANISH => Some(Table::Overlay(&[])),
            Self::TURKISH => Some(Table::Overlay(TURKISH_LOCKING)),
            Self::PORTUGUESE => Some(Table::Overlay(PORTUGUESE_LOCKING)),
            Self(other) => indic::tables(other).map(Table::Indic),
        }
    }

    fn single(self) -> Option<Table> {
        match self {
            Self::DEFAULT => Some(Table::Overlay(&[])),
            Self::TURKISH => Some(Table::Overlay(TURKISH_SINGLE)),
            Self::SPANISH => Some(Table::Overlay(SPANISH_SINGLE)),
            Self::PORTUGUESE => Some(Table::Overlay(PORTUGUESE_SINGLE)),
            Self(other) => indic::tables(other).map(Table::Indic),
        }
    }
}

/// A national table.
#[derive(Clone, Copy)]
enum Table {
    /// What it changes in the default one.
    Overlay(Overlay),
    /// A whole table of its own.
    Indic(&'static indic::Tables),
}

impl Table {
    fn locking(self, septet: u8) -> char {
        match self {
            Self::Overlay(overlay) => look(overlay, septet).unwrap_or(DEFAULT[usize::from(septet & 0x7f)]),
            Self::Indic(tables) => indic::locking(tables, septet & 0x7f),
        }
    }

    fn single(self, septet: u8) -> Option<char> {
        match self {
            Self::Overlay(overlay) => look(overlay, septet),
            Self::Indic(tables) => indic::single(tables, septet),
        }
        .or_else(|| look(EXTENSION, septet))
    }
}

/// The tables that a message is written in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Shifts {
    pub(crate) locking: Language,
    pub(crate) single: Language,
}

impl Shifts {
    /// Whether a table is missing here: the text then comes from the default tables and some letters are wrong.
    pub(crate) fn is_fallback(self) -> bool {
        self.locking.locking().is_none() || self.single.single().is_none()
    }
}

fn look(overlay: Overlay, septet: u8) -> Option<char> {
    overlay.iter().find(|(at, _)| *at == septet).map(|(_, c)| *c)
}

/// Appends the text of `septets`, one an octet.
pub(crate) fn decode(septets: &[u8], shifts: Shifts, out: &mut String) {
    const DEFAULTS: Table = Table::Overlay(&[]);
    let locking = shifts.locking.locking().unwrap_or(DEFAULTS);
    let single = shifts.single.single().unwrap_or(DEFAULTS);
    let mut septets = septets.iter().map(|s| s & 0x7f);
    while let Some(septet) = septets.next() {
        if septet != ESC {
            out.push(locking.locking(septet));
            continue;
        }
        match septets.next() {
            // Reserved for a further table: shown as a space (TS 23.038, 6.2.1.1, note 1).
            Some(ESC) => out.push(' '),
            // A character that isn't in the table is shown as the main table's (ibid.).
            Some(septet) => out.push(single.single(septet).unwrap_or_else(|| locking.locking(septet))),
            // An ESC that leads nowhere shows nothing.
            None => {}
        }
    }
}

/// Takes packed septets apart, one an octet (TS 23.038, 6.1.2.1.1): `count` of them, or as many as there are, after
/// `fill` bits that align them behind a user data header (TS 23.040, 9.2.3.24).
pub(crate) fn unpack(octets: &[u8], fill: u8, count: usize) -> Vec<u8> {
    let fill = usize::from(fill);
    let there = (octets.len() * 8).saturating_sub(fill) / 7;
    (0..count.min(there))
        .map(|index| {
            let bit = fill + index * 7;
            let (at, shift) = (bit / 8, bit % 8);
            let low = u16::from(octets.get(at).copied().unwrap_or(0));
            let high = u16::from(octets.get(at + 1).copied().unwrap_or(0));
            ((high << 8 | low) >> shift) as u8 & 0x7f
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(septets: &[u8], locking: Language, single: Language) -> String {
        let mut out = String::new();
        decode(septets, Shifts { locking, single }, &mut out);
        out
    }

    /// The other way, for round trips.
    fn encode(text: &str) -> Vec<u8> {
        let mut septets = Vec::new();
        for c in text.chars() {
            if let Some((at, _)) = EXTENSION.iter().find(|(_, e)| *e == c) {
                septets.extend([ESC, *at]);
            } else {
                septets.push(DEFAULT.iter().position(|d| *d == c).expect("in the alphabet") as u8);
            }
        }
        septets
    }

    fn pack(septets: &[u8], fill: usize) -> Vec<u8> {
        let mut octets = vec![0u8; (fill + septets.len() * 7).div_ceil(8)];
        for (index, septet) in septets.iter().enumerate() {
            for bit in 0..7 {
                let at = fill + index * 7 + bit;
                octets[at / 8] |= (septet >> bit & 1) << (at % 8);
            }
        }
        octets
    }

    #[test]
    fn p40_escape_at_sign_and_packing() {
        // "hellohello" is the trade's own example of packing.
        assert_eq!(unpack(&[0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37], 0, 10), b"hellohello");
        assert_eq!(text(&[0, 0x1b, 0x65, 0x1b, 0x3c, 0x02], Language::DEFAULT, Language::DEFAULT), "@€[$");
        assert_eq!(text(&[0x1b, 0x41, 0x1b, 0x1b, 0x42, 0x1b], Language::DEFAULT, Language::DEFAULT), "A B");
    }

    #[test]
    fn p41_national_tables() {
        assert_eq!(text(&[0x1b, 0x53, 0x69, 0x07], Language::TURKISH, Language::TURKISH), "Şiı");
        assert_eq!(text(&[0x1b, 0x61, 0x61, 0x1b, 0x65], Language::DEFAULT, Language::SPANISH), "áa€");
        assert_eq!(text(&[0x5c, 0x1b, 0x7b, 0x05], Language::PORTUGUESE, Language::PORTUGUESE), "Õãé");
        // Hindi: "नमस्ते", and a digit and a capital by single shift.
        let namaste = [0x2f, 0x42, 0x4c, 0x5f, 0x27, 0x59, 0x1b, 0x1d, 0x1b, 0x41];
        assert_eq!(text(&namaste, Language(6), Language(6)), "नमस्ते१A");
        assert!(!Shifts { locking: Language(13), single: Language(4) }.is_fallback());
        // Identifiers that nobody has given out.
        for unknown in [14, 255] {
            let shifts = Shifts { locking: Language(unknown), single: Language::DEFAULT };
            assert!(shifts.is_fallback() && !Shifts::default().is_fallback());
            assert_eq!(text(b"A\x1be", Language(unknown), Language(unknown)), "A€");
        }
    }

    proptest! {
        #[test]
        fn round_trip(text in "[@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞ^{}\\\\\\[~\\]|€ÆæßÉ !-Z¡ÄÖÑÜ§¿a-zäöñüà]{0,160}", fill in 0u8..7) {
            let septets = encode(&text);
            let unpacked = unpack(&pack(&septets, usize::from(fill)), fill, septets.len());
            prop_assert_eq!(&unpacked, &septets);
            let mut out = String::new();
            decode(&unpacked, Shifts::default(), &mut out);
            prop_assert_eq!(out, text);
        }

        #[test]
        fn never_panics(octets: Vec<u8>, fill: u8, count: usize, locking: u8, single: u8) {
            let mut out = String::new();
            decode(&octets, Shifts { locking: Language(locking), single: Language(single) }, &mut out);
            decode(&unpack(&octets, fill, count), Shifts::default(), &mut out);
        }
    }
}
