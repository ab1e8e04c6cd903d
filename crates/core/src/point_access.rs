//! The holder of an address is selected: its access session, the IP packets of it, and the flows in it.
//!
//! Each packet is judged by its own time. One before the address was the target's, or from the moment on at which it
//! no longer is, is somebody else's.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use smallvec::SmallVec;

use super::{Release, counter_of};
use crate::counters::Counter;
use crate::decode::ip::Ip;
use crate::identifier::{Identity, Number, NumberingPlans, Prefix, subscriber};
use crate::matching::watch::{Held, Slot, Wanted};
use crate::matching::{Match, Unselected};
use crate::packet::{Endpoint, LinkType, Packet, Seen, Time, Transport};
use crate::product::{CallClosed, CcKind, EndReason, Facts, IriType, Party, Product, Role, Service, TaskId};
use crate::redact::Pii;
use crate::session::Flow;
use crate::session::identity::Binding;

/// An identity of an access session, in the normal form of targets. `None` for those that no target can name.
fn identity(party: &Party, holder: IpAddr, plans: &NumberingPlans) -> Option<Identity> {
    let text = &*party.uri.0;
    match party.role {
        Role::Imsi => subscriber::Imsi::from_digits(text.as_bytes()).map(Identity::Imsi),
        Role::Nai => subscriber::nai(text).map(Identity::Nai),
        Role::MacAddress => subscriber::mac(text).map(Identity::Mac),
        Role::Msisdn => match text.strip_prefix('+') {
            Some(digits) => Number::from_digits(digits.as_bytes()).map(Identity::Number),
            None => plans.of(holder).identity(text),
        },
        Role::SipUri => plans.of(holder).identity(text),
        _ => None,
    }
}

impl Release {
    /// A task was admitted: addresses that it names, and holders that the point knows already.
    pub(super) fn admitted(&mut self, id: TaskId) {
        let task = self.index.task(id);
        let (start, end) = (task.start(), task.end());
        let addresses: Vec<(u16, Prefix)> = task.addresses().collect();
        for (target, address) in addresses {
            let wanted = SmallVec::from_iter([Wanted { task: id.0, target, role: Role::FramedAddress }]);
            let until = Arc::new(AtomicI64::new(end.0));
            let (via, who, matches) = ("warrant", Vec::new(), Vec::new());
            self.watch.insert(
                Slot::Target(id.0, target),
                Held { address, via, who, start, until, wanted, matches },
            );
        }
        let mut more = Vec::new();
        for (slot, held) in self.watch.slots() {
            more.extend(self.wanted(&held.who, held.address.ip()).into_iter().map(|w| (slot, w)));
        }
        for (slot, wanted) in more.into_iter().filter(|(_, w)| w.task == id.0) {
            self.watch.want(slot, wanted);
        }
    }

    fn wanted(&self, who: &[Party], holder: IpAddr) -> SmallVec<[Wanted; 1]> {
        let mut found: SmallVec<[Wanted; 1]> = SmallVec::new();
        for party in who {
            let identity = identity(party, holder, &self.plans);
            for (task, target) in self.index.subscribers(identity.as_ref()) {
                if found.iter().all(|w| w.task != task) {
                    found.push(Wanted { task, target, role: party.role });
                }
            }
        }
        found
    }

    pub(super) fn binding_begins(&mut self, binding: &Binding) {
        let slot = Slot::Binding(binding.id);
        let wanted = self.wanted(&binding.who, binding.address.ip());
        if let Some(held) = self.watch.get_mut(slot) {
            held.until.store(binding.due.0, Ordering::Relaxed);
            held.who = binding.who.to_vec();
            for more in wanted {
                self.watch.want(slot, more);
            }
        } else {
            let held = Held {
                address: binding.address,
                via: binding.via.name(),
                who: binding.who.to_vec(),
                start: binding.start,
                until: Arc::new(AtomicI64::new(binding.due.0)),
                wanted,
                matches: Vec::new(),
            };
            self.watch.insert(slot, held);
        }
        self.access_begins(slot, binding.start);
    }

    pub(super) fn binding_ends(&mut self, binding: &Binding, end: Option<Time>) {
        let Some(held) = self.watch.remove(Slot::Binding(binding.id)) else { return };
        if let Some(end) = end {
            held.until.store(end.0, Ordering::Relaxed);
        }
        let reason = if end.is_some() { EndReason::Released } else { EndReason::SourceEnded };
        for found in &held.matches {
            self.access_ends(&held, found, end, reason);
        }
    }

    /// Addresses that warrants name have no end of their own but the window's.
    pub(super) fn targets_end(&mut self) {
        let mut slots: Vec<Slot> = self.watch.slots().map(|(s, _)| s).collect();
        slots.retain(|slot| matches!(slot, Slot::Target(..)));
        slots.sort_unstable_by_key(|slot| match slot {
            Slot::Target(task, target) => (*task, *target),
            Slot::Binding(_) => (u32::MAX, u16::MAX),
        });
        for held in slots.into_iter().filter_map(|slot| self.watch.remove(slot)).collect::<Vec<_>>() {
            for found in &held.matches {
                self.access_ends(&held, found, None, EndReason::SourceEnded);
            }
        }
    }

    /// Selects the access session under each task that wants it and hasn't it yet.
    fn access_begins(&mut self, slot: Slot, now: Time) {
        let Some(held) = self.watch.get_mut(slot) else { return };
        let open: SmallVec<[Wanted; 1]> = held
            .wanted
            .iter()
            .filter(|w| held.matches.iter().all(|m| m.task().0 != w.task))
            .copied()
            .collect();
        for wanted in open {
            let Some(held) = self.watch.get_mut(slot) else { return };
            match self.index.follow_address(wanted, held, now) {
                Ok(mut found) => {
                    found.set_role(wanted.role);
                    let facts = access_facts(held, "bound");
                    held.matches.push(found.clone());
                    self.iri(&found, IriType::Begin, now, Service::Access, facts);
                }
                // It is tried again with each packet, so only the first miss of a session is one.
                Err(why) if now == held.start => self.counters.count(counter_of(why)),
                Err(_) => {}
            }
        }
    }

    fn access_ends(&mut self, held: &Held, found: &Match, end: Option<Time>, reason: EndReason) {
        let is_over = found.last() >= found.end() || end.is_some_and(|end| end > found.end());
        let (ts, reason) = if self.index.suspended(found.task()) || is_over {
            (found.end().min(end.unwrap_or(Time(i64::MAX))), EndReason::AuthorityEnded)
        } else {
            (end.unwrap_or(found.last().max(found.selected())).min(found.end()), reason)
        };
        let facts = Facts {
            end: end.map(|e| e.min(found.end())),
            end_reason: Some(reason),
            packets: Some(found.packets()),
            octets: Some(found.octets()),
            ..access_facts(
                held,
                if reason == EndReason::AuthorityEnded { "authority_ended" } else { "unbound" },
            )
        };
        self.iri(found, IriType::End, ts, Service::Access, facts);
        if found.content() {
            self.out.push_back(Product::CallClosed(Box::new(CallClosed {
                task: found.task(),
                liid: found.liid().clone(),
                cin: found.cin(),
                start: held.start,
                answer: None,
                end: Some(ts),
                end_reason: reason,
                selected: found.selected(),
                signals: found.signals(),
                streams: Vec::new(),
                streams_dropped: 0,
                addresses_dropped: 0,
                identities_dropped: 0,
                contested: false,
                digits_withheld: 0,
                digits_blanked: 0,
            })));
        }
    }

    pub(super) fn access_packet(&mut self, ip: &Ip<'_>, octets: &[u8], ts: Time) {
        if self.watch.is_idle() {
            return;
        }
        for address in [ip.src, ip.dst] {
            for slot in self.watch.find(address, ts) {
                self.counters.count(Counter::AccessPackets);
                self.access_begins(slot, ts);
                self.release_packet(slot, ip, octets, ts);
            }
        }
    }

    fn release_packet(&mut self, slot: Slot, ip: &Ip<'_>, octets: &[u8], ts: Time) {
        let Some(held) = self.watch.get_mut(slot) else { return };
        let mut matches = std::mem::take(&mut held.matches);
        for found in &mut matches {
            if ts < found.start() || ts >= found.end() || self.index.suspended(found.task()) {
                self.counters.count(Counter::OutsideWindow);
                continue;
            }
            let (offset, length) = super::place(octets, ip.payload);
            // What stands behind the packet's own end is padding of the link, in which others' octets have been found.
            let whole = octets.get(..(offset + length) as usize).unwrap_or(octets);
            found.tally(ts, whole.len() as u64);
            if found.content() {
                found.count_signal();
                let wire_len = u32::try_from(whole.len()).unwrap_or(u32::MAX);
                let packet = Packet { ts, link: LinkType::RAW, data: whole, wire_len };
                let end = |ip| Endpoint { ip, port: 0 };
                let seen = Seen {
                    ts,
                    src: end(ip.src),
                    dst: end(ip.dst),
                    // It has no meaning for a packet of any protocol.
                    transport: Transport::Udp,
                    packet: Some(packet),
                    payload: ip.payload,
                };
                self.cc(found, &seen, CcKind::Packet);
            }
        }
        if let Some(held) = self.watch.get_mut(slot) {
            held.matches = matches;
        }
    }

    /// Brings the selection of a flow up to the moment of this packet.
    pub(super) fn follow(&mut self, flow: &mut Flow, seen: &Seen<'_>, octets: u64) {
        if flow.selection.iter().any(|m| m.is_bound()) {
            for found in std::mem::take(&mut flow.selection) {
                if found.is_bound() && (seen.ts >= found.end() || self.index.suspended(found.task())) {
                    self.flow_ends(flow, &found, seen.ts, "unbound");
                } else {
                    flow.selection.push(found);
                }
            }
        }
        if !self.watch.is_idle() {
            for address in [flow.client.ip, flow.server.ip] {
                for slot in self.watch.find(address, seen.ts) {
                    self.flow_begins(flow, slot, seen);
                }
            }
        }
        for found in flow.selection.iter_mut().filter(|m| m.is_bound() && m.start() <= seen.ts) {
            found.tally(seen.ts, octets);
        }
    }

    fn flow_begins(&mut self, flow: &mut Flow, slot: Slot, seen: &Seen<'_>) {
        let wanted = self.watch.get_mut(slot).map(|held| held.wanted.clone()).unwrap_or_default();
        for wanted in wanted {
            if flow.selection.iter().any(|m| m.is_bound() && m.task().0 == wanted.task) {
                continue;
            }
            let Some(held) = self.watch.get_mut(slot) else { return };
            match self.index.follow_address(wanted, held, seen.ts) {
                Ok(found) => {
                    let facts = Facts {
                        event: "flow",
                        parties: held.who.clone(),
                        address: Some(Pii(held.address.text().into())),
                        src: Some(Pii(flow.client)),
                        dst: Some(Pii(flow.server)),
                        transport: Some(flow.transport.name()),
                        start: Some(seen.ts),
                        ..Facts::default()
                    };
                    flow.selection.push(Box::new(found));
                    let at = flow.selection.len() - 1;
                    self.iri(&flow.selection[at], IriType::Begin, seen.ts, Service::Flow, facts);
                }
                Err(Unselected::OutsideWindow) if seen.ts > flow.start => {}
                Err(why) => self.counters.count(counter_of(why)),
            }
        }
    }

    /// The flow, or the authority to follow it, or the target's hold of its address, is over.
    pub(super) fn flow_ends(&mut self, flow: &Flow, found: &Match, now: Time, event: &'static str) {
        let facts = Facts {
            event,
            src: Some(Pii(flow.client)),
            dst: Some(Pii(flow.server)),
            transport: Some(flow.transport.name()),
            start: Some(found.selected()),
            end: Some(found.last()),
            packets: Some(found.packets()),
            octets: Some(found.octets()),
            ..Facts::default()
        };
        self.iri(found, IriType::End, now.min(found.end()), Service::Flow, facts);
    }
}

fn access_facts(held: &Held, event: &'static str) -> Facts {
    Facts {
        event,
        parties: held.who.clone(),
        address: Some(Pii(held.address.text().into())),
        via: Some(held.via),
        start: Some(held.start),
        ..Facts::default()
    }
}
