use super::number::Presentation;
use super::*;
use proptest::prelude::*;

/// A number parameter's value: nature, plan octet, digits in hexadecimal.
pub(crate) fn number(nature: u8, plan: u8, digits: &str) -> Vec<u8> {
    let signals: Vec<u8> = digits.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let odd = u8::from(signals.len() % 2 == 1) << 7;
    let packed = signals.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 4);
    [nature | odd, plan].into_iter().chain(packed).collect()
}

/// An IAM (ITU) from its message type on.
pub(crate) fn iam(called: &[u8], optional: &[(u8, &[u8])]) -> Vec<u8> {
    // The optional pointer counts over itself, the length octet and the number.
    let mut out = vec![1, 0x10, 0x60, 0x01, 0x0a, 0x00, 2, called.len() as u8 + 2, called.len() as u8];
    out.extend_from_slice(called);
    for (name, value) in optional {
        out.extend([*name, value.len() as u8]);
        out.extend_from_slice(value);
    }
    out.push(0);
    out
}

fn texts(message: &Message<'_>) -> Vec<(Role, String)> {
    message.numbers().map(|(role, number)| (role, number.text())).collect()
}

#[test]
fn p21_iam_numbers_odd_even_nature_and_st() {
    let called = number(3, 0x10, "0612345678F");
    let calling = number(4, 0x13, "44207946000");
    let octets = iam(&called, &[(0x0a, &calling), (0x28, &number(3, 0x14, "0145678901"))]);
    let message = Message::parse(&octets, Variant::Itu).expect("IAM");
    let read = message.called.expect("called");
    assert_eq!((read.digits().as_str(), read.is_complete()), ("0612345678", true));
    assert_eq!(read.text(), "0612345678;ton=2");
    assert_eq!(
        texts(&message),
        [
            (Role::CallingParty, "+44207946000".to_owned()),
            (Role::OriginalCalled, "0145678901;ton=2".to_owned())
        ]
    );
    let restricted = message.numbers().nth(1).map(|(_, n)| n.presentation);
    assert_eq!(restricted, Some(Presentation::Restricted), "and still told: the network knows it");
}

#[test]
fn p21_codes_11_and_12_are_no_digits_and_an_unavailable_number_is_none() {
    let unavailable = number(0, 0x0b, "");
    let octets = iam(&number(2, 0x10, "B12C"), &[(0x0a, &unavailable)]);
    let message = Message::parse(&octets, Variant::Itu).expect("IAM");
    assert_eq!(message.called.map(|n| (n.text(), n.is_complete())), Some(("B12C".into(), false)));
    assert!(message.calling().is_none());
}

#[test]
fn every_number_has_its_role() {
    let generic = [&[6][..], &number(4, 0x13, "33612345678")].concat();
    let one = number(4, 0x13, "3361");
    let octets = iam(&number(4, 0x10, "491"), &[(0x0b, &one), (0x0c, &one), (0x21, &one), (0xc0, &generic)]);
    let message = Message::parse(&octets, Variant::Itu).expect("IAM");
    let roles: Vec<_> = message.numbers().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Redirecting, Role::Redirection, Role::Connected, Role::GenericNumber]);
}

#[test]
fn ansi_puts_user_service_information_first() {
    let called = number(3, 0x10, "4155552671");
    let mut octets = vec![1, 0x10, 0x60, 0x01, 0x0a, 3, 6, 0, 3, 0x80, 0x90, 0xa2, called.len() as u8];
    octets.extend(&called);
    let message = Message::parse(&octets, Variant::Ansi).expect("IAM");
    assert_eq!(message.called.map(|n| n.digits()).as_deref(), Some("4155552671"));
}

#[test]
fn release_tells_its_cause() {
    let message = Message::parse(&[0x0c, 2, 0, 2, 0x8a, 0x90], Variant::Itu).expect("REL");
    assert_eq!((message.kind, message.cause), (MessageType::Release, Some(16)));
    let with_recommendation = Message::parse(&[0x0c, 2, 0, 3, 0x0a, 0x80, 0x91], Variant::Itu).expect("REL");
    assert_eq!(with_recommendation.cause, Some(17));
}

#[test]
fn alerting_is_told_from_progress() {
    let alerting = |octets: &[u8]| Message::parse(octets, Variant::Itu).expect("message").is_alerting();
    assert!(alerting(&[6, 0x04, 0, 0]) && alerting(&[0x2c, 1, 0]));
    assert!(!alerting(&[6, 0x00, 0, 0]) && !alerting(&[0x2c, 3, 0]));
}

#[test]
fn circuits_of_isup_and_bicc() {
    assert_eq!(circuit(&[0x0e, 0xf0, 1], Variant::Itu, false), Some((14, &[1][..])));
    assert_eq!(circuit(&[0x0e, 0x30, 1], Variant::Ansi, false), Some((0x300e, &[1][..])));
    assert_eq!(circuit(&[18, 0, 0, 1, 1], Variant::Itu, true), Some((0x0100_0012, &[1][..])));
}

#[test]
fn a_pointer_beyond_the_end_is_no_message_and_a_cut_optional_part_is() {
    assert!(Message::parse(&[1, 0, 0, 0, 0, 0, 200, 0], Variant::Itu).is_none());
    let called = number(4, 0x10, "491");
    let octets = iam(&called, &[(0x0a, &number(4, 0x13, "3361")), (0x28, &called)]);
    let message = Message::parse(&octets[..octets.len() - 3], Variant::Itu).expect("IAM");
    assert_eq!(texts(&message).len(), 1, "what was read before the damage stands");
}

proptest! {
    #[test]
    fn never_panics(octets: Vec<u8>, code in 1u8..0x43) {
        for octets in [&octets[..], &[&[code], &octets[..]].concat()] {
            for variant in [Variant::Itu, Variant::Ansi] {
                if let Some(message) = Message::parse(octets, variant) {
                    prop_assert!(message.numbers().count() <= MAX_PARAMETERS);
                }
            }
        }
    }

    #[test]
    fn p21_numbers_round_trip(digits in "[0-9]{1,15}", nature in 0u8..5) {
        let octets = iam(&number(nature, 0x10, &digits), &[(0x0a, &number(nature, 0x13, &digits))]);
        let message = Message::parse(&octets, Variant::Itu).expect("IAM");
        prop_assert_eq!(message.called.map(|n| n.digits()), Some(digits.clone()));
        prop_assert_eq!(message.calling().map(|n| n.digits()), Some(digits));
    }
}
