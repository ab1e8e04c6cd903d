//! Targets of a warrant (TS 103 280, 6; names as in TS 103 221-1 `TargetIdentifier`).

use thiserror::Error;

use super::number::{MAX_DIGITS, Number};
use super::uri::Scheme;
use super::{Identity, email, uri};

/// TS 103 280, `InternationalE164`: fewer digits are no subscriber.
const MIN_TARGET_DIGITS: usize = 7;

/// A target identifier, in the normal form that parties of the traffic are brought to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Target(Identity);

/// Why a target is refused. Never holds the value: it goes into logs and answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum TargetError {
    #[error("not of the form that its type asks for")]
    Malformed,
    #[error("not an international number: give country code and number, 7 to 15 digits, as e164Number")]
    NotInternational,
    #[error("names a host and no user: it would select everybody there")]
    NoUser,
    #[error("stands for withheld identities: it would select every anonymous caller")]
    Nobody,
    #[error("target type {0} is refused: {1}")]
    Unsupported(&'static str, &'static str),
    #[error("target type is not one of TS 103 280")]
    UnknownKind,
}

const MOBILE: &str = "the point reads no mobile signalling that carries it";
const ADDRESS: &str =
    "the point has no address assignments, and an address without its period names no subscriber";
const PORT: &str = "a port names no subscriber";
const TUNNEL: &str = "the point reads no tunnel or link identifiers";
const IMS: &str = "give the sipUri or telUri of the subscriber instead";

/// Types that the standards know and that the point can't honour yet, each with its reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("imsi", MOBILE),
    ("imei", MOBILE),
    ("imeiCheckDigit", MOBILE),
    ("imeiSv", MOBILE),
    ("supiImsi", MOBILE),
    ("supiNai", MOBILE),
    ("suci", MOBILE),
    ("gpsiMsisdn", MOBILE),
    ("gpsiNai", MOBILE),
    ("peiImei", MOBILE),
    ("peiImeiSv", MOBILE),
    ("nai", MOBILE),
    ("ipv4Address", ADDRESS),
    ("ipv4Cidr", ADDRESS),
    ("ipv6Address", ADDRESS),
    ("ipv6Cidr", ADDRESS),
    ("ipAddressPort", ADDRESS),
    ("tcpPort", PORT),
    ("tcpPortRange", PORT),
    ("udpPort", PORT),
    ("udpPortRange", PORT),
    ("internationalizedEmailAddress", "give it as emailAddress, which takes any letters"),
    ("macAddress", TUNNEL),
    ("gtpuTunnelId", TUNNEL),
    ("vlanId", TUNNEL),
    ("h323Uri", "the point reads no H.323"),
    ("impi", IMS),
    ("impu", IMS),
];

impl Target {
    /// From a warrant's `type` and `value`.
    pub(crate) fn parse(kind: &str, value: &str) -> Result<Self, TargetError> {
        let identity = match kind {
            "e164Number" => {
                let digits = value.strip_prefix('+').unwrap_or(value).as_bytes();
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(TargetError::Malformed);
                }
                if !(MIN_TARGET_DIGITS..=MAX_DIGITS).contains(&digits.len()) {
                    return Err(TargetError::NotInternational);
                }
                Number::from_digits(digits).map(Identity::Number).ok_or(TargetError::NotInternational)?
            }
            // A SIP URI whose user is an international number is that number: the network reaches the same subscriber
            // whichever host is written behind it.
            "sipUri" if matches!(Scheme::of(value), Some((Scheme::Sip | Scheme::Sips, _))) => {
                uri::of_target(value)?
            }
            "telUri" if matches!(Scheme::of(value), Some((Scheme::Tel, _))) => uri::of_target(value)?,
            "emailAddress" => email::of_target(value)?,
            "sipUri" | "telUri" => return Err(TargetError::Malformed),
            other => {
                let known = UNSUPPORTED.iter().find(|(name, _)| *name == other);
                return Err(
                    known.map_or(TargetError::UnknownKind, |(name, why)| TargetError::Unsupported(name, why))
                );
            }
        };
        if let Identity::Number(number) = &identity
            && number.digits().as_str().len() < MIN_TARGET_DIGITS
        {
            return Err(TargetError::NotInternational);
        }
        Ok(Self(identity))
    }

    /// Whether it is a mail address.
    pub(crate) const fn is_mail(&self) -> bool {
        matches!(self.0, Identity::Mail(_))
    }

    /// What parties are compared with.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;

    #[test]
    fn a_target_equals_its_spellings_on_the_wire() {
        let france = plan("33", "00", "0");
        for (kind, value, wire) in [
            ("e164Number", "+33612345678", "sip:0612345678@h"),
            ("e164Number", "33612345678", "tel:+33-6-12-34-56-78"),
            ("telUri", "tel:+33-612345678", "sip:+33612345678@h;user=phone"),
            ("sipUri", "sip:+33612345678@op.example", "tel:0612345678"),
            ("sipUri", "sips:alice@Example.com", "sip:%61lice@example.com:5060;transport=udp"),
            ("sipUri", "sip:1001@pbx.example", "SIP:1001@PBX.example.;user=phone"),
        ] {
            let target = Target::parse(kind, value).expect(value);
            assert_eq!(Some(target.identity()), france.identity(wire).as_ref(), "{kind} {value}");
        }
    }

    #[test]
    fn refusals_name_their_reason() {
        use TargetError::{Malformed, NoUser, Nobody, NotInternational, UnknownKind};
        for (kind, value, error) in [
            ("e164Number", "0612345678", NotInternational),
            ("e164Number", "+336123", NotInternational),
            ("e164Number", "+3361234567890123", NotInternational),
            ("e164Number", "+33 612345678", Malformed),
            ("e164Number", "", Malformed),
            ("sipUri", "tel:+33612345678", Malformed),
            ("sipUri", "sip:example.com", NoUser),
            ("sipUri", "sip:@example.com", NoUser),
            ("sipUri", "sip:anonymous@anonymous.invalid", Nobody),
            ("sipUri", "sip:0612345678@op.example", NotInternational),
            ("sipUri", "alice@example.com", Malformed),
            ("emailAddress", "Alice <alice@example.com>", Malformed),
            ("emailAddress", "mailto:alice@example.com", Malformed),
            ("emailAddress", "*@example.com", Malformed),
            ("emailAddress", "example.com", Malformed),
            ("emailAddress", "@example.com", NoUser),
            ("telUri", "tel:0612345678;phone-context=+33", NotInternational),
            ("telUri", "tel:112", NotInternational),
            ("e164number", "+33612345678", UnknownKind),
        ] {
            assert_eq!(Target::parse(kind, value), Err(error), "{kind} {value}");
        }
        for (kind, why) in UNSUPPORTED {
            let error = Target::parse(kind, "4711").expect_err("unsupported");
            assert_eq!(error, TargetError::Unsupported(kind, why));
            assert!(error.to_string().contains(kind) && !error.to_string().contains("4711"));
        }
    }
}
