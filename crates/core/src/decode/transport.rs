//! UDP (RFC 768) and TCP (RFC 9293) headers.
