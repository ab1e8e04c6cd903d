//! Requests whose answer is awaited.

use hashbrown::HashMap;

use super::{Claim, Key, Via};
use crate::counters::Counter;
use crate::packet::{Endpoint, Time};
use crate::session::Observer;
use crate::session::expiry::Expiry;

/// Requests that wait at once. A network that attaches 2,000 subscribers a second has some 10,000 in flight.
const MAX_PENDING: usize = 1 << 16;

/// RADIUS clients, GSNs and Diameter peers give up after some tens of seconds (TS 29.274, 7.6: T3 × N3 is 15 s or so).
const WAIT_SECONDS: i64 = 60;

/// Who asked whom, under which number.
pub(super) type Asked = (Via, Endpoint, Endpoint, u32);

/// What holds once the answer says yes.
pub(super) enum Then {
    /// The subscriber holds the addresses, and those that the answer adds; with the bearer, where the request alone
    /// names it.
    Hold(Box<Claim>, Option<u8>),
    /// The session is over.
    Release(Key),
    /// The bearer is over, whose context the answer names.
    ReleaseBearer(u8),
}

struct Waiting {
    serial: u64,
    /// What tells a retransmission from another request that uses the number again.
    mark: [u8; 16],
    /// Taken by the first answer; a copy of the answer finds nothing.
    then: Option<Then>,
}

/// The table.
#[derive(Default)]
pub(super) struct Pending {
    table: HashMap<Asked, Waiting>,
    expiry: Expiry<(Asked, u64)>,
    next_serial: u64,
}

impl Pending {
    /// Whether the request is a copy of one that is known.
    pub(super) fn is_repeated(&self, asked: &Asked, mark: &[u8; 16]) -> bool {
        self.table.get(asked).is_some_and(|w| w.mark == *mark)
    }

    /// Waits for an answer. A request that uses the number of an older one takes its place.
    pub(super) fn ask(
        &mut self,
        asked: Asked,
        mark: [u8; 16],
        then: Option<Then>,
        now: Time,
        out: &mut impl Observer,
    ) {
        while self.expiry.len() >= MAX_PENDING {
            let Some((oldest, serial)) = self.expiry.pop_oldest() else { break };
            if self.forget(&oldest, serial) {
                out.count(Counter::IdentityPendingDropped, 1);
            }
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.table.insert(asked, Waiting { serial, mark, then });
        self.expiry.push(now.plus_seconds(WAIT_SECONDS), (asked, serial));
    }

    /// Whether somebody asked so.
    pub(super) fn contains(&self, asked: &Asked) -> bool {
        self.table.contains_key(asked)
    }

    /// What the answer makes so; `None` the second time.
    pub(super) fn answer(&mut self, asked: &Asked) -> Option<Then> {
        self.table.get_mut(asked)?.then.take()
    }

    pub(super) fn advance(&mut self, now: Time) {
        while let Some((asked, serial)) = self.expiry.pop(now) {
            self.forget(&asked, serial);
        }
    }

    fn forget(&mut self, asked: &Asked, serial: u64) -> bool {
        let is_it = self.table.get(asked).is_some_and(|w| w.serial == serial);
        is_it && self.table.remove(asked).is_some()
    }
}
