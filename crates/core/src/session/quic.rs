//! QUIC connections: CRYPTO frames put together until the ClientHello is whole.
