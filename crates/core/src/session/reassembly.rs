//! IP fragments and TCP segments put back together, within limits.
