//! Every decoded session as JSON, matched or not: a development tool, behind the feature `inspect`, never in the wheel.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::counters::{Counter, Counters};
use crate::decode::{hep, isup, rtcp, rtp, sdp, sip};
use crate::packet::{Endpoint, Packet, Seen, Time};
use crate::product::{Encoding, EndReason, Role, Side};
use crate::session::call::{Call, Leg, Signalling};
use crate::session::identity::{Binding, Via};
use crate::session::mail::{self, Ends, Item};
use crate::session::{Change, Flow, NameVia, Observer, Sessions, Text};

/// Follows sessions and tells of all of them.
pub struct Inspector {
    sessions: Sessions,
    told: Teller,
}

impl Default for Inspector {
    fn default() -> Self {
        Self { sessions: Sessions::new(), told: Teller::default() }
    }
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

impl Inspector {
    /// Takes logged TLS secrets: see `Point::learn_keys`.
    pub fn learn_keys(&mut self, log: &str) -> usize {
        self.sessions.learn_keys(log)
    }

    /// Takes one packet.
    pub fn handle(&mut self, packet: &Packet<'_>) {
        self.sessions.handle(packet, &mut self.told);
    }

    /// The source has ended.
    pub fn finish(&mut self) {
        self.sessions.finish(&mut self.told);
        for ((src, dst, ssrc), packets) in std::mem::take(&mut self.told.strays) {
            self.told.out.push_back(json!({
                "kind": "stream", "src": src.ip.to_string(), "sport": src.port, "dst": dst.ip.to_string(),
                "dport": dst.port, "ssrc": format!("{ssrc:#010x}"), "payload": Value::Null, "packets": packets,
                "lost": Value::Null, "call_id": Value::Null,
            }));
        }
    }

    /// The next session, as one JSON object.
    pub fn poll(&mut self) -> Option<Value> {
        self.told.out.pop_front()
    }

    /// What was counted, one JSON object a counter.
    pub fn counters(&self) -> impl Iterator<Item = Value> + '_ {
        self.told
            .counters
            .iter()
            .map(|(name, value)| json!({"kind": "counter", "name": name, "value": value}))
    }
}

#[derive(Default)]
struct Teller {
    counters: Counters,
    out: VecDeque<Value>,
    /// Media addresses that any session description named.
    announced: BTreeSet<Endpoint>,
    /// Packets of streams that no live call owns.
    strays: BTreeMap<(Endpoint, Endpoint, u32), u64>,
}

impl Observer for Teller {
    fn signal(&mut self, _: &mut Call, _: Change, message: &sip::Message<'_>, _: &Seen<'_>) {
        message.bodies(|_, body| {
            let media = sdp::Session::parse(body).into_iter().flat_map(|s| s.media);
            let addresses = media.filter_map(|m| Some(Endpoint { ip: m.connection?, port: m.port }));
            self.announced.extend(addresses.filter(|a| a.port != 0));
        });
    }

    fn isup(&mut self, leg: &Leg, message: &isup::Message<'_>, seen: &Seen<'_>) {
        // The messages with a number: those without tell what the call's own line tells.
        if let Some(called) = message.called.or(message.subsequent) {
            self.out.push_back(json!({
                "kind": "isup", "message_type": message.kind as u8, "cic": leg.circuit, "called": called.raw(),
                "calling": message.calling().map(|n| n.raw()), "opc": leg.label.opc, "dpc": leg.label.dpc,
                "ts": seen.ts.seconds(),
            }));
        }
    }

    fn stray(&mut self, seen: &Seen<'_>) {
        // Media of a call that has timed out, of one whose other half was unreadable, …: the network still carried it.
        if !(self.announced.contains(&seen.src) || self.announced.contains(&seen.dst)) {
            return;
        }
        if let Some(packet) = rtp::Packet::parse(seen.payload).filter(|_| !rtcp::is_rtcp(seen.payload)) {
            *self.strays.entry((seen.src, seen.dst, packet.ssrc)).or_default() += 1;
        }
    }

    fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {
        self.counters.count(Counter::Rtp);
    }

    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {
        self.counters.count(Counter::Rtcp);
    }

    fn fax(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {
        self.counters.count(Counter::Fax);
    }

    fn call_closed(&mut self, call: &mut Call, _: Time) {
        // A value without a scheme is damage, not an address (RFC 3986 3.1).
        let scheme = |uri: &str| {
            uri.split_once(':').is_some_and(|(s, _)| s.chars().all(|c| c.is_ascii_alphanumeric()))
        };
        let parties = call.parties.iter().filter(|p| scheme(&p.uri.0));
        let uri = |role: Role| parties.clone().find(|p| p.role == role).map(|p| p.uri.0.clone());
        let asserted: Vec<_> = call
            .parties
            .iter()
            .filter(|p| p.role == Role::PAssertedIdentity)
            .map(|p| p.uri.0.clone())
            .collect();
        let transports: Vec<_> =
            [("udp", call.udp), ("tcp", call.tcp)].iter().filter(|t| t.1).map(|t| t.0).collect();
        let kind = if call.signalling == Signalling::Sip { "call" } else { "circuit_call" };
        let party = |role: Role| call.parties.iter().find(|p| p.role == role).map(|p| p.uri.0.clone());
        self.out.push_back(json!({
            "kind": kind, "called": party(Role::CalledParty), "calling": party(Role::CallingParty), "call_id": call.call_id.text(), "from": uri(Role::From), "to": uri(Role::To),
            "request_uri": uri(Role::RequestUri), "pai": asserted, "start": call.start.seconds(),
            "ringing": call.ringing.map(Time::seconds), "answer": call.answer.map(Time::seconds),
            "end": call.end.map(Time::seconds), "end_reason": call.end_reason.map(EndReason::name),
            "final_status": call.final_status, "transports": transports,
        }));
        for s in &call.streams {
            let known = call.protections.as_deref();
            let (protection, quality) = (s.protection(known, false), s.quality(s.is_readable(known)));
            let payload = match &s.encoding {
                Encoding::Pcmu => "PCMU",
                Encoding::Pcma => "PCMA",
                Encoding::ComfortNoise => "CN",
                Encoding::TelephoneEvent => "telephone-event",
                Encoding::Other(name) => name,
                Encoding::Unknown => "unknown",
            };
            self.out.push_back(json!({
                "kind": "stream", "src": s.src.ip.to_string(), "sport": s.src.port, "dst": s.dst.ip.to_string(),
                "dport": s.dst.port, "ssrc": format!("{:#010x}", s.ssrc), "payload": payload, "packets": s.seen,
                "lost": s.expected.saturating_sub(s.seen), "call_id": call.call_id.text(),
                "attribution": s.attribution.name(), "protection": protection.name(), "jitter_ms": quality.jitter_ms,
                "late": quality.late, "reordered": quality.reordered, "silences": quality.silences,
                "mos": quality.mos, "drift_ppm": quality.drift_ppm,
            }));
        }
    }

    fn text(&mut self, text: &Text<'_>, _: &Seen<'_>) {
        let first = |roles: [Role; 2]| {
            let found = roles.iter().find_map(|r| text.parties.iter().find(|p| p.role == *r));
            found.map(|p| p.uri.0.clone())
        };
        self.out.push_back(json!({
            "kind": "sms", "via": text.via.name(), "from": first([Role::Originator, Role::From]),
            "to": first([Role::Recipient, Role::To]), "text": text.text, "ts": text.start.seconds(), "parts": text.parts,
            "type": text.kind.name(),
        }));
    }

    fn name(&mut self, _: &mut Flow, via: NameVia, name: &str, seen: &Seen<'_>) {
        let address = |e: Endpoint| e.ip.to_string();
        // Oracles don't tell an outer name by itself: they say that of every name whose hello has the extension.
        let carried = via.name().trim_end_matches("-ech");
        // Nobody asked for the name that an alias leads to.
        let kind = if via.is_lookup() && via != NameVia::Dns { "alias" } else { "name" };
        self.out.push_back(json!({
            "kind": kind, "via": carried, "outer": via.may_be_outer(), "name": name, "ts": seen.ts.seconds(), "src": address(seen.src),
            "dst": address(seen.dst), "sport": seen.src.port, "dport": seen.dst.port,
        }));
    }

    fn flow_closed(&mut self, flow: &mut Flow, _: Time) {
        if let Some(counter) = flow.visibility.counter() {
            self.counters.count(counter);
        }
    }

    fn hep(&mut self, report: &hep::Report<'_>, seen: &Seen<'_>) {
        let message = sip::Message::parse(seen.payload);
        self.out.push_back(json!({
            "kind": "hep", "frame": self.counters.get(Counter::PacketsIn),
            "call_id": message.map(|m| sip::text(m.call_id).into_owned()), "src": seen.src.ip.to_string(),
            "dst": seen.dst.ip.to_string(), "sport": seen.src.port, "dport": seen.dst.port, "ts": seen.ts.seconds(),
            "payload_type": report.protocol.0,
        }));
    }

    fn mail_command(&mut self, via: mail::Via, command: &'static str, argument: &[u8], seen: &Seen<'_>) {
        let argument = String::from_utf8_lossy(argument);
        // The address alone, as the truth beside the captures has it: without the standard's own keyword, in the
        // standard's own spelling, and without parameters.
        let address = ["FROM:", "TO:"].iter().find_map(|keyword| argument.strip_prefix(keyword));
        let path = matches!(command, "MAIL" | "RCPT").then(|| address.unwrap_or(&argument).trim());
        let parameter = path.map_or(&*argument, |p| p.split(char::is_whitespace).next().unwrap_or_default());
        self.out.push_back(json!({
            "kind": "mail", "via": via.name(), "command": command, "parameter": parameter, "ts": seen.ts.seconds(),
            "src": seen.src.ip.to_string(), "dst": seen.dst.ip.to_string(),
        }));
    }

    fn mail_login(&mut self, via: mail::Via, name: &str, ends: &Ends, seen: &Seen<'_>) {
        self.out.push_back(json!({
            "kind": "mail_login", "via": via.name(), "name": name, "ts": seen.ts.seconds(),
            "src": ends.client.ip.to_string(), "dst": ends.server.ip.to_string(),
        }));
    }

    fn mail_message(&mut self, item: &mut Item) {
        let (header, seen) = (&item.header, item.seen(&[]));
        self.out.push_back(json!({
            "kind": "mail", "via": item.via.name(), "message_id": header.message_id, "from": header.from,
            "to": header.to, "subject": header.subject, "ts": item.last.seconds(), "octets": item.octets,
            "partial": item.partial, "src": seen.src.ip.to_string(), "dst": seen.dst.ip.to_string(),
        }));
    }

    fn unbound(&mut self, binding: &Binding, end: Option<Time>) {
        // The first of the source's own kind: what an operator would look the subscriber up by.
        let order: [Role; 4] = match binding.via {
            Via::Radius => [Role::Nai, Role::Imsi, Role::Msisdn, Role::MacAddress],
            Via::Dhcp => [Role::MacAddress, Role::ClientIdentifier, Role::CircuitId, Role::RemoteId],
            Via::GtpV1C | Via::GtpV2C | Via::Diameter => [Role::Imsi, Role::Msisdn, Role::Nai, Role::SipUri],
        };
        let subscriber = order.iter().find_map(|role| binding.who.iter().find(|p| p.role == *role));
        let who: BTreeMap<_, _> = binding.who.iter().map(|p| (p.role.name(), &*p.uri.0)).collect();
        self.out.push_back(json!({
            "kind": "identity", "via": binding.via.name(), "subscriber": subscriber.map(|p| &*p.uri.0),
            "address": binding.address.text(), "start": binding.start.seconds(), "end": end.map(Time::seconds),
            "identities": who,
        }));
    }

    fn count(&mut self, what: Counter, n: u64) {
        self.counters.add(what, n);
    }
}
