//! SIP and tel URIs, and the bare addresses of short messages, brought to one normal form.
//!
//! What nearly all parties of a network's calls are is read by `look_up.rs` instead, and must mean the same here.

use super::number::Number;
use super::plan::{MIN_DIALLED, NumberingPlan};
use super::{Identity, target::TargetError};

/// Characters of a subscriber string: 15 digits of E.164 with international and carrier prefix, `+`, and `*31#`.
/// A longer string is no telephone number and stays a URI.
const MAX_SUBSCRIBER: usize = 40;

/// Codes that withhold or send the caller's number for one call (TS 22.030, 6.5.5 with TS 22.081): dialled before the
/// number, no part of it.
const CLIR_PREFIXES: [&[u8]; 2] = [b"*31#", b"#31#"];

/// TS 23.040, 9.1.2.5: type of number.
const TON_INTERNATIONAL: u8 = 1;
const TON_NATIONAL: u8 = 2;
const TON_ALPHANUMERIC: u8 = 5;

impl NumberingPlan {
    /// Brings a URI, or the address of a short message, to normal form. `None` for an empty one.
    pub(crate) fn identity(&self, uri: &str) -> Option<Identity> {
        self.plain(uri).map(Identity::Number).or_else(|| self.any(uri))
    }

    pub(super) fn any(&self, uri: &str) -> Option<Identity> {
        let uri = uri.trim();
        match Scheme::of(uri) {
            Some((Scheme::Sip, rest)) => sip(rest, DEFAULT_SIP_PORT, Some(self)),
            Some((Scheme::Sips, rest)) => sip(rest, DEFAULT_SIPS_PORT, Some(self)),
            Some((Scheme::Tel, rest)) => tel(rest, Some(self)),
            None => match uri.rsplit_once(";ton=") {
                Some((address, ton)) => self.address(address, ton.parse().unwrap_or(0)),
                None => self.address(uri, 0),
            },
        }
    }

    /// The address of a short message with its type of number (TS 23.040, 9.1.2.5; SMPP 3.4, 5.2.5).
    pub(crate) fn address(&self, address: &str, ton: u8) -> Option<Identity> {
        if address.is_empty() {
            return None;
        }
        if ton == TON_ALPHANUMERIC {
            return Some(Identity::Uri(address.into()));
        }
        let Some(subscriber) = Subscriber::read(address.as_bytes(), Separators::Forbidden) else {
            return Some(Identity::Uri(address.into()));
        };
        let digits = subscriber.digits();
        let number = match digits {
            None => None,
            Some(digits) if subscriber.global || ton == TON_INTERNATIONAL => Number::from_digits(digits)
                // Senders exist that declare `international` and write `0033…`: no country code begins with 0.
                .or_else(|| if subscriber.global { None } else { self.dialled(digits) }),
            Some(digits) if ton == TON_NATIONAL => self.national(digits),
            Some(digits) => self.dialled(digits),
        };
        Some(
            number.map_or_else(
                || Identity::Uri(format!("tel:{}", subscriber.as_str()).into()),
                Identity::Number,
            ),
        )
    }
}

const DEFAULT_SIP_PORT: u16 = 5060;
const DEFAULT_SIPS_PORT: u16 = 5061;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Sip,
    Sips,
    Tel,
}

impl Scheme {
    pub(super) fn of(uri: &str) -> Option<(Self, &str)> {
        let (scheme, rest) = uri.split_once(':')?;
        let scheme = if scheme.eq_ignore_ascii_case("sip") {
            Self::Sip
        } else if scheme.eq_ignore_ascii_case("sips") {
            Self::Sips
        } else if scheme.eq_ignore_ascii_case("tel") {
            Self::Tel
        } else {
            return None;
        };
        Some((scheme, rest))
    }
}

/// A target's URI: there is no plan, because a warrant means the same at every trunk.
pub(super) fn of_target(uri: &str) -> Result<Identity, TargetError> {
    match Scheme::of(uri) {
        Some((Scheme::Sip | Scheme::Sips, rest)) => {
            let parts = SipParts::split(rest);
            let user = parts.user.ok_or(TargetError::NoUser)?;
            if parts.host.is_empty() {
                return Err(TargetError::Malformed);
            }
            if user.eq_ignore_ascii_case("anonymous") || parts.host.to_ascii_lowercase().ends_with(".invalid")
            {
                return Err(TargetError::Nobody);
            }
            let core = user.split(';').next().unwrap_or(user);
            let local = Subscriber::read(core.as_bytes(), Separators::Allowed)
                .is_some_and(|s| !s.global && s.digits().is_some_and(|d| d.len() >= MIN_DIALLED));
            if local {
                return Err(TargetError::NotInternational);
            }
            let port =
                if uri[..4].eq_ignore_ascii_case("sips") { DEFAULT_SIPS_PORT } else { DEFAULT_SIP_PORT };
            sip(rest, port, None).ok_or(TargetError::Malformed)
        }
        Some((Scheme::Tel, rest)) => match tel(rest, None) {
            Some(Identity::Number(number)) => Ok(Identity::Number(number)),
            _ => Err(TargetError::NotInternational),
        },
        None => Err(TargetError::Malformed),
    }
}

/// RFC 3261, 19.1.1.
struct SipParts<'a> {
    user: Option<&'a str>,
    host: &'a str,
    parameters: &'a str,
}

impl<'a> SipParts<'a> {
    fn split(rest: &'a str) -> Self {
        // Only the user part may hold `;` or `?` before an `@`, and nothing behind it may hold an `@` (RFC 3261, 25.1).
        let (user, after) = match rest.rsplit_once('@') {
            Some((user, after)) => (Some(user), after),
            // `sip:+33612345678` without host: seen on the wire, and no host begins with `+`.
            None if rest.starts_with('+') => (Some(rest), ""),
            None => (None, rest),
        };
        let end = after.find([';', '?']).unwrap_or(after.len());
        let (host, parameters) = after.split_at(end);
        // The password has no part in who somebody is; deprecated since RFC 3261, 19.1.1.
        let user = user.map(|user| user.split_once(':').map_or(user, |(name, _)| name));
        let user = user.filter(|user| !user.is_empty());
        Self { user, host, parameters }
    }

    fn is_phone(&self) -> bool {
        self.parameters.split([';', '?']).any(|p| p.eq_ignore_ascii_case("user=phone"))
    }
}

fn sip(rest: &str, default_port: u16, plan: Option<&NumberingPlan>) -> Option<Identity> {
    let parts = SipParts::split(rest);
    if let Some(user) = parts.user {
        let separators = if parts.is_phone() { Separators::Allowed } else { Separators::Forbidden };
        let (core, parameters) = split_parameters(user);
        if let Some(number) =
            Subscriber::read(core.as_bytes(), separators).and_then(|s| s.number(parameters, plan))
        {
            return Some(Identity::Number(number));
        }
    }
    let mut out = String::with_capacity(rest.len() + 5);
    out.push_str("sip:");
    if let Some(user) = parts.user {
        push_unescaped(user, &mut out);
        out.push('@');
    }
    push_host(parts.host, default_port, &mut out);
    (out != "sip:").then(|| Identity::Uri(out.into()))
}

/// RFC 3966.
fn tel(rest: &str, plan: Option<&NumberingPlan>) -> Option<Identity> {
    let (core, parameters) = split_parameters(rest);
    if core.is_empty() {
        return None;
    }
    let subscriber = Subscriber::read(core.as_bytes(), Separators::Allowed);
    if let Some(number) = subscriber.as_ref().and_then(|s| s.number(parameters, plan)) {
        return Some(Identity::Number(number));
    }
    let mut out =
        format!("tel:{}", subscriber.as_ref().map_or(core, Subscriber::as_str)).to_ascii_lowercase();
    if let Some(context) = phone_context(parameters) {
        out.push_str(";phone-context=");
        out.push_str(&context.to_ascii_lowercase());
    }
    Some(Identity::Uri(out.into()))
}

fn split_parameters(text: &str) -> (&str, &str) {
    text.split_once(';').unwrap_or((text, ""))
}

/// `phone-context` alone matters: `rn`, `cic` and `npdi` (RFC 4694) say where a call is routed, not who is called;
/// `ext` and `isub` name something behind the number.
fn phone_context(parameters: &str) -> Option<&str> {
    const NAME: &str = "phone-context=";
    parameters.split(';').find_map(|p| {
        let (name, value) = (p.get(..NAME.len())?, p.get(NAME.len()..)?);
        (name.eq_ignore_ascii_case(NAME) && !value.is_empty()).then_some(value)
    })
}

/// Visual separators belong to the tel URI and to `user=phone` alone (RFC 3966, 5.1.1; RFC 3261, 19.1.6): elsewhere
/// `06-12@pbx` is somebody's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separators {
    Allowed,
    Forbidden,
}

/// A telephone-subscriber: digits, `*` and `#`, with the escapes, separators and CLIR prefix taken off.
struct Subscriber {
    octets: [u8; MAX_SUBSCRIBER],
    start: usize,
    end: usize,
    /// Began with `+`.
    global: bool,
}

impl Subscriber {
    fn read(text: &[u8], separators: Separators) -> Option<Self> {
        let mut out = Self { octets: [0; MAX_SUBSCRIBER], start: 0, end: 0, global: false };
        for octet in Unescaped(text) {
            match octet {
                b'-' | b'.' | b'(' | b')' if separators == Separators::Allowed => continue,
                b'0'..=b'9' | b'*' | b'#' | b'+' => {}
                _ => return None,
            }
            *out.octets.get_mut(out.end)? = octet;
            out.end += 1;
        }
        if CLIR_PREFIXES.iter().any(|p| out.as_octets().starts_with(p)) {
            out.start += CLIR_PREFIXES[0].len();
        }
        if out.as_octets().first() == Some(&b'+') {
            out.start += 1;
            out.global = true;
        }
        (out.start < out.end && !out.as_octets().contains(&b'+')).then_some(out)
    }

    fn as_octets(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_octets()).unwrap_or_default()
    }

    /// The digits, if there is nothing else.
    fn digits(&self) -> Option<&[u8]> {
        Some(self.as_octets()).filter(|o| o.iter().all(u8::is_ascii_digit))
    }

    fn number(&self, parameters: &str, plan: Option<&NumberingPlan>) -> Option<Number> {
        let digits = self.digits()?;
        if self.global {
            return Number::from_digits(digits);
        }
        let plan = plan?;
        match phone_context(parameters) {
            // RFC 3966, 5.1.5: a context of digits is put before the number, …
            Some(context) if context.starts_with(['+', '%']) => {
                let context = Self::read(context.as_bytes(), Separators::Allowed).filter(|c| c.global)?;
                plan.in_context(Number::from_digits(context.digits()?)?, digits)
            }
            // … a domain names the network whose dialling rules hold: the home network's, as IMS handsets send it.
            _ => plan.dialled(digits),
        }
    }
}

/// Octets with `%XX` resolved; a `%` that begins no escape stands for itself.
struct Unescaped<'a>(&'a [u8]);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (octet, used) = match *self.0 {
            [b'%', high, low, ..] => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            [octet, ..] => (octet, 1),
            [] => return None,
        };
        self.0 = &self.0[used..];
        Some(octet)
    }
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).map(|d| d as u8)
}

/// RFC 3261, 19.1.4: an escaped character equals the character. Those that would change how the URI is split
/// (`@ : ; ? %`), controls and space stay escaped; a user whose escapes are no UTF-8 stays as written.
fn push_unescaped(user: &str, out: &mut String) {
    if !user.contains('%') {
        return out.push_str(user);
    }
    let mut octets = Vec::with_capacity(user.len());
    let mut rest = user.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (plain, tail) = rest.split_at(at);
        octets.extend_from_slice(plain);
        let mut unescaped = Unescaped(tail);
        let octet = unescaped.next().unwrap_or(b'%');
        if tail.len() - unescaped.0.len() == 1 {
            // No escape, and none may come of it: `%0%61` would become `%0a`.
            octets.extend(b"%25");
        } else if matches!(octet, b'@' | b':' | b';' | b'?' | b'%' | 0..=b' ' | 0x7f) {
            octets.extend(tail[..tail.len() - unescaped.0.len()].iter().map(u8::to_ascii_uppercase));
        } else {
            octets.push(octet);
        }
        rest = unescaped.0;
    }
    octets.extend_from_slice(rest);
    out.push_str(std::str::from_utf8(&octets).unwrap_or(user));
}

fn push_host(host: &str, default_port: u16, out: &mut String) {
    // An IPv6 reference holds colons of its own (RFC 3261, 25.1).
    let after_address = host.rfind(']').map_or(0, |at| at + 1);
    let (name, port) = match host[after_address..].find(':') {
        Some(at) => (&host[..after_address + at], &host[after_address + at + 1..]),
        None => (host, ""),
    };
    out.push_str(&name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase());
    if !port.is_empty() && port.parse() != Ok(default_port) {
        out.push(':');
        out.push_str(port);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;
    use proptest::prelude::*;

    const NUMBER: &str = "33612345678";

    fn read(uri: &str) -> String {
        plan("33", "00", "0").identity(uri).map_or_else(String::new, |i| i.text().into())
    }

    #[test]
    fn p23_spellings_of_one_number() {
        for uri in [
            "+33612345678",
            "0033612345678",
            "0612345678",
            "*31#0612345678",
            "#31#+33612345678",
            "612345678;ton=2",
            "0612345678;ton=2",
            "33612345678;ton=1",
            "+33612345678;ton=1",
            "0033612345678;ton=1",
            "tel:+33612345678",
            "TEL:+33612345678",
            "tel:+33-6-12-34-56-78",
            "tel:+33.6.12.34.56.78",
            "tel:+33(6)12345678",
            "tel:0612345678",
            "tel:06-12-34-56-78",
            "tel:0033612345678",
            "tel:0612345678;phone-context=+33",
            "tel:612345678;phone-context=+33",
            "tel:0612345678;Phone-Context=+33",
            "tel:0612345678;phone-context=%2B33",
            "tel:0612345678;phone-context=ims.mnc001.mcc208.3gppnetwork.org",
            "tel:+33612345678;ext=123",
            "tel:+33612345678;isub=12345",
            "tel:+33612345678;npdi;rn=+33990",
            "tel:*31#0612345678",
            "tel:%2331%230612345678",
            "sip:+33612345678@op.example;user=phone",
            "sip:+33612345678@op.example",
            "sip:+33612345678@192.0.2.1:5060",
            "sip:+33612345678@[2001:db8::1]:5060;transport=tcp",
            "sip:+33612345678",
            "SIP:+33612345678@OP.EXAMPLE;USER=PHONE",
            "sips:+33612345678@op.example",
            "sip:%2B33612345678@op.example",
            "sip:%2b33612345678@op.example",
            "sip:+3361234567%38@op.example",
            "sip:0033612345678@op.example",
            "sip:0612345678@op.example",
            "sip:0612345678@op.example;user=phone",
            "sip:06.12.34.56.78@op.example;user=phone",
            "sip:+33-6-12-34-56-78@op.example;user=phone",
            "sip:+33612345678:secret@op.example",
            "sip:+33612345678;npdi;rn=+33990@op.example;user=phone",
            "sip:+33612345678;rn=0612340000;npdi@op.example",
            "sip:+33612345678;phone-context=+49@op.example",
            "sip:0612345678;phone-context=+33@op.example;user=phone",
            "sip:*31%230612345678@op.example;user=phone",
            "sip:#31#0612345678@op.example",
            "sip:+33612345678@op.example?Subject=x",
            " sip:+33612345678@op.example ",
        ] {
            assert_eq!(read(uri), NUMBER, "{uri}");
        }
    }

    #[test]
    fn p23_p24_near_misses_are_somebody_else() {
        for uri in [
            "612345678",
            "33612345678",
            "0612345678;ton=5",
            "+330612345678",
            "+336123456789",
            "+3361234567",
            "+133612345678",
            "00033612345678",
            "000612345678",
            "tel:612345678",
            "tel:0612345678;phone-context=+44",
            "tel:+33612345679",
            "sip:33612345678@op.example;user=phone",
            "sip:612345678@op.example",
            "sip:+33-6-12-34-56-78@op.example",
            "sip:06.12.34.56.78@op.example",
            "sip:x+33612345678@op.example",
            "sip:+33612345678x@op.example",
            "sip:alice@+33612345678.example",
            "sip:alice;rn=+33612345678@op.example",
            "sip:1001;phone-context=+33612345678@op.example",
            "sip:+33 612345678@op.example",
            "sip:++33612345678@op.example",
            "sip:*21#0612345678@op.example",
            "sip:٠٦١٢٣٤٥٦٧٨@op.example",
            "sip:%252B33612345678@op.example",
            "+33612345678@op.example",
            "mailto:+33612345678@op.example",
            "tel:+33612345678.5",
            "tel:+44612345678",
            "tel:+3312345678",
            "tel:+33612345687",
            "tel:0612345678;phone-context=+49",
            "sip:0633612345678@op.example",
            "sip:+33612345678*1@op.example",
            "sip:5678@op.example",
            "sip:345678@op.example;user=phone",
            "sip:alice@op.example;phone=+33612345678",
            "",
            "sip:",
            "tel:",
        ] {
            assert_ne!(read(uri), NUMBER, "{uri}");
        }
    }

    #[test]
    fn sip_uris_in_normal_form() {
        for (written, normal) in [
            ("SIPS:alice@Example.COM.:5061;transport=tls?x=y", "sip:alice@example.com"),
            ("sip:alice@example.com:5060", "sip:alice@example.com"),
            ("sip:alice@example.com:5070", "sip:alice@example.com:5070"),
            ("sip:alice@[2001:DB8::1]:5060", "sip:alice@[2001:db8::1]"),
            ("sip:%61lice@example.com", "sip:alice@example.com"),
            ("sip:Alice@example.com", "sip:Alice@example.com"),
            ("sip:a%3ab%40c@example.com", "sip:a%3Ab%40c@example.com"),
            ("sip:alice;day=tuesday@atlanta.com", "sip:alice;day=tuesday@atlanta.com"),
            ("sip:1001@pbx", "sip:1001@pbx"),
            ("sip:%ff@h", "sip:%ff@h"),
            ("sip:op.example", "sip:op.example"),
            ("tel:10-01;phone-context=Pbx.Example", "tel:1001;phone-context=pbx.example"),
            ("tel:112", "tel:112"),
            ("sip::@.", ""),
            ("122", "tel:122"),
            ("*100#", "tel:*100#"),
            ("MyBank", "MyBank"),
            ("alice@example.com", "alice@example.com"),
        ] {
            assert_eq!(read(written), normal, "{written}");
        }
    }

    #[test]
    fn the_trunk_decides_what_a_prefix_means() {
        let britain = plan("44", "00", "0");
        assert_eq!(britain.identity("sip:0612345678@h").expect("one").text().as_ref(), "44612345678");
        assert_eq!(britain.identity("sip:+33612345678@h").expect("one").text().as_ref(), NUMBER);
    }

    proptest! {
        #[test]
        fn never_panics(uri in "\\PC*") {
            let _ = read(&uri);
            let _ = of_target(&uri);
        }

        #[test]
        fn never_panics_near_the_grammar(uri in "(sip|sips|tel):[+%0-9a-f;=@:.\\[\\]*#?é-]{0,60}") {
            let _ = read(&uri);
            let _ = of_target(&uri);
        }

        #[test]
        fn normal_form_is_stable(user in "[a-z%;0-9:+-]{1,12}", host in "[A-Za-z.]{1,12}") {
            let once = read(&format!("sip:{user}@{host}"));
            if once.starts_with("sip:") && !once.ends_with('.') {
                prop_assert_eq!(read(&once), once);
            }
        }

        #[test]
        fn all_spellings_are_one_and_no_other_digit_is(
            national in "[1-9][0-9]{8}", spelling in 0usize..8, at in 0usize..9, other in 1u8..10,
        ) {
            let spell = |n: &str| match spelling {
                0 => format!("sip:+33{n}@h;user=phone"),
                1 => format!("sip:0033{n}@h"),
                2 => format!("sip:0{n}@h"),
                3 => format!("tel:+33-{n}"),
                4 => format!("tel:0{n};phone-context=+33"),
                5 => format!("sip:+33{n};npdi;rn=+33990@h;user=phone"),
                6 => format!("sip:%2B33{n}@h"),
                _ => format!("{n};ton=2"),
            };
            let number = format!("33{national}");
            prop_assert_eq!(read(&spell(&national)), number.clone());
            let mut wrong = national.into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + other) % 10;
            let wrong = String::from_utf8(wrong).expect("digits");
            prop_assert_ne!(read(&spell(&wrong)), number.clone());
            prop_assert_ne!(read(&spell(&wrong[1..])), number);
        }
    }
}
