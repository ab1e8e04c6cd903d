//! Body of the fuzz target of the file formats, behind the feature `fuzz`.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a fuzz body tells of a finding")]

use std::io::Cursor;

use crate::buffer::Buffer;
use crate::input::Input;
use crate::reader::Reader;

/// The first window is smaller than most blocks, so that it must move and grow.
const WINDOW: usize = 64;

/// Any octets as a capture file: no panic, no packet longer than the file, an end.
pub fn capture(octets: &[u8]) {
    let buffer = Buffer::new(Box::new(Cursor::new(octets.to_vec())), WINDOW);
    let Ok(mut reader) = Reader::over("", Input::memory(octets), buffer) else { return };
    let (mut total, mut warnings) = (0, Vec::new());
    while reader.advance(&mut warnings) {
        total += reader.packet().data.len();
    }
    assert!(total <= octets.len());
}
