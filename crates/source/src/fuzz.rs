//! Bodies of the fuzz targets of the file formats, behind the feature `fuzz`.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a fuzz body tells of a finding")]

use std::io::Cursor;

use crate::buffer::Buffer;
use crate::input::Input;
use crate::reader::Reader;

/// The first window is smaller than most blocks, so that it must move and grow.
const WINDOW: usize = 64;

/// Any octets as a capture file: no panic, no packet longer than the file, an end.
pub fn capture(octets: &[u8]) {
    read(octets, Input::in_memory(None));
}

/// A classic file of any byte order and unit.
pub fn pcap(octets: &[u8]) {
    const MAGICS: [u32; 3] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34];
    let Some((choice, octets)) = octets.split_first() else { return };
    let magic = MAGICS[usize::from(*choice) % MAGICS.len()];
    let magic = if *choice < 128 { magic.to_le_bytes() } else { magic.to_be_bytes() };
    capture(&[&magic, octets].concat());
}

/// What follows the type of the first block of a pcapng file.
pub fn pcapng(octets: &[u8]) {
    capture(&[&[0x0a, 0x0d, 0x0d, 0x0a], octets].concat());
}

/// What follows the magic number of a Network Monitor file, through its table and without.
pub fn netmon(octets: &[u8]) {
    let file = [b"GMBU", octets].concat();
    capture(&file);
    read(&file, Input::in_memory(Some(&file)));
}

fn read(octets: &[u8], input: Input) {
    let buffer = Buffer::new(Box::new(Cursor::new(octets.to_vec())), WINDOW);
    let Ok(mut reader) = Reader::over("", input, buffer) else { return };
    let (mut total, mut warnings) = (0, Vec::new());
    reader.note_header(&mut warnings);
    while reader.advance(&mut warnings) {
        total += reader.packet().data.len();
    }
    assert!(total <= octets.len());
}
