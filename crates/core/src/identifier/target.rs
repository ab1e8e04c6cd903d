//! Targets of a warrant (TS 103 280, 6; names as in TS 103 221-1 `TargetIdentifier`).

use thiserror::Error;

use super::number::{MAX_DIGITS, Number};
use super::subscriber::{self, Imsi};
use super::uri::Scheme;
use super::{Identity, Prefix, email, uri};

/// TS 103 280, `InternationalE164`: fewer digits are no subscriber.
const MIN_TARGET_DIGITS: usize = 7;

/// The widest network that one target may hold. An enterprise has a /24; a wider one is a town.
const MIN_PREFIX_IPV4: u8 = 24;

/// RIPE-690: nobody is delegated more than a /48; some enterprises hold a few of them.
pub(crate) const MIN_PREFIX_IPV6: u8 = 40;

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
    #[error("a prefix so short holds a population: at least /24 for IPv4, /40 for IPv6")]
    TooWide,
    #[error("target type {0} is refused: {1}")]
    Unsupported(&'static str, &'static str),
    #[error("target type is not one of TS 103 280")]
    UnknownKind,
}

const MOBILE: &str = "the point reads no mobile signalling that carries it";
const ADDRESS: &str = "give the address without a port: a port names no subscriber";
const PORT: &str = "a port names no subscriber";
const TUNNEL: &str = "the point reads no tunnel or link identifiers";
const IMS: &str = "give the sipUri or telUri of the subscriber instead";

/// Types that the standards know and that the point can't honour yet, each with its reason.
const UNSUPPORTED: &[(&str, &str)] = &[
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
    ("ipAddressPort", ADDRESS),
    ("tcpPort", PORT),
    ("tcpPortRange", PORT),
    ("udpPort", PORT),
    ("udpPortRange", PORT),
    ("internationalizedEmailAddress", "give it as emailAddress, which takes any letters"),
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
            "imsi" => {
                Imsi::from_digits(value.as_bytes()).map(Identity::Imsi).ok_or(TargetError::Malformed)?
            }
            "nai" => subscriber::nai(value).map(Identity::Nai).ok_or(TargetError::Malformed)?,
            "macAddress" => subscriber::mac(value).map(Identity::Mac).ok_or(TargetError::Malformed)?,
            "ipv4Address" | "ipv6Address" | "ipv4Cidr" | "ipv6Cidr" => address(kind, value)?,
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

/// An address is the target's for the whole window: the authority vouches for that.
fn address(kind: &str, value: &str) -> Result<Identity, TargetError> {
    let prefix = Prefix::parse(value).ok_or(TargetError::Malformed)?;
    let (is_ipv4, is_prefix) = (kind.starts_with("ipv4"), kind.ends_with("Cidr"));
    if prefix.is_ipv4() != is_ipv4 || value.contains('/') != is_prefix {
        return Err(TargetError::Malformed);
    }
    if prefix.length() < if is_ipv4 { MIN_PREFIX_IPV4 } else { MIN_PREFIX_IPV6 } {
        return Err(TargetError::TooWide);
    }
    Ok(Identity::Address(prefix))
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
        for (kind, value, error) in [
            ("imsi", "20801", Malformed),
            ("imsi", "2080112345678901", Malformed),
            ("nai", "", Malformed),
            ("macAddress", "00:11", Malformed),
            ("ipv4Address", "192.0.2.0/24", Malformed),
            ("ipv4Cidr", "192.0.2.1", Malformed),
            ("ipv4Cidr", "192.0.2.1/24", Malformed),
            ("ipv6Address", "192.0.2.1", Malformed),
            ("ipv4Cidr", "192.0.0.0/16", TargetError::TooWide),
            ("ipv6Cidr", "2001:db8::/32", TargetError::TooWide),
        ] {
            assert_eq!(Target::parse(kind, value), Err(error), "{kind} {value}");
        }
        for (kind, value) in [
            ("imsi", "001010000000001"),
            ("nai", "user@isp.example"),
            ("macAddress", "00-11-22-33-44-55"),
            ("ipv4Address", "192.0.2.1"),
            ("ipv6Cidr", "2001:db8:1::/56"),
        ] {
            assert!(Target::parse(kind, value).is_ok(), "{kind} {value}");
        }
        for (kind, why) in UNSUPPORTED {
            let error = Target::parse(kind, "4711").expect_err("unsupported");
            assert_eq!(error, TargetError::Unsupported(kind, why));
            assert!(error.to_string().contains(kind) && !error.to_string().contains("4711"));
        }
    }
}
