//! Mail: SMTP and LMTP (RFC 5321, RFC 2033), IMAP (RFC 9051), POP3 (RFC 1939), the messages that they carry (RFC 5322)
//! and the names that people log in with (RFC 4422). Each is a pure function; `session/mail/` keeps the state.

pub(crate) mod address;
pub(crate) mod dots;
pub(crate) mod encoded_word;
pub(crate) mod header;
pub(crate) mod imap;
pub(crate) mod line;
pub(crate) mod pop3;
pub(crate) mod sasl;
pub(crate) mod smtp;
