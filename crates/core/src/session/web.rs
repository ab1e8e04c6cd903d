//! TLS and HTTP streams: names in them.
