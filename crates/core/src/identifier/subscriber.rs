//! Identities of subscribers of an access network: IMSI, user name, hardware address.

use std::fmt;

/// TS 23.003, 2.2: at most 15 digits. MCC and MNC have five or six, and a subscriber at least one.
const IMSI_DIGITS: std::ops::RangeInclusive<usize> = 6..=15;

/// RFC 7542, 2.3: what RADIUS can carry (RFC 2865, 5.1).
const MAX_NAI: usize = 253;

/// An international mobile subscription identity. Test networks begin with 0, so a 1 stands before the digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Imsi(u64);

impl Imsi {
    /// From ASCII digits.
    pub(crate) fn from_digits(digits: &[u8]) -> Option<Self> {
        if !IMSI_DIGITS.contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Self(digits.iter().fold(1, |value, d| value * 10 + u64::from(d - b'0'))))
    }

    /// The digits.
    pub(crate) fn text(self) -> String {
        self.0.to_string().split_off(1)
    }
}

impl fmt::Debug for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Imsi(«redacted»)")
    }
}

/// A user name in normal form: the realm of an NAI is compared without regard to case, the user with (RFC 7542, 2.4).
/// `None` for one that is empty, too long or holds control characters.
pub(crate) fn nai(name: &str) -> Option<Box<str>> {
    if name.is_empty() || name.len() > MAX_NAI || name.chars().any(char::is_control) {
        return None;
    }
    Some(match name.rsplit_once('@') {
        Some((user, realm)) => format!("{user}@{}", realm.to_ascii_lowercase()).into(),
        None => name.into(),
    })
}

/// `00-14-22-E9-54-5E`, `00:14:22:e9:54:5e`, `0014.22e9.545e` or `001422e9545e` (RFC 3580, 3.21 and what is sent).
pub(crate) fn mac(text: &str) -> Option<[u8; 6]> {
    let groups = match text.len() {
        17 => text.bytes().enumerate().all(|(i, b)| (i % 3 == 2) == matches!(b, b'-' | b':')),
        14 => text.bytes().enumerate().all(|(i, b)| (i % 5 == 4) == (b == b'.')),
        12 => true,
        _ => false,
    };
    let mut digits = text.chars().filter_map(|c| c.to_digit(16));
    let mut mac = [0; 6];
    for octet in &mut mac {
        *octet = (digits.next()? << 4 | digits.next()?) as u8;
    }
    (groups && digits.next().is_none()).then_some(mac)
}

/// `00:14:22:e9:54:5e` (TS 103 280, `MACAddress`).
pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|b| format!("{b:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_hardware_address_are_one() {
        for text in ["00-14-22-E9-54-5E", "00:14:22:e9:54:5e", "0014.22e9.545e", "001422e9545e"] {
            assert_eq!(mac(text).map(mac_text).as_deref(), Some("00:14:22:e9:54:5e"), "{text}");
        }
        for bad in
            ["00-14-22-E9-54", "33612345678", "336123456789x", "00-14-22-E9-54-5g", "0-014-22-E9-54-5E"]
        {
            assert!(mac(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_realm_has_no_case_and_a_user_has() {
        assert_eq!(nai("User@ISP.Example"), nai("User@isp.example"));
        assert_ne!(nai("User@isp.example"), nai("user@isp.example"));
        assert!(nai("").is_none() && nai("a\0").is_none());
    }

    proptest! {
        #[test]
        fn imsis_round_trip(digits in "[0-9]{6,15}") {
            let imsi = Imsi::from_digits(digits.as_bytes()).expect("IMSI");
            prop_assert_eq!(imsi.text(), digits);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = (mac(&text), nai(&text), Imsi::from_digits(text.as_bytes()));
        }
    }
}
