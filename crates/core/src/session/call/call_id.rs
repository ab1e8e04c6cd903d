//! The Call-ID of a call, kept inside the call itself: each message is compared with it, and a text elsewhere in memory
//! would cost that message one more wait for a cache line.

use std::ops::Deref;

use smallvec::SmallVec;

/// Octets kept in place: a UUID and a host address, or the 32 hexadecimal digits and host name that common servers
/// write. Longer ones live on the heap.
const IN_PLACE: usize = 56;

/// A Call-ID (RFC 3261, 20.8), as text.
#[derive(Clone)]
pub(crate) struct CallId(SmallVec<[u8; IN_PLACE]>);

impl From<&str> for CallId {
    fn from(text: &str) -> Self {
        Self(SmallVec::from_slice(text.as_bytes()))
    }
}

impl Deref for CallId {
    type Target = str;

    fn deref(&self) -> &str {
        // Made from text only, so it never falls back.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl PartialEq<str> for CallId {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::CallId;

    #[test]
    fn any_length_and_alphabet_is_kept() {
        for text in ["", "a84b4c76e66710@pc33", &"ü".repeat(40)] {
            let id = CallId::from(text);
            assert!(*id == *text && id == *text && id != *"another");
        }
    }
}
