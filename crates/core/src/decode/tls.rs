//! TLS ClientHello (RFC 8446).
