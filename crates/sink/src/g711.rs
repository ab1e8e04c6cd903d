//! G.711 (ITU-T, 11/1988): one octet a sample to 16-bit linear.

use mandat_core::Encoding;

/// Table 2: 14-bit values of mu-law, left-justified to 16 bits. All bits are inverted on the wire.
const MU_LAW: [i16; 256] = table(false);
/// Table 1: 13-bit values of A-law, left-justified to 16 bits. Even bits are inverted on the wire.
const A_LAW: [i16; 256] = table(true);

#[allow(clippy::cast_possible_wrap, reason = "mu-law tops out at 32,124 and A-law at 32,256")]
const fn table(a_law: bool) -> [i16; 256] {
    let mut out = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = if a_law { code as u16 ^ 0x55 } else { !code as u16 & 0xff };
        let (segment, step) = (bits >> 4 & 7, bits & 15);
        let (magnitude, positive) = match (a_law, segment) {
            (true, 0) => ((step << 4) + 8, bits & 0x80 != 0),
            (true, _) => (((step << 4) + 0x108) << (segment - 1), bits & 0x80 != 0),
            (false, _) => ((((step << 3) + 0x84) << segment) - 0x84, bits & 0x80 == 0),
        };
        out[code] = if positive { magnitude as i16 } else { -(magnitude as i16) };
        code += 1;
    }
    out
}

/// The samples of a payload, 8000 a second; none when the encoding isn't G.711.
pub fn pcm_of(encoding: &Encoding, payload: &[u8]) -> impl Iterator<Item = i16> {
    let table = match encoding {
        Encoding::Pcmu => Some(&MU_LAW),
        Encoding::Pcma => Some(&A_LAW),
        Encoding::ComfortNoise | Encoding::TelephoneEvent | Encoding::Other(_) | Encoding::Unknown => None,
    };
    table.into_iter().flat_map(move |table| payload.iter().map(move |code| table[usize::from(*code)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: &Encoding) -> Vec<i16> {
        pcm_of(encoding, &(0..=255).collect::<Vec<u8>>()).collect()
    }

    /// Tables 2a and 2b: y = (2m + 33) * 2^s - 33 on the scale of 8159, where s and m are the complemented bits.
    #[test]
    fn mu_law_follows_table_2() {
        for (code, got) in (0i32..).zip(decode(&Encoding::Pcmu)) {
            let (s, m) = (7 - (code / 16) % 8, 15 - code % 16);
            let y = (2 * m + 33) * 2i32.pow(s.unsigned_abs()) - 33;
            assert_eq!(i32::from(got), 4 * if code >= 128 { y } else { -y }, "code {code}");
        }
    }

    /// Tables 1a and 1b: y = 2m + 1 in the first segment, (2m + 33) * 2^(s-1) above, on the scale of 4096.
    #[test]
    fn a_law_follows_table_1() {
        for (code, got) in (0i32..).zip(decode(&Encoding::Pcma)) {
            // Undo the inversion of the even bits by adding and subtracting them one by one.
            let plain: i32 =
                (0..8).map(|bit| (((code >> bit) & 1) + i32::from(bit % 2 == 0)) % 2 * (1 << bit)).sum();
            let (s, m) = ((plain / 16) % 8, plain % 16);
            let y = if s == 0 { 2 * m + 1 } else { (2 * m + 33) * 2i32.pow(s.unsigned_abs() - 1) };
            assert_eq!(i32::from(got), 8 * if plain >= 128 { y } else { -y }, "code {code}");
        }
    }

    #[test]
    fn known_answers() {
        let mu = decode(&Encoding::Pcmu);
        assert_eq!((mu[0x00], mu[0x7f], mu[0x80], mu[0xff]), (-32_124, 0, 32_124, 0));
        let a = decode(&Encoding::Pcma);
        assert_eq!((a[0xd5], a[0x55], a[0xaa], a[0x2a]), (8, -8, 32_256, -32_256));
        assert!(decode(&Encoding::ComfortNoise).is_empty() && decode(&Encoding::Unknown).is_empty());
    }
}
