//! Messages that agents report in HEP: whom to believe, and when a message was sent.

use serde::Deserialize;

use super::{Observer, Sessions};
use crate::counters::Counter;
use crate::decode::hep::{self, Report};
use crate::identifier::Network;
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::redact::Pii;

/// HEP within HEP that is looked into: a collector that passes on what it was sent, and one more such.
const MAX_DEPTH: usize = 3;

/// How far an agent's clock may run ahead of the capture's. Nobody reports a message before it was sent; clocks without
/// NTP are off by minutes. Into the past there is no limit but [`EARLIEST`]: agents replay and make up for outages.
const MAX_AHEAD_SECONDS: i64 = 300;

/// Midnight of 1 January 2000: a host that has lost its clock reports years before.
const EARLIEST: Time = Time(946_684_800 * 1_000_000_000);

/// Networks of agents that one site may list.
const MAX_SOURCES: usize = 1024;

/// Whose HEP packets are read. A source address is forged with ease over UDP and the key goes in the clear, so both
/// only keep mistakes out; a site that needs more has its agents report over TLS or a network of their own.
#[derive(Default)]
pub(crate) struct Trust {
    off: bool,
    /// Empty: any.
    sources: Vec<Network>,
    key: Option<Pii<Box<[u8]>>>,
}

/// As configuration tells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustText {
    #[serde(default = "yes")]
    accept: bool,
    #[serde(default)]
    sources: Vec<String>,
    key: Option<String>,
}

const fn yes() -> bool {
    true
}

impl TryFrom<TrustText> for Trust {
    type Error = String;

    fn try_from(text: TrustText) -> Result<Self, String> {
        if text.sources.len() > MAX_SOURCES {
            return Err(format!("hep.sources: more than {MAX_SOURCES}"));
        }
        let network = |source: &String| {
            Network::parse(source)
                .ok_or("hep.sources: addresses or address/length, no bits set beyond the length")
        };
        Ok(Self {
            off: !text.accept,
            sources: text.sources.iter().map(network).collect::<Result<_, _>>()?,
            key: text.key.filter(|key| !key.is_empty()).map(|key| Pii(key.into_bytes().into())),
        })
    }
}

impl Trust {
    /// What to count when the packet isn't believed.
    fn refusal(&self, source: Endpoint, key: Option<&[u8]>) -> Option<Counter> {
        if self.off || !(self.sources.is_empty() || self.sources.iter().any(|n| n.contains(source.ip))) {
            return Some(Counter::HepSourceRefused);
        }
        let wanted = self.key.as_ref()?;
        let same = key.is_some_and(|key| is_same(key, &wanted.0));
        (!same).then_some(Counter::HepKeyRefused)
    }
}

/// Compares without telling by its duration where the first difference is.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// A HEP packet out of a TCP stream, until the segment that completed it has been dealt with.
pub(crate) struct Relayed {
    pub(crate) ts: Time,
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    pub(crate) octets: Box<[u8]>,
}

impl Sessions {
    /// Believes HEP packets only as `trust` says.
    pub(crate) fn trust_agents(&mut self, trust: Trust) {
        self.agents = trust;
    }

    /// Takes a datagram; false when it isn't HEP.
    pub(super) fn hep(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        if !hep::looks_like_hep3(seen.payload) && seen.dst.port != hep::PORT {
            return false;
        }
        self.unwrap(seen, 0, out)
    }

    /// HEP packets that came over TCP.
    pub(super) fn relayed(&mut self, out: &mut impl Observer) {
        for Relayed { ts, src, dst, octets } in std::mem::take(&mut self.shared.relayed) {
            let transport = Transport::Tcp;
            self.unwrap(&Seen { ts, src, dst, transport, packet: None, payload: &octets }, 0, out);
        }
    }

    fn unwrap(&mut self, seen: &Seen<'_>, depth: usize, out: &mut impl Observer) -> bool {
        let is_hep3 = hep::looks_like_hep3(seen.payload);
        let Some(report) = hep::report(seen.payload) else {
            out.count(Counter::HepMalformed, u64::from(is_hep3));
            return is_hep3;
        };
        // What is inside a believed packet is the word of its sender.
        if depth == 0
            && let Some(refusal) = self.agents.refusal(seen.src, report.key)
        {
            out.count(refusal, 1);
            return true;
        }
        if depth == MAX_DEPTH {
            out.count(Counter::HepTooDeep, 1);
            return true;
        }
        let Some(payload) = report.payload.octets() else {
            out.count(Counter::HepMalformed, 1);
            return true;
        };
        out.count(Counter::Hep, 1);
        let ts = time_of(&report, seen.ts).unwrap_or_else(|| {
            out.count(Counter::HepTimeReplaced, 1);
            seen.ts
        });
        let inner = Seen {
            ts,
            src: report.src,
            dst: report.dst,
            transport: report.transport,
            packet: None,
            payload: &payload,
        };
        out.hep(&report, &inner);
        if hep::looks_like_hep3(&payload) {
            return self.unwrap(&Seen { ts: seen.ts, ..inner }, depth + 1, out);
        }
        if !self.datagram(&inner, out) {
            out.count(Counter::UdpOther, 1);
        }
        true
    }
}

/// The agent's time, if it can be believed.
fn time_of(report: &Report<'_>, captured: Time) -> Option<Time> {
    report.ts.filter(|ts| (EARLIEST..=captured.plus_seconds(MAX_AHEAD_SECONDS)).contains(ts))
}

#[cfg(test)]
#[path = "hep_tests.rs"]
mod tests;
