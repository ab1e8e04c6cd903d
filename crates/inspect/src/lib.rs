//! See `examples/inspect.rs`.
