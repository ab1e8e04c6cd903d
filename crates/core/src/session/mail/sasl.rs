//! A SASL exchange (RFC 4422) between commands: which lines are its own, and who it says logs in. No line of it is kept.

use crate::decode::mail::sasl::Mechanism;

/// One exchange, from the command that begins it to the reply that ends it.
pub(super) struct Exchange {
    mechanism: Mechanism,
    /// Lines that the client still sends, as far as is known.
    left: u8,
    /// The name, once it was sent.
    pub(super) name: Option<Box<str>>,
    /// A first response was seen: what follows holds no name, and may be the password.
    answered: bool,
}

impl Exchange {
    pub(super) fn new(mechanism: &[u8], initial: Option<&[u8]>) -> Self {
        let mechanism = Mechanism::of(mechanism);
        let mut new = Self { mechanism, left: mechanism.lines(), name: None, answered: false };
        if let Some(initial) = initial {
            new.response(initial);
        }
        new
    }

    /// Whether the client's next line belongs to it.
    pub(super) const fn expects(&self) -> bool {
        self.left > 0
    }

    /// The server asks for one more line.
    pub(super) fn asked(&mut self) {
        self.left = self.left.max(1);
    }

    /// Takes a line of the client. Returns whether it was the bare name of LOGIN.
    pub(super) fn response(&mut self, line: &[u8]) -> bool {
        self.left = self.left.saturating_sub(1);
        if line == b"*" {
            self.left = 0;
            return false;
        }
        if std::mem::replace(&mut self.answered, true) {
            return false;
        }
        self.name = self.mechanism.name(line).map(Into::into);
        self.mechanism == Mechanism::Login
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_response_is_read() {
        let mut login = Exchange::new(b"LOGIN", None);
        assert!(login.expects() && login.response(b"YWxpY2U="));
        assert!(login.expects() && !login.response(b"c2VjcmV0"));
        assert!(!login.expects());
        assert_eq!(login.name.as_deref(), Some("alice"));
    }

    #[test]
    fn a_cancelled_exchange_ends_at_once() {
        let mut plain = Exchange::new(b"PLAIN", None);
        plain.response(b"*");
        assert!(!plain.expects() && plain.name.is_none());
        plain.asked();
        assert!(plain.expects());
    }
}
