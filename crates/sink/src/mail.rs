//! Mails: each an age stream of its own with the message as the receiver gets it (`.eml`, RFC 5322), and a JSON file
//! beside it that names nobody.
//!
//! A message is written when it is whole: the core has bounded it, and nothing of it waits here.

use std::path::PathBuf;

use mandat_core::Cc;
use serde::Serialize;

use crate::error::SinkError;
use crate::files::{Recipients, write_json, write_sealed};
use crate::time::rfc3339;

/// What stands beside a message.
#[derive(Serialize)]
struct Index<'a> {
    version: u8,
    run: &'a str,
    liid: &'a str,
    cin: u32,
    ts: String,
    file: String,
    sha256: String,
    /// Octets of the encrypted file.
    octets: u64,
    /// Octets of the message.
    message_octets: u64,
    /// Octets of the message are missing.
    partial: bool,
}

/// The mails of one task.
pub(crate) struct Mails {
    dir: PathBuf,
    number: u32,
    /// Messages in finished files.
    pub(crate) written: u64,
    /// Messages that the disk did not take.
    pub(crate) dropped: u64,
}

impl Mails {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir, number: 0, written: 0, dropped: 0 }
    }

    /// Writes one message. Returns the octets of the file.
    pub(crate) fn write(
        &mut self,
        cc: &Cc,
        partial: bool,
        run: &str,
        to: &Recipients,
    ) -> Result<u64, SinkError> {
        let stem = format!("{run}-{:06}", self.number);
        let file = format!("{stem}.eml.age");
        let message = &cc.octets.0;
        let written = write_sealed(&self.dir.join(&file), to, |out| out.write_all(message))
            .inspect_err(|_| self.dropped += 1)?;
        self.number += 1;
        self.written += 1;
        let index = Index {
            version: 1,
            run,
            liid: &cc.liid.0,
            cin: cc.cin.0,
            ts: rfc3339(cc.ts),
            file,
            sha256: written.sha256,
            octets: written.octets,
            message_octets: message.len() as u64,
            partial,
        };
        write_json(&self.dir.join(format!("{stem}.json")), &index, true)?;
        Ok(written.octets)
    }
}
