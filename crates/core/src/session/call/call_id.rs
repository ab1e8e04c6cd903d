//! The Call-ID of a call, kept inside the call itself: each message is compared with it, and a text elsewhere in memory
//! would cost that message one more wait for a cache line.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::decode::sip;

/// Octets kept in place: a UUID and a host address, or the 32 hexadecimal digits and host name that common servers
/// write. Longer ones live on the heap.
const IN_PLACE: usize = 56;

/// A Call-ID (RFC 3261, 20.8), octet for octet as it was sent.
#[derive(Clone)]
pub(crate) struct CallId(SmallVec<[u8; IN_PLACE]>);

impl CallId {
    pub(crate) fn new(octets: &[u8]) -> Self {
        Self(SmallVec::from_slice(octets))
    }

    #[inline]
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// As text: see [`sip::text`].
    pub(crate) fn text(&self) -> Cow<'_, str> {
        sip::text(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::CallId;

    #[test]
    fn any_length_and_alphabet_is_kept() {
        for octets in [&b""[..], b"a84b4c76e66710@pc33", &[0xfc; 80]] {
            assert_eq!(CallId::new(octets).octets(), octets);
        }
        assert_eq!(CallId::new("ü".as_bytes()).text(), "ü");
        assert_eq!(CallId::new(&[0xfc]).text(), "ü", "not UTF-8, so Latin-1");
    }
}
