//! The E-model (ITU-T G.107, 06/2015) for what loss does to a codec, all other parameters at their defaults, and the
//! figures of codecs (ITU-T G.113, appendix I).

use crate::product::Encoding;

/// R without any impairment, by the defaults of table 3 (clause 7.7): Ro - Is.
const R_DEFAULT: f32 = 93.2;

/// Equipment impairment factor, and robustness against packet loss (G.113, tables I.1 to I.4).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Codec {
    pub(crate) ie: f32,
    pub(crate) bpl: f32,
}

/// The figures of an encoding; `None` where G.113 has none, so that nothing is made up.
pub(crate) fn codec(encoding: &Encoding) -> Option<Codec> {
    let (ie, bpl) = match encoding {
        // With the concealment that telephones have (G.711 appendix I).
        Encoding::Pcmu | Encoding::Pcma => (0.0, 25.1),
        Encoding::Other(name) => match &**name {
            // G.729A with VAD.
            "G729" => (11.0, 19.0),
            // 6.3 kbit/s with VAD.
            "G723" => (15.0, 16.1),
            // The 12.2 mode of AMR is GSM-EFR (TS 26.071).
            "GSM-EFR" | "AMR" => (5.0, 10.0),
            _ => return None,
        },
        _ => return None,
    };
    Some(Codec { ie, bpl })
}

/// Transmission rating for a share of packets lost (0 to 1) in bursts of `burst_ratio` (clause 3.5, equation 3-29).
pub(crate) fn rating(codec: Codec, loss: f32, burst_ratio: f32) -> f32 {
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    let ratio = burst_ratio.max(1.0);
    let effective = codec.ie + (95.0 - codec.ie) * percent / (percent / ratio + codec.bpl);
    R_DEFAULT - effective
}

/// Mean opinion score of a rating (annex B, equation B-4).
pub(crate) fn mos(r: f32) -> f32 {
    match r {
        ..=0.0 => 1.0,
        100.0.. => 4.5,
        _ => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.107, table B.1, and 4.41 for the default R of 93.2 (clause 7.7).
    #[test]
    fn scores_are_those_of_table_b_1() {
        for (r, published) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (93.2, 4.41)]
        {
            assert!((mos(r) - published).abs() < 0.01, "R {r}: {}", mos(r));
        }
        assert!((mos(-3.0) - 1.0).abs() < f32::EPSILON && (mos(120.0) - 4.5).abs() < f32::EPSILON);
    }

    #[test]
    fn loss_lowers_the_rating_and_bursts_lower_it_more() {
        let g711 = codec(&Encoding::Pcma).expect("figures");
        assert!((rating(g711, 0.0, 1.0) - R_DEFAULT).abs() < 1e-4);
        // 3 % random: 95 * 3 / (3 + 25.1) = 10.14.
        assert!((rating(g711, 0.03, 1.0) - (93.2 - 10.142)).abs() < 0.01);
        assert!(rating(g711, 0.03, 2.0) < rating(g711, 0.03, 1.0));
        let g729 = codec(&Encoding::Other("G729".into())).expect("figures");
        assert!((rating(g729, 0.0, 1.0) - 82.2).abs() < 1e-3, "G.113: Ie of 11");
        assert_eq!(codec(&Encoding::Other("OPUS".into())), None);
    }
}
