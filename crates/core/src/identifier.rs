//! Target identifiers: parse, normalise, compare (TS 103 280).
