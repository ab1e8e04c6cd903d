//! SIP messages (RFC 3261).

/// One SIP message, borrowed.
pub(crate) struct Message<'a> {
    /// The whole message.
    pub(crate) octets: &'a [u8],
}
