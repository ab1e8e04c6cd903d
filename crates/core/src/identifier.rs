//! Target identifiers: parse, normalise, compare (TS 103 280).
//!
//! Two spellings of one identity compare equal only because both were brought to one normal form first; nothing here
//! compares tails or prefixes of numbers. What can't be brought to E.164 by the rules of a [`NumberingPlan`] stays a
//! URI: an unread number is a miss that an operator can find, a guessed one is an interception of a stranger.

mod domain;
pub(crate) mod email;
mod look_up;
mod number;
mod plan;
mod prefix;
pub(crate) mod subscriber;
mod target;
mod uri;

pub(crate) use domain::{Domain, DomainIndex};
pub(crate) use number::Number;
pub(crate) use plan::{Network, NumberingPlans};
pub(crate) use prefix::Prefix;
pub(crate) use target::{MIN_PREFIX_IPV6, Target};

use std::fmt;
use std::hash::{Hash, Hasher};

/// Who somebody is, in normal form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A telephone number.
    Number(Number),
    /// Anything else: a SIP URI in normal form, a short code as `tel:` URI, an alphanumeric sender as written.
    Uri(Box<str>),
    /// A mobile subscription.
    Imsi(subscriber::Imsi),
    /// A user name in normal form (RFC 7542).
    Nai(Box<str>),
    /// A hardware address.
    Mac([u8; 6]),
    /// An address that is always the target's. Parties of the traffic never are this.
    Address(Prefix),
    /// A mail address in normal form.
    Mail(Box<str>),
}

impl Identity {
    /// For records: E.164 digits without `+`, or the URI.
    pub(crate) fn text(&self) -> Box<str> {
        match self {
            Self::Number(number) => number.digits().as_str().into(),
            Self::Uri(text) | Self::Mail(text) | Self::Nai(text) => text.clone(),
            Self::Imsi(imsi) => imsi.text().into(),
            Self::Mac(mac) => subscriber::mac_text(*mac).into(),
            Self::Address(prefix) => prefix.text().into(),
        }
    }
}

/// By the value alone, so that a name can be asked for in the place where it was written (`look_up.rs`).
impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Number(number) => number.hash(state),
            Self::Uri(text) | Self::Mail(text) | Self::Nai(text) => state.write(text.as_bytes()),
            Self::Imsi(imsi) => imsi.hash(state),
            Self::Mac(mac) => mac.hash(state),
            Self::Address(prefix) => prefix.hash(state),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number(_) => "Number(«redacted»)",
            Self::Uri(_) => "Uri(«redacted»)",
            Self::Imsi(_) => "Imsi(«redacted»)",
            Self::Nai(_) => "Nai(«redacted»)",
            Self::Mac(_) => "Mac(«redacted»)",
            Self::Address(_) => "Address(«redacted»)",
            Self::Mail(_) => "Mail(«redacted»)",
        })
    }
}
