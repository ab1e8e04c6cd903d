//! ISUP messages (Q.763; ANSI T1.113) and those of BICC (Q.1902.3), which differ in their circuit identification only.
//! A SIP-I body (RFC 3204) is the same without it.

mod layout;
mod number;

pub(crate) use layout::MessageType;
pub(crate) use number::{Nature, Number, text};

use super::cursor::Cursor;
use super::mtp3::Variant;
use crate::product::Role;
use layout::Layout;

/// Most optional parameters that are looked at. Messages of real switches have up to twenty; all of them fit 272 octets,
/// but BICC and SIP-I know no such limit.
const MAX_PARAMETERS: usize = 64;

/// Parameter names (Q.763, table 5) that tell who takes part, or why a call ended.
mod parameter {
    pub(super) const CALLED_PARTY_NUMBER: u8 = 0x04;
    pub(super) const CALLING_PARTY_NUMBER: u8 = 0x0a;
    pub(super) const REDIRECTING_NUMBER: u8 = 0x0b;
    pub(super) const REDIRECTION_NUMBER: u8 = 0x0c;
    pub(super) const CAUSE_INDICATORS: u8 = 0x12;
    pub(super) const CONNECTED_NUMBER: u8 = 0x21;
    pub(super) const ORIGINAL_CALLED_NUMBER: u8 = 0x28;
    pub(super) const GENERIC_NUMBER: u8 = 0xc0;
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageType,
    /// The mandatory fixed part, in the order of Q.763, 4.
    pub(crate) fixed: &'a [u8],
    /// Called party number of an IAM.
    pub(crate) called: Option<Number<'a>>,
    /// Subsequent number of a SAM.
    pub(crate) subsequent: Option<Number<'a>>,
    /// Cause value (Q.850) of a REL, CPG or ACM.
    pub(crate) cause: Option<u8>,
    /// Circuits behind the one that a group reset names (range of range and status, Q.763, 3.43).
    pub(crate) range: u8,
    optional: &'a [u8],
}

/// Splits the circuit identification code off: 12 bits (14 in ANSI), or the 32 of BICC's call instance.
pub(crate) fn circuit(octets: &[u8], variant: Variant, bicc: bool) -> Option<(u32, &[u8])> {
    let mut cursor = Cursor(octets);
    let code = if bicc {
        u32::from_le_bytes(*cursor.take(4)?.first_chunk()?)
    } else {
        let bits = if variant == Variant::Itu { 0x0fff } else { 0x3fff };
        u32::from(u16::from_le_bytes(*cursor.take(2)?.first_chunk()?) & bits)
    };
    Some((code, cursor.0))
}

impl<'a> Message<'a> {
    /// Reads from the message type on. `None` for what isn't a message of a call, and when the mandatory part is damaged;
    /// a damaged optional part ends there, and what was read before stands.
    pub(crate) fn parse(octets: &'a [u8], variant: Variant) -> Option<Self> {
        let mut cursor = Cursor(octets);
        let kind = MessageType::of(cursor.u8()?)?;
        let Layout { fixed, variable, has_optional } = Layout::of(kind, variant);
        let fixed = cursor.take(fixed)?;
        let mut message =
            Self { kind, fixed, called: None, subsequent: None, cause: None, range: 0, optional: &[] };
        for &name in variable {
            // A pointer counts from itself (Q.763, 1.5).
            let at = cursor.0;
            let pointer = usize::from(cursor.u8()?);
            let value = Cursor(at.get(pointer..)?).vec8()?;
            message.mandatory(name, value)?;
        }
        if has_optional {
            let at = cursor.0;
            // National variants leave the pointer out; zero says that there is nothing.
            if let Some(pointer) = cursor.u8().filter(|p| *p > 0) {
                message.optional = at.get(usize::from(pointer)..).unwrap_or_default();
            }
        }
        if let Some((_, cause)) = message.parameters().find(|p| p.0 == parameter::CAUSE_INDICATORS) {
            message.cause = message.cause.or(cause_value(cause));
        }
        Some(message)
    }

    fn mandatory(&mut self, name: layout::Variable, value: &'a [u8]) -> Option<()> {
        match name {
            layout::Variable::CalledPartyNumber => self.called = Some(Number::called(value)?),
            layout::Variable::SubsequentNumber => self.subsequent = Some(Number::subsequent(value)?),
            layout::Variable::CauseIndicators => self.cause = cause_value(value),
            layout::Variable::RangeAndStatus => self.range = *value.first()?,
            layout::Variable::UserServiceInformation => {}
        }
        Some(())
    }

    /// Name, length, value; name 0 ends them.
    fn parameters(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut cursor = Cursor(self.optional);
        std::iter::from_fn(move || {
            let name = cursor.u8().filter(|name| *name != 0)?;
            Some((name, cursor.vec8()?))
        })
        .take(MAX_PARAMETERS)
    }

    /// The numbers but the called one, with what each is; those whose address isn't available are left out.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (Role, Number<'a>)> + use<'a> {
        self.parameters().filter_map(|(name, value)| {
            let (role, number) = match name {
                parameter::CALLING_PARTY_NUMBER => (Role::CallingParty, Number::party(value)),
                parameter::REDIRECTING_NUMBER => (Role::Redirecting, Number::party(value)),
                parameter::ORIGINAL_CALLED_NUMBER => (Role::OriginalCalled, Number::party(value)),
                parameter::REDIRECTION_NUMBER => (Role::Redirection, Number::called(value)),
                parameter::CONNECTED_NUMBER => (Role::Connected, Number::party(value)),
                // The number qualifier stands first (Q.763, 3.26).
                parameter::GENERIC_NUMBER => (Role::GenericNumber, Number::party(value.get(1..)?)),
                // Optional in INF, and where a national IAM moves it there.
                parameter::CALLED_PARTY_NUMBER => (Role::CalledParty, Number::called(value)),
                _ => return None,
            };
            number.filter(|n| !n.is_empty()).map(|n| (role, n))
        })
    }

    /// The calling party number.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn calling(&self) -> Option<Number<'a>> {
        self.numbers().find(|(role, _)| *role == Role::CallingParty).map(|(_, number)| number)
    }

    /// The called subscriber is being alerted: ACM with "subscriber free" (Q.763, 3.5), CPG with "alerting" (3.21).
    pub(crate) fn is_alerting(&self) -> bool {
        match self.kind {
            MessageType::AddressComplete => self.fixed.first().is_some_and(|b| b >> 2 & 3 == 1),
            MessageType::CallProgress => self.fixed.first().is_some_and(|b| b & 0x7f == 1),
            _ => false,
        }
    }
}

/// Q.850, 2.1: the value is the last octet of the header, behind coding standard and location, and a recommendation
/// octet where the first has no extension bit.
fn cause_value(value: &[u8]) -> Option<u8> {
    let at = if value.first()? & 0x80 == 0 { 2 } else { 1 };
    value.get(at).map(|octet| octet & 0x7f)
}

#[cfg(test)]
pub(crate) mod tests;
