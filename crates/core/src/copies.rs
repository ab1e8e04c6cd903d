//! Copies: one datagram that the tap saw twice, inside and outside a tunnel or at two places. What is released of it is
//! released once ([ADR 7](../../../docs/adr/0007-copies.md)).
//!
//! Only what a task selects is looked at, as everything before that is idempotent by its protocol's own numbers: RTP and
//! TCP have sequences, SIP has transactions. So traffic that nobody selects pays nothing.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashMap;

use crate::packet::{Seen, Time, Transport};

/// Half of T1 (RFC 3261, 17.1.1.1), the shortest time after which a sender repeats a request: two equal datagrams that are
/// closer are one, those further apart are two. IP's identification could tell as well, but it is zero in most datagrams
/// (RFC 6864), IPv6 has none, and translators between two taps change it. Taps of one site differ by a few milliseconds.
const WINDOW_NANOS: i64 = 250_000_000;

/// Datagrams remembered: 130,000 selected ones a second for the whole window, in some 1.5 MB. Beyond it the oldest is
/// forgotten, and a copy of it is released again.
const MAX_REMEMBERED: usize = 1 << 15;

/// What was released a moment ago, as hashes under a random key: the whole of each datagram counts, so nobody can hide one
/// behind another that looks like it.
#[derive(Default)]
pub(crate) struct Copies {
    key: RandomState,
    released: HashMap<u64, Time>,
    order: VecDeque<(Time, u64)>,
}

/// What [`Copies::see`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    First,
    /// It was released within the window.
    Copy,
    /// The first, for which another had to be forgotten too early.
    FirstForgetting,
}

impl Copies {
    /// Whether `what` of a datagram was released a moment ago; remembers it. Streams are told from copies by TCP.
    pub(crate) fn see(&mut self, seen: &Seen<'_>, what: &str) -> Sight {
        if seen.transport != Transport::Udp {
            return Sight::First;
        }
        let hash = self.key.hash_one((seen.src, seen.dst, what, seen.payload));
        // The clock may go back; what is then left over goes when there is no more room.
        while let Some((at, old)) =
            self.order.front().copied().filter(|(at, _)| at.0 < seen.ts.0.saturating_sub(WINDOW_NANOS))
        {
            self.forget(at, old);
        }
        if let Some(at) = self.released.get(&hash)
            && at.since(seen.ts).saturating_abs() <= WINDOW_NANOS
        {
            return Sight::Copy;
        }
        let mut sight = Sight::First;
        if self.order.len() >= MAX_REMEMBERED
            && let Some((at, old)) = self.order.front().copied()
        {
            self.forget(at, old);
            sight = Sight::FirstForgetting;
        }
        self.released.insert(hash, seen.ts);
        self.order.push_back((seen.ts, hash));
        sight
    }

    /// Forgets the oldest, which is `hash`, unless it was released again since.
    fn forget(&mut self, at: Time, hash: u64) {
        self.order.pop_front();
        if self.released.get(&hash) == Some(&at) {
            self.released.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Endpoint;
    use std::net::{IpAddr, Ipv4Addr};

    fn see(copies: &mut Copies, millis: i64, payload: &[u8]) -> Sight {
        let end = |port| Endpoint { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        let ts = Time(millis * 1_000_000);
        copies
            .see(&Seen { ts, src: end(1), dst: end(2), transport: Transport::Udp, packet: None, payload }, "")
    }

    #[test]
    fn p05_a_copy_is_told_from_a_retransmission_and_from_its_like() {
        let mut copies = Copies::default();
        assert_eq!(see(&mut copies, 0, b"INVITE"), Sight::First);
        assert_eq!(see(&mut copies, 3, b"INVITE"), Sight::Copy);
        assert_eq!(see(&mut copies, 3, b"INVITe"), Sight::First, "one octet differs");
        assert_eq!(see(&mut copies, -2, b"INVITE"), Sight::Copy, "from a tap that is a little behind");
        assert_eq!(see(&mut copies, 500, b"INVITE"), Sight::First, "T1 later: sent again");
        assert_eq!(see(&mut copies, 501, b"INVITE"), Sight::Copy, "and copied again");
    }

    #[test]
    fn nothing_grows_while_the_clock_stands_still_or_runs() {
        let mut copies = Copies::default();
        let n = MAX_REMEMBERED as u64 + 5;
        let forgotten =
            (0..n).filter(|n| see(&mut copies, 0, &n.to_be_bytes()) == Sight::FirstForgetting).count();
        assert_eq!(
            (forgotten, copies.released.len(), copies.order.len()),
            (5, MAX_REMEMBERED, MAX_REMEMBERED)
        );
        assert_eq!(see(&mut copies, 251, b"later"), Sight::First);
        assert_eq!((copies.released.len(), copies.order.len()), (1, 1));
    }
}
