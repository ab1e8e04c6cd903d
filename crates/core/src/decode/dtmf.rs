//! DTMF digits and tones in RTP (RFC 4733).
