//! Flows over UDP that carry names, or hide them: DNS exchanges, QUIC, Google's QUIC, DTLS, and tunnels.

use hashbrown::HashMap;

use super::expiry::Expiry;
use super::hello::Hello;
use super::quic::Progress;
use super::{Flow, NameVia, Observer, Visibility};
use crate::counters::Counter;
use crate::decode::dns;
use crate::decode::unseen::{self, Unseen};
use crate::matching::Selection;
use crate::packet::{Endpoint, Seen, Time, Transport};

/// Flows followed at once. At 2,000 new flows a second and the time-outs below some 30,000 are alive.
const MAX_FLOWS: usize = 1 << 18;

/// Octets that unfinished hellos may hold in all flows together.
const MAX_HELLO_OCTETS: usize = 64 << 20;

/// RFC 5452 has resolvers wait a few seconds.
const DNS_SECONDS: i64 = 10;

/// QUIC's usual idle time-out is 30 s (RFC 9000 10.1 leaves it to the ends).
const QUIC_SECONDS: i64 = 60;

const DNS_PORT: u16 = 53;

struct Entry {
    flow: Flow,
    /// Present while a hello is awaited.
    hello: Option<Box<Hello>>,
}

/// The two ends, the lower first.
type Key = (Endpoint, Endpoint);

/// DNS exchanges and QUIC connections.
#[derive(Default)]
pub(crate) struct Lookups {
    table: HashMap<Key, Entry>,
    /// One queue a time-out, so that each stays in order.
    dns: Expiry<Key>,
    quic: Expiry<Key>,
    hello_octets: usize,
}

impl Lookups {
    /// Takes a datagram; false when it is none of ours.
    pub(crate) fn datagram(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        if seen.src.port == DNS_PORT || seen.dst.port == DNS_PORT {
            return self.lookup(seen, out);
        }
        let key = key_of(seen);
        if !self.table.contains_key(&key) {
            let hello = Hello::begins(seen.payload);
            let why = match &hello {
                Some(_) => Unseen::NoHello,
                None => match unseen::tunnel(seen.payload, [seen.src.port, seen.dst.port]) {
                    Some(why) => why,
                    None => return false,
                },
            };
            self.begin(key, seen, hello, why, out);
        }
        self.connection(key, seen, out);
        true
    }

    fn lookup(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let key = key_of(seen);
        let Self { table, dns: queue, .. } = self;
        let mut told = false;
        let is_dns = dns::names(seen.payload, &mut |section, name| {
            // The flow begins with its first readable name, so that noise on port 53 leaves nothing behind.
            let entry = table.entry(key).or_insert_with(|| {
                queue.push(seen.ts.plus_seconds(DNS_SECONDS), key);
                out.count(Counter::Flows, 1);
                Entry { flow: Flow::new(seen, true), hello: None }
            });
            if !told {
                told = true;
                out.flow_packet(&mut entry.flow, seen, seen.payload.len() as u64);
            }
            entry.flow.named = true;
            out.name(&mut entry.flow, NameVia::dns(section), name, seen);
        });
        if let Some(entry) = self.table.get_mut(&key) {
            if !told {
                out.flow_packet(&mut entry.flow, seen, seen.payload.len() as u64);
            }
            entry.flow.touch(seen);
        }
        self.evict(out);
        if let Some(found) = is_dns {
            out.count(Counter::NamesUnreadable, u64::from(found.unreadable) + u64::from(found.cut));
            out.count(Counter::EchOffered, u64::from(found.ech));
        }
        is_dns.is_some()
    }

    fn connection(&mut self, key: Key, seen: &Seen<'_>, out: &mut impl Observer) {
        let Some(entry) = self.table.get_mut(&key) else { return };
        out.flow_packet(&mut entry.flow, seen, seen.payload.len() as u64);
        entry.flow.touch(seen);
        let Some(hello) = &mut entry.hello else { return };
        let before = hello.octets();
        let progress = hello.feed(seen.payload);
        self.hello_octets = (self.hello_octets + hello.octets()).saturating_sub(before);
        if progress == Progress::NeedMore && self.hello_octets <= MAX_HELLO_OCTETS {
            return;
        }
        entry.flow.visibility = hello.visibility(&progress, entry.flow.server.port);
        match progress {
            Progress::Hello(found) => {
                entry.flow.named = true;
                out.name(&mut entry.flow, found.via, &found.name, seen);
            }
            Progress::Unreadable => out.count(Counter::NamesUnreadable, 1),
            Progress::NeedMore | Progress::NoName | Progress::GivenUp => {}
        }
        self.hello_octets = self.hello_octets.saturating_sub(hello.octets());
        entry.hello = None;
    }

    fn begin(
        &mut self,
        key: Key,
        seen: &Seen<'_>,
        hello: Option<Hello>,
        why: Unseen,
        out: &mut impl Observer,
    ) {
        self.evict(out);
        self.quic.push(seen.ts.plus_seconds(QUIC_SECONDS), key);
        out.count(Counter::Flows, 1);
        let flow = Flow { visibility: Visibility::Hidden(why), ..Flow::new(seen, false) };
        self.table.insert(key, Entry { flow, hello: hello.map(Box::new) });
    }

    fn evict(&mut self, out: &mut impl Observer) {
        while self.table.len() >= MAX_FLOWS {
            let Some(key) = self.dns.pop_oldest().or_else(|| self.quic.pop_oldest()) else { return };
            if let Some(entry) = self.table.get(&key) {
                out.count(Counter::FlowsEvicted, 1);
                let last = entry.flow.last;
                self.close(&key, last, out);
            }
        }
    }

    fn close(&mut self, key: &Key, now: Time, out: &mut impl Observer) {
        if let Some(mut entry) = self.table.remove(key) {
            self.hello_octets = self.hello_octets.saturating_sub(entry.hello.map_or(0, |h| h.octets()));
            out.flow_closed(&mut entry.flow, now);
        }
    }

    /// Closes what has been silent for too long.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        while let Some(key) = self.dns.pop(now) {
            self.expire(key, now, DNS_SECONDS, out);
        }
        while let Some(key) = self.quic.pop(now) {
            self.expire(key, now, QUIC_SECONDS, out);
        }
    }

    fn expire(&mut self, key: Key, now: Time, seconds: i64, out: &mut impl Observer) {
        let Some(entry) = self.table.get(&key) else { return };
        let due = entry.flow.last.plus_seconds(seconds);
        if due <= now {
            self.close(&key, now, out);
        } else if entry.flow.dns {
            self.dns.push(due, key);
        } else {
            self.quic.push(due, key);
        }
    }

    /// The source has ended.
    pub(crate) fn finish(&mut self, now: Time, out: &mut impl Observer) {
        for (_, mut entry) in self.table.drain() {
            out.flow_closed(&mut entry.flow, now);
        }
    }
}

fn key_of(seen: &Seen<'_>) -> Key {
    if seen.src <= seen.dst { (seen.src, seen.dst) } else { (seen.dst, seen.src) }
}

impl Flow {
    /// A flow whose first packet is `seen`.
    pub(super) fn new(seen: &Seen<'_>, dns: bool) -> Self {
        Self {
            client: seen.src,
            server: seen.dst,
            transport: seen.transport,
            start: seen.ts,
            last: seen.ts,
            packets: 0,
            octets: 0,
            named: false,
            visibility: Visibility::NotAsked,
            dns,
            selection: Selection::new(),
        }
    }

    fn touch(&mut self, seen: &Seen<'_>) {
        debug_assert_eq!(seen.transport, Transport::Udp);
        self.last = self.last.max(seen.ts);
        self.packets += 1;
        self.octets += seen.payload.len() as u64;
    }
}
