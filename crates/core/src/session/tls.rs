//! TLS of which the operator's own server has logged the secrets: each direction's records to the octets inside.
//! Without a log nothing here runs.

mod keylog;
mod protection;

pub(crate) use keylog::KeyLog;
use keylog::RANDOM;
use protection::{Opener, Suite};

use crate::counters::Counter;
use crate::decode::cursor::Cursor;

/// Type, version, length.
const RECORD_HEADER: usize = 5;

/// Longest protected record (RFC 5246, 6.2.3; TLS 1.3 allows less).
const MAX_RECORD: usize = (1 << 14) + 2048;

/// Protected records that a TLS 1.3 end may send before its first application key: Certificate chains take a few.
const MAX_HANDSHAKE_RECORDS: u8 = 32;

/// Content types (RFC 8446, 5.1).
mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
}

/// Handshake types (RFC 8446, 4).
mod handshake {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const KEY_UPDATE: u8 = 24;
}

/// What the hellos of both ends say.
#[derive(Default)]
pub(crate) struct Agreement {
    client: Option<[u8; RANDOM]>,
    server: Option<[u8; RANDOM]>,
    suite: Option<Suite>,
    is_tls13: bool,
}

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct TlsStream {
    is_client: bool,
    /// TLS 1.2: this end has changed to the agreed cipher.
    protected: bool,
    opener: Option<Opener>,
    tried: u8,
    finished: bool,
}

impl TlsStream {
    /// No more octets are needed.
    pub(crate) fn finished(&self) -> bool {
        self.finished
    }

    /// A client's hello has begun and isn't whole: a stream that begins with another message is the server's.
    pub(crate) fn may_be_hello(octets: &[u8]) -> bool {
        octets.get(RECORD_HEADER).is_none_or(|kind| *kind == handshake::CLIENT_HELLO)
    }

    /// Octets are missing: the place in the cipher's sequence is lost, and no later record can be opened.
    pub(crate) fn gap(&mut self) {
        self.finished = true;
    }

    /// Takes the octets not consumed so far and says how many it has consumed; plaintext is appended to `plain`.
    pub(crate) fn data(
        &mut self,
        buf: &[u8],
        agreement: &mut Agreement,
        keys: &KeyLog,
        plain: &mut Vec<u8>,
        count: &mut dyn FnMut(Counter, u64),
    ) -> usize {
        let mut rest = buf;
        while let Some((header, after)) = rest.split_first_chunk::<RECORD_HEADER>()
            && !self.finished
        {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if header[1] != 3 || length > MAX_RECORD {
                self.finished = true;
                break;
            }
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            if self.record(*header, payload, agreement, keys, plain, count).is_none() {
                count(Counter::TlsUnopened, 1);
                self.finished = true;
            }
            rest = after;
        }
        if self.finished { buf.len() } else { buf.len() - rest.len() }
    }

    /// `None`: this and what follows can't be opened.
    fn record(
        &mut self,
        header: [u8; RECORD_HEADER],
        payload: &[u8],
        agreement: &mut Agreement,
        keys: &KeyLog,
        plain: &mut Vec<u8>,
        count: &mut dyn FnMut(Counter, u64),
    ) -> Option<()> {
        let kind = header[0];
        match kind {
            content::CHANGE_CIPHER_SPEC => {
                self.protected |= !agreement.is_tls13;
                return Some(());
            }
            content::HANDSHAKE if !self.protected => {
                self.hello(payload, agreement);
                return Some(());
            }
            content::ALERT if !self.protected => return Some(()),
            _ => {}
        }
        if self.opener.is_none() {
            self.opener = Some(opener(self.is_client, agreement, keys)?);
            count(Counter::TlsOpened, 1);
        }
        let opener = self.opener.as_mut()?;
        let opened = opener.open(header, payload);
        if opened.is_some() {
            self.tried = MAX_HANDSHAKE_RECORDS;
        }
        match opened {
            Some((content::APPLICATION_DATA, octets)) => plain.extend_from_slice(&octets),
            Some((content::HANDSHAKE, octets))
                if agreement.is_tls13 && octets.first() == Some(&handshake::KEY_UPDATE) =>
            {
                opener.update();
            }
            Some((content::ALERT, _)) => self.finished = true,
            Some(_) => {}
            // Handshake records of TLS 1.3 are under other keys, which needn't be known: the first record that opens is
            // the first of the application's.
            None if agreement.is_tls13 && self.tried < MAX_HANDSHAKE_RECORDS => self.tried += 1,
            None => return None,
        }
        Some(())
    }

    /// Reads what is needed of a hello: it stands at the start of its record.
    fn hello(&mut self, payload: &[u8], agreement: &mut Agreement) -> Option<()> {
        let mut cursor = Cursor(payload);
        let kind = cursor.u8()?;
        cursor.u24()?;
        cursor.u16()?; // legacy_version
        let random = *cursor.take(RANDOM)?.first_chunk()?;
        match kind {
            handshake::CLIENT_HELLO => {
                self.is_client = true;
                agreement.client = Some(random);
            }
            handshake::SERVER_HELLO => {
                agreement.server = Some(random);
                cursor.vec8()?; // legacy_session_id
                agreement.suite = Suite::parse(cursor.u16()?);
                cursor.u8()?; // legacy_compression_method
                agreement.is_tls13 = is_tls13(cursor.vec16().unwrap_or_default());
            }
            _ => {}
        }
        Some(())
    }
}

/// `supported_versions` of a server's hello says 3.4 (RFC 8446, 4.2.1).
fn is_tls13(extensions: &[u8]) -> bool {
    let mut rest = Cursor(extensions);
    while let (Some(kind), Some(body)) = (rest.u16(), rest.vec16()) {
        if kind == 43 {
            return body == [3, 4];
        }
    }
    false
}

fn opener(is_client: bool, agreement: &Agreement, keys: &KeyLog) -> Option<Opener> {
    let client = agreement.client?;
    let (secrets, suite) = (keys.secrets(&client)?, agreement.suite?);
    if agreement.is_tls13 {
        Opener::tls13(suite, secrets.traffic[usize::from(!is_client)].as_deref()?)
    } else {
        Opener::tls12(suite, secrets.master.as_deref()?, &client, &agreement.server?, is_client)
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
