//! QUIC Initial packets, version 1 (RFC 9000, 9001) and 2 (RFC 9369).
