//! MTP level 2 frames (Q.703) and level 3 messages (Q.704; ANSI T1.111.4), as captures of signalling links hold them.

use crate::packet::LinkType;

/// A length indicator of 63 says "63 or more" (Q.703, 2.3.3).
const LENGTH_MAX: usize = 63;

/// Whose routing label and ISUP it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Variant {
    /// ITU-T Q.704 and Q.763: point codes of 14 bits.
    Itu,
    /// ANSI T1.111 and T1.113: point codes of 24 bits.
    Ansi,
}

/// The user of level 3 (service indicator, Q.704, 14.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum User {
    /// 3.
    Sccp,
    /// 5.
    Isup,
    /// 13 (Q.1902).
    Bicc,
    /// Management, test, DUP, TUP, …
    Other,
}

impl User {
    pub(crate) const fn of(service_indicator: u8) -> Self {
        match service_indicator {
            3 => Self::Sccp,
            5 => Self::Isup,
            13 => Self::Bicc,
            _ => Self::Other,
        }
    }
}

/// Between which points of which network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label {
    /// Originating point code.
    pub(crate) opc: u32,
    /// Destination point code.
    pub(crate) dpc: u32,
    /// Network indicator (Q.704, 14.2.2): 0 and 1 international, 2 and 3 national.
    pub(crate) network: u8,
}

/// A level 3 message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Transfer<'a> {
    pub(crate) label: Label,
    pub(crate) user: User,
    /// What the capture says of the variant: nothing where M3UA has taken the label apart.
    pub(crate) variant: Option<Variant>,
    pub(crate) payload: &'a [u8],
}

/// The message signal unit in a frame of a captured link. `None` for other links.
pub(crate) fn link(kind: LinkType, frame: &[u8]) -> Option<&[u8]> {
    match kind {
        LinkType::MTP3 => Some(frame),
        LinkType::MTP2 => Some(level_2(frame, false)),
        LinkType::MTP2_WITH_PHDR => {
            // Direction, whether annex A (extended sequence numbers) is used, link number.
            let (header, frame) = frame.split_at_checked(4).unwrap_or_default();
            Some(level_2(frame, header.get(1) == Some(&1)))
        }
        _ => None,
    }
}

/// Q.703, 2.2 and annex A; fill-in and status units come out empty or too short to be anything.
fn level_2(frame: &[u8], extended: bool) -> &[u8] {
    let (length, rest) = if extended {
        let length = frame.get(4..6).map_or(0, |l| usize::from(u16::from_le_bytes([l[0], l[1]]) & 0x1ff));
        (length, frame.get(6..))
    } else {
        (frame.get(2).map_or(0, |l| usize::from(l & 0x3f)), frame.get(3..))
    };
    let rest = rest.unwrap_or_default();
    // Check bits may stand behind; a long unit's end isn't told, and its reader finds its own.
    if length < LENGTH_MAX || extended { rest.get(..length).unwrap_or(rest) } else { rest }
}

/// Reads the service information octet and the routing label. Nothing on a link says which variant it speaks, so the
/// caller says which to read.
pub(crate) fn transfer(octets: &[u8], variant: Variant) -> Option<Transfer<'_>> {
    let (&service, rest) = octets.split_first()?;
    let (label, payload) = match variant {
        Variant::Itu => {
            let (label, payload) = rest.split_first_chunk()?;
            let label = u32::from_le_bytes(*label);
            ((label >> 14 & 0x3fff, label & 0x3fff), payload)
        }
        Variant::Ansi => {
            let (label, payload) = rest.split_first_chunk::<7>()?;
            let [d0, d1, d2, o0, o1, o2, _sls] = *label;
            ((u32::from_le_bytes([o0, o1, o2, 0]), u32::from_le_bytes([d0, d1, d2, 0])), payload)
        }
    };
    let label = Label { opc: label.0, dpc: label.1, network: service >> 6 };
    Some(Transfer { label, user: User::of(service & 15), variant: Some(variant), payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_unit_ends_where_its_length_indicator_says() {
        // Two check octets follow the four of the unit.
        let frame = [0x1d, 0x1d, 4, 0x85, 1, 2, 3, 0xaa, 0xbb];
        assert_eq!(link(LinkType(140), &frame), Some(&[0x85, 1, 2, 3][..]));
        let with_header = [&[0, 0, 0, 1][..], &frame].concat();
        assert_eq!(link(LinkType(139), &with_header), Some(&[0x85, 1, 2, 3][..]));
        assert_eq!(link(LinkType(1), &frame), None);
    }

    #[test]
    fn labels_of_both_variants() {
        let itu = transfer(&[0x85, 0x02, 0x40, 0x00, 0x90, 7], Variant::Itu).expect("label");
        assert_eq!(itu.label, Label { opc: 1, dpc: 2, network: 2 });
        assert_eq!((itu.user, itu.payload), (User::Isup, &[7][..]));
        let ansi = transfer(&[0x83, 1, 2, 3, 4, 5, 6, 0, 9], Variant::Ansi).expect("label");
        assert_eq!(ansi.label, Label { opc: 0x06_05_04, dpc: 0x03_02_01, network: 2 });
        assert_eq!((ansi.user, ansi.payload), (User::Sccp, &[9][..]));
    }

    proptest! {
        #[test]
        fn never_panics(kind in 138u32..143, octets: Vec<u8>) {
            if let Some(unit) = link(LinkType(kind), &octets) {
                let _ = (transfer(unit, Variant::Itu), transfer(unit, Variant::Ansi));
            }
        }
    }
}
