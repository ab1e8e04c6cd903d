//! The user adaptation layers that carry SS7 over SCTP: M3UA (RFC 4666 and the drafts before RFC 3332), M2UA (RFC 3331),
//! M2PA (RFC 4165). Each gives a level 3 message; what manages associations isn't read.

use super::cursor::Cursor;
use super::mtp3::{Label, Transfer, User};

/// Which layer a message is of, by its payload protocol identifier (IANA) or, where a stack sends none, its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layer {
    M2ua,
    M3ua,
    M2pa,
}

impl Layer {
    pub(crate) const fn of(ppid: u32, ports: [u16; 2]) -> Option<Self> {
        // Some stacks write the identifier in their own byte order.
        match if ppid > 0xff { ppid.swap_bytes() } else { ppid } {
            2 => Some(Self::M2ua),
            3 => Some(Self::M3ua),
            5 => Some(Self::M2pa),
            0 => match ports {
                [2904, _] | [_, 2904] => Some(Self::M2ua),
                [2905, _] | [_, 2905] => Some(Self::M3ua),
                [3565, _] | [_, 3565] => Some(Self::M2pa),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a message carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carried<'a> {
    /// A level 3 message whose label was taken apart (M3UA).
    Transfer(Transfer<'a>),
    /// Service information octet, routing label, payload.
    Unit(&'a [u8]),
    /// The layer's own business.
    Management,
}

/// RFC 4666, 1.4.1; RFC 4165, 2.1.
const VERSION: u8 = 1;
/// Message classes and types.
const TRANSFER_DATA: (u8, u8) = (1, 1);
const MAUP_DATA: (u8, u8) = (6, 1);
const M2PA_USER_DATA: (u8, u8) = (11, 1);

/// Parameters: Protocol Data of RFC 4666, and the two of the drafts before, which held the unit as on a link.
const M3UA_PROTOCOL_DATA: u16 = 0x0210;
const DRAFT_PROTOCOL_DATA: u16 = 2;
const DRAFT_PROTOCOL_DATA_TTC: u16 = 3;
/// Protocol Data 1 and, behind a length indicator, 2 of RFC 3331.
const M2UA_PROTOCOL_DATA: u16 = 0x0300;
const M2UA_PROTOCOL_DATA_TTC: u16 = 0x0301;

/// Reads a message; `None` when it is damaged or of another version.
pub(crate) fn read(layer: Layer, octets: &[u8]) -> Option<Carried<'_>> {
    let mut cursor = Cursor(octets);
    if cursor.u8()? != VERSION {
        return None;
    }
    cursor.u8()?;
    let kind = (cursor.u8()?, cursor.u8()?);
    let length = cursor.u32()? as usize;
    let body = octets.get(8..length.min(octets.len()))?;
    match (layer, kind) {
        (Layer::M3ua, TRANSFER_DATA) => parameters(body).find_map(|(tag, value)| match tag {
            M3UA_PROTOCOL_DATA => protocol_data(value).map(Carried::Transfer),
            DRAFT_PROTOCOL_DATA => Some(Carried::Unit(value)),
            DRAFT_PROTOCOL_DATA_TTC => Some(Carried::Unit(value.get(1..)?)),
            _ => None,
        }),
        (Layer::M2ua, MAUP_DATA) => parameters(body).find_map(|(tag, value)| match tag {
            M2UA_PROTOCOL_DATA => Some(Carried::Unit(value)),
            M2UA_PROTOCOL_DATA_TTC => Some(Carried::Unit(value.get(1..)?)),
            _ => None,
        }),
        // Backward and forward sequence numbers, then priority, then the unit; an empty one only acknowledges.
        (Layer::M2pa, M2PA_USER_DATA) => Some(match body.get(8..)? {
            [] => Carried::Management,
            [_priority, unit @ ..] => Carried::Unit(unit),
        }),
        _ => Some(Carried::Management),
    }
}

/// Tag, length with both fields, value, padding (RFC 4666, 3.2).
fn parameters(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let [t0, t1, l0, l1, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_be_bytes([t0, t1]), value))
    })
}

/// RFC 4666, 3.3.1.
fn protocol_data(octets: &[u8]) -> Option<Transfer<'_>> {
    let mut cursor = Cursor(octets);
    let (opc, dpc) = (cursor.u32()?, cursor.u32()?);
    let &[indicator, network, _priority, _selection] = cursor.take(4)?.first_chunk::<4>()?;
    let label = Label { opc, dpc, network: network & 3 };
    Some(Transfer { label, user: User::of(indicator), variant: None, payload: cursor.0 })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An M3UA DATA message.
    pub(crate) fn m3ua(label: Label, service_indicator: u8, payload: &[u8]) -> Vec<u8> {
        let mut value = [label.opc.to_be_bytes(), label.dpc.to_be_bytes()].concat();
        value.extend([service_indicator, label.network, 0, 0]);
        value.extend_from_slice(payload);
        let mut body = vec![0, 6, 0, 8, 0, 0, 1, 0x36];
        body.extend([2, 0x10]);
        body.extend((4 + value.len() as u16).to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
        [&[1, 0, 1, 1][..], &(8 + body.len() as u32).to_be_bytes(), &body].concat()
    }

    #[test]
    fn rfc_4666_data_behind_a_routing_context() {
        let label = Label { opc: 329_729, dpc: 75_781, network: 2 };
        let octets = m3ua(label, 13, b"xyz");
        let Some(Carried::Transfer(read)) = read(Layer::M3ua, &octets) else { panic!("no transfer") };
        assert_eq!((read.label, read.user, read.payload), (label, User::Bicc, &b"xyz"[..]));
    }

    #[test]
    fn units_of_the_other_layers() {
        let draft = [1, 0, 1, 1, 0, 0, 0, 15, 0, 2, 0, 7, 0x85, 1, 2, 0];
        assert_eq!(read(Layer::M3ua, &draft), Some(Carried::Unit(&[0x85, 1, 2])));
        let m2ua = [1, 0, 6, 1, 0, 0, 0, 15, 3, 0, 0, 7, 0x85, 1, 2, 0];
        assert_eq!(read(Layer::M2ua, &m2ua), Some(Carried::Unit(&[0x85, 1, 2])));
        let m2pa = [1, 0, 11, 1, 0, 0, 0, 19, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x85, 1];
        assert_eq!(read(Layer::M2pa, &m2pa), Some(Carried::Unit(&[0x85, 1])));
        let acknowledgement = [1, 0, 11, 1, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(read(Layer::M2pa, &acknowledgement), Some(Carried::Management));
    }

    #[test]
    fn the_identifier_decides_and_the_port_only_without_one() {
        assert_eq!(Layer::of(3, [1, 2]), Some(Layer::M3ua));
        assert_eq!(Layer::of(0x0300_0000, [1, 2]), Some(Layer::M3ua));
        assert_eq!(Layer::of(0, [2905, 9]), Some(Layer::M3ua));
        assert_eq!(Layer::of(46, [2905, 2905]), None);
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            for layer in [Layer::M2ua, Layer::M3ua, Layer::M2pa] {
                let _ = read(layer, &octets);
            }
        }

        #[test]
        fn transfers_round_trip(opc: u32, dpc: u32, network in 0u8..4, payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let label = Label { opc, dpc, network };
            let octets = m3ua(label, 5, &payload);
            let Some(Carried::Transfer(read)) = read(Layer::M3ua, &octets) else { panic!("no transfer") };
            prop_assert_eq!((read.label, read.payload), (label, &payload[..]));
        }
    }
}
