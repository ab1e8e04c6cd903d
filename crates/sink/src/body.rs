//! What the seal of a call record holds, as `MessagePack`. It is most of what a call costs at rest.
//!
//! ```text
//! body    = [caller, callee, call_id, src, dst, parties, course]
//! src     = bin, the 4 or 16 octets of the address; dst likewise. The three before are str
//! parties = [role, text, role, text, …]         as written, in order of seeing
//! role    = its place in ROLES
//! text    = str, or an integer: the place (0, 1, …) of an earlier party that has the very same text
//! course  = nil, or what `body/course.rs` says
//! ```
//! An absent value is nil and a list may be empty: one octet each. A reader passes over elements that it doesn't know at
//! the end of a list of fixed length. Any other change is a new [`VERSION`](crate::seal::VERSION).

use std::convert::Infallible;
use std::net::IpAddr;

use mandat_core::{CallRecord, Party, Role, Time};
use rmp::encode::{self, ByteBuf, ValueWriteError};

/// Memory can't be full: it would have ended the program. So this only says that the library asks for it.
pub(crate) type Written = Result<(), ValueWriteError<Infallible>>;

/// A closed set whose values are written as numbers.
pub(crate) trait Numbered {
    /// Its number: for good.
    fn number(self) -> u8;
}

/// Numbers the values of a closed set by their place in this list, which is only ever added to at its end.
///
/// The compiler refuses a list that lacks a value.
macro_rules! numbered {
    ($set:ident: $($value:ident)+) => {
        impl $crate::body::Numbered for $set {
            #[inline]
            fn number(self) -> u8 {
                enum Place { $($value),+ }
                match self { $(Self::$value => Place::$value as u8),+ }
            }
        }
    };
    ($(#[$doc:meta])* $list:ident, $set:ident: $($value:ident)+) => {
        $(#[$doc])*
        const $list: &[$set] = &[$($set::$value),+];
        numbered!($set: $($value)+);
    };
}

mod course;

numbered! {
    /// Where an identity stood, by the number that a seal holds.
    ROLES, Role:
    From To RequestUri PAssertedIdentity PPreferredIdentity RemotePartyId Diversion HistoryInfo Originator Recipient
    Imsi Msisdn Nai MacAddress ClientIdentifier CircuitId RemoteId SipUri FramedAddress CallingParty CalledParty
    OriginalCalled Redirecting Redirection Connected GenericNumber PCalledPartyId PServedUser Contact AuthUser
    MailFrom RcptTo Login HeaderFrom HeaderTo HeaderCc Participant
}

/// Names of the roles, each at the place that is its number in a seal.
pub fn roles() -> impl Iterator<Item = &'static str> {
    ROLES.iter().map(|role| role.name())
}

/// Writes the body of a record behind what `out` holds.
pub(crate) fn write(out: &mut ByteBuf, record: &CallRecord) -> Written {
    let mut to = Packer { out, known: &[], start: record.start };
    to.list_of(7)?;
    to.text(&record.caller.0)?;
    to.text(&record.callee.0)?;
    to.text(&record.call_id.0)?;
    to.address(record.src.0)?;
    to.address(record.dst.0)?;
    to.parties(&record.parties)?;
    match &record.course {
        Some(course) => to.course(course),
        None => to.nil(),
    }
}

/// Writes values one behind the other.
pub(crate) struct Packer<'a> {
    out: &'a mut ByteBuf,
    /// Parties whose text is named by its place when it comes again. Request-URI and To are mostly the same.
    known: &'a [Party],
    start: Time,
}

impl<'a> Packer<'a> {
    /// The head of a list of so many values.
    pub(crate) fn list_of(&mut self, values: usize) -> Written {
        encode::write_array_len(self.out, values as u32).map(|_| ())
    }

    /// A list of equal things.
    pub(crate) fn list<T>(&mut self, of: &[T], mut each: impl FnMut(&mut Self, &T) -> Written) -> Written {
        self.list_of(of.len())?;
        of.iter().try_for_each(|one| each(self, one))
    }

    pub(crate) fn nil(&mut self) -> Written {
        encode::write_nil(self.out).map_err(ValueWriteError::InvalidMarkerWrite)
    }

    /// A value, or nil.
    pub(crate) fn optional<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T) -> Written,
    ) -> Written {
        match value {
            Some(value) => write(self, value),
            None => self.nil(),
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> Written {
        match self.known.iter().position(|party| *party.uri.0 == *text) {
            Some(place) => self.integer(place as u64),
            None => encode::write_str(self.out, text),
        }
    }

    pub(crate) fn integer(&mut self, value: u64) -> Written {
        encode::write_uint(self.out, value).map(|_| ())
    }

    pub(crate) fn number(&mut self, of: impl Numbered) -> Written {
        self.integer(of.number().into())
    }

    /// Nanoseconds since the start of the call: half as long as since 1970.
    pub(crate) fn moment(&mut self, time: Time) -> Written {
        encode::write_sint(self.out, time.0.saturating_sub(self.start.0)).map(|_| ())
    }

    fn address(&mut self, address: IpAddr) -> Written {
        match address {
            IpAddr::V4(v4) => encode::write_bin(self.out, &v4.octets()),
            IpAddr::V6(v6) => encode::write_bin(self.out, &v6.octets()),
        }
    }

    fn parties(&mut self, parties: &'a [Party]) -> Written {
        self.list_of(2 * parties.len())?;
        for (place, party) in parties.iter().enumerate() {
            self.known = &parties[..place];
            self.number(party.role)?;
            self.text(&party.uri.0)?;
        }
        self.known = parties;
        Ok(())
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
