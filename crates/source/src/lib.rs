//! The entrance.
