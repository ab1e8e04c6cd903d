//! MAP (TS 29.002): the operations that carry a short message, in all their versions.
//!
//! Version 3 has mo-ForwardSM (46) and mt-ForwardSM (44). Versions 1 and 2 had one forwardSM (46) for both ways; there,
//! and whatever the operation says, the side at which the service centre stands tells the way.

use super::ber::{Element, elements};
use super::sms::Direction;
use super::tcap::Invoke;

/// Operation codes (TS 29.002, 17.5).
const MT_FORWARD_SM: u8 = 44;
const FORWARD_SM: u8 = 46;

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;

/// SM-RP-DA and SM-RP-OA (TS 29.002, 17.7.6): one choice of tags.
const IMSI: u8 = 0x80;
const LMSI: u8 = 0x81;
const MSISDN: u8 = 0x82;
const ROAMING_NUMBER: u8 = 0x83;
const SERVICE_CENTRE_ADDRESS: u8 = 0x84;
const NO_ADDRESS: u8 = 0x85;

/// Who stands at the mobile's side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subscriber {
    /// An MSISDN as parties are written.
    Number(String),
    /// An IMSI.
    Imsi(String),
    /// A local number of a switch (LMSI, MSRN), or nothing.
    Unnamed,
}

/// A short message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ForwardSm<'a> {
    pub(crate) direction: Direction,
    pub(crate) subscriber: Subscriber,
    /// SM-RP-UI: the transfer message.
    pub(crate) tpdu: &'a [u8],
}

/// Whether the operation carries a short message.
pub(crate) const fn is_forward(operation: u8) -> bool {
    matches!(operation, MT_FORWARD_SM | FORWARD_SM)
}

/// Reads the argument of an operation; `None` when it is another one, or damaged.
pub(crate) fn forward_sm<'a>(invoke: &Invoke<'a>) -> Option<ForwardSm<'a>> {
    if !is_forward(invoke.operation) || invoke.parameter.tag != SEQUENCE {
        return None;
    }
    let mut fields = elements(invoke.parameter.value);
    let (destination, originator) = (fields.next()?, fields.next()?);
    let tpdu = fields.next().filter(|e| e.tag == OCTET_STRING)?.value;
    let direction = match (destination.tag, originator.tag) {
        (SERVICE_CENTRE_ADDRESS, _) => Direction::Submit,
        (IMSI | LMSI | ROAMING_NUMBER, _) | (_, SERVICE_CENTRE_ADDRESS) => Direction::Deliver,
        // Later messages of one dialogue name nobody (noSM-RP-DA, noSM-RP-OA): only the operation is left.
        (NO_ADDRESS, _) if invoke.operation == MT_FORWARD_SM => Direction::Deliver,
        (NO_ADDRESS, _) => Direction::Submit,
        _ => return None,
    };
    let subscriber = match direction {
        // Home routing and screening put an IMSI behind the message (TS 29.002, 12.2.2).
        Direction::Submit => match subscriber(originator) {
            Subscriber::Unnamed => fields
                .find(|e| e.tag == OCTET_STRING)
                .map_or(Subscriber::Unnamed, |e| Subscriber::Imsi(digits(e.value))),
            named => named,
        },
        Direction::Deliver => subscriber(destination),
    };
    Some(ForwardSm { direction, subscriber, tpdu })
}

fn subscriber(field: Element<'_>) -> Subscriber {
    match (field.tag, field.value) {
        (IMSI, imsi) if !imsi.is_empty() => Subscriber::Imsi(digits(imsi)),
        (MSISDN, [nature, number @ ..]) => Subscriber::Number(number_text(*nature, digits(number))),
        _ => Subscriber::Unnamed,
    }
}

/// `AddressString` (TS 29.002, 17.7.8): nature of address in bits 5 to 7, 1 international, 2 national.
fn number_text(nature: u8, mut digits: String) -> String {
    match nature >> 4 & 7 {
        1 if !digits.starts_with('0') => digits.insert(0, '+'),
        1 => digits.push_str(";ton=1"),
        2 => digits.push_str(";ton=2"),
        _ => {}
    }
    digits
}

/// TBCD-STRING (TS 29.002, 17.7.8): low half first, 15 fills an odd number up.
fn digits(octets: &[u8]) -> String {
    /// An IMSI has 15 digits, an address at most 38 (ISDN-AddressString, 17.7.8).
    const MAX_OCTETS: usize = 20;
    const SIGNALS: [char; 15] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'a', 'b', 'c'];
    let halves = octets.iter().take(MAX_OCTETS).flat_map(|octet| [octet & 15, octet >> 4]);
    halves.map_while(|half| SIGNALS.get(usize::from(half))).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::ber::tests::built;
    use super::super::tcap::{self, tests::message};
    use super::*;
    use proptest::prelude::*;

    const CENTRE: [u8; 6] = [0x91, 0x33, 0x16, 0x09, 0x00, 0x10];
    const MOBILE: [u8; 7] = [0x91, 0x33, 0x16, 0x32, 0x54, 0x76, 0xf8];
    const IMSI_VALUE: [u8; 8] = [0x02, 0x08, 0x10, 0x32, 0x54, 0x76, 0x98, 0xf0];

    /// A Begin with a short message; `version` 2 uses forwardSM for both ways.
    pub(crate) fn begin(direction: Direction, version: u8, tpdu: &[u8]) -> Vec<u8> {
        let (operation, destination, originator) = match direction {
            Direction::Submit => (FORWARD_SM, built(SERVICE_CENTRE_ADDRESS, &CENTRE), built(MSISDN, &MOBILE)),
            Direction::Deliver => {
                let operation = if version == 3 { MT_FORWARD_SM } else { FORWARD_SM };
                (operation, built(IMSI, &IMSI_VALUE), built(SERVICE_CENTRE_ADDRESS, &CENTRE))
            }
        };
        let fields = [destination, originator, built(OCTET_STRING, tpdu)].concat();
        message(0x62, 0xa1, operation, &built(SEQUENCE, &fields))
    }

    fn read(octets: &[u8]) -> Option<ForwardSm<'_>> {
        tcap::invokes(octets).find_map(|invoke| forward_sm(&invoke))
    }

    #[test]
    fn p47_both_ways_in_versions_1_to_3() {
        for version in 1..=3 {
            let submit = begin(Direction::Submit, version, b"tpdu");
            let read_submit = read(&submit).expect("mo-ForwardSM");
            assert_eq!(read_submit.direction, Direction::Submit, "version {version}");
            assert_eq!(read_submit.subscriber, Subscriber::Number("+33612345678".into()));
            let deliver = begin(Direction::Deliver, version, b"tpdu");
            let read_deliver = read(&deliver).expect("mt-ForwardSM");
            assert_eq!((read_deliver.direction, read_deliver.tpdu), (Direction::Deliver, &b"tpdu"[..]));
            assert_eq!(read_deliver.subscriber, Subscriber::Imsi("208001234567890".into()));
        }
    }

    #[test]
    fn p47_a_message_that_names_nobody_goes_the_way_of_its_operation() {
        let fields = [built(NO_ADDRESS, &[]), built(NO_ADDRESS, &[]), built(OCTET_STRING, b"t")].concat();
        for (operation, direction) in [(44, Direction::Deliver), (46, Direction::Submit)] {
            let octets = message(0x65, 0xa1, operation, &built(SEQUENCE, &fields));
            let found = read(&octets).expect("message");
            assert_eq!((found.direction, found.subscriber), (direction, Subscriber::Unnamed));
        }
    }

    #[test]
    fn p46_an_acknowledgement_is_no_message() {
        // The result of mt-ForwardSM carries SMS-DELIVER-REPORT in its own SM-RP-UI.
        let result = built(SEQUENCE, &built(OCTET_STRING, &[0, 0]));
        assert_eq!(read(&message(0x64, 0xa2, 44, &result)), None);
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, operation in prop::sample::select(vec![44u8, 46])) {
            let _ = read(&octets);
            let _ = read(&message(0x62, 0xa1, operation, &built(SEQUENCE, &octets)));
        }
    }
}
