//! HTTP/1 requests (RFC 9112).
