//! Capture files of every shape, written by the tests, and what the crate reads from them.

use std::path::PathBuf;

use crate::pcap::FILE_HEADER;
use crate::reader::Order;
use crate::{SourceError, open};

/// A packet as it came out: nanoseconds, link type, octets, length on the wire.
pub(crate) type Out = (i64, u32, Vec<u8>, u32);

/// What came out of a run: packets, then the code and place of each warning.
#[derive(PartialEq, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) packets: Vec<Out>,
    pub(crate) warnings: Vec<(&'static str, u64, u64)>,
    pub(crate) error: Option<SourceError>,
}

/// Reads all of `files` in one run.
pub(crate) fn read_all(files: &[&[u8]]) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<PathBuf> = (0..files.len()).map(|n| directory.path().join(n.to_string())).collect();
    for (name, octets) in names.iter().zip(files) {
        std::fs::write(name, octets).unwrap();
    }
    let mut outcome = Outcome::default();
    let mut source = match open(&names) {
        Ok(source) => source,
        Err(error) => return Outcome { error: Some(error), ..outcome },
    };
    loop {
        match source.next() {
            Ok(Some(packet)) => {
                outcome.packets.push((packet.ts.0, packet.link.0, packet.data.to_vec(), packet.wire_len));
            }
            Ok(None) => break,
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    assert!(source.next().is_ok_and(|packet| packet.is_none()), "the end stays the end");
    outcome.warnings = source.warnings().iter().map(|w| (w.first.code(), w.first.place, w.times)).collect();
    outcome
}

/// Reads one file.
pub(crate) fn read(octets: &[u8]) -> Outcome {
    read_all(&[octets])
}

pub(crate) fn put16(order: Order, value: u16) -> [u8; 2] {
    if order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

pub(crate) fn put32(order: Order, value: u32) -> [u8; 4] {
    if order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// A classic file; `packets` are seconds, fraction, octets.
pub(crate) fn pcap(order: Order, magic: u32, link: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [magic, 0, 0, 0, 96, link] {
        out.extend(put32(order, word));
    }
    out[4..6].copy_from_slice(&put16(order, 2));
    out[6..8].copy_from_slice(&put16(order, 4));
    assert_eq!(out.len(), FILE_HEADER);
    for (seconds, fraction, data) in packets {
        let len = data.len() as u32;
        for word in [*seconds, *fraction, len, len + 1] {
            out.extend(put32(order, word));
        }
        if magic == 0xa1b2_cd34 {
            out.extend([0; 8]);
        }
        out.extend(*data);
    }
    out
}

/// Writes a pcapng file block by block.
pub(crate) struct Ng {
    pub(crate) order: Order,
    pub(crate) out: Vec<u8>,
}

impl Ng {
    pub(crate) fn new(order: Order) -> Self {
        Self { order, out: Vec::new() }.section()
    }

    pub(crate) fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let padded = body.len().next_multiple_of(4);
        let total = put32(self.order, padded as u32 + 12);
        self.out.extend(put32(self.order, kind));
        self.out.extend(total);
        self.out.extend(body);
        self.out.extend(&[0; 3][..padded - body.len()]);
        self.out.extend(total);
        self
    }

    pub(crate) fn section(self) -> Self {
        let order = self.order;
        let body = [&put32(order, 0x1a2b_3c4d)[..], &put16(order, 1), &put16(order, 0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    /// `options` are code and value.
    pub(crate) fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = [&put16(order, link)[..], &[0; 2], &put32(order, snaplen)].concat();
        for (code, value) in options {
            body.extend(put16(order, *code));
            body.extend(put16(order, value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    pub(crate) fn enhanced(self, interface: u32, units: u64, data: &[u8]) -> Self {
        let body = self.packet_body(put32(self.order, interface), units, data);
        self.block(6, &body)
    }

    pub(crate) fn obsolete(self, interface: u16, units: u64, data: &[u8]) -> Self {
        let word = [put16(self.order, interface), put16(self.order, 0xffff)].concat();
        let body = self.packet_body([word[0], word[1], word[2], word[3]], units, data);
        self.block(2, &body)
    }

    pub(crate) fn simple(self, original: u32, data: &[u8]) -> Self {
        let body = [&put32(self.order, original)[..], data].concat();
        self.block(3, &body)
    }

    fn packet_body(&self, interface: [u8; 4], units: u64, data: &[u8]) -> Vec<u8> {
        let word = |value: u32| put32(self.order, value);
        let len = data.len() as u32;
        [&interface[..], &word((units >> 32) as u32), &word(units as u32), &word(len), &word(len + 1), data]
            .concat()
    }
}
