//! Hold, from its offer to its acceptance (RFC 3264, 8.4): an offer that is refused, as in re-INVITE glare (RFC 3261,
//! 14.1: 491), changes nothing.

use smallvec::SmallVec;

use crate::decode::sip::{self, Method};
use crate::packet::Time;
use crate::product::{Hold, HoldBy, Side};

/// Most times on hold told of a call.
const MAX_HOLDS: usize = 32;

/// An offer that waits for its answer.
#[derive(Clone, Copy)]
struct Offer {
    number: u32,
    method: Method,
    side: Side,
    hold: Option<HoldBy>,
    /// Whether the side was holding before: what holds again if the offer is refused.
    before: bool,
}

/// What descriptions have said of hold and nobody has settled yet.
#[derive(Default)]
pub(super) struct Holding {
    /// Both sides may offer at once: that is the glare.
    offers: [Option<Offer>; 2],
    said: SmallVec<[(Side, Option<HoldBy>); 2]>,
}

/// What a message settled.
#[derive(Default)]
pub(super) struct Settled {
    /// Holds to be begun or ended.
    pub(super) said: SmallVec<[(Side, Option<HoldBy>); 2]>,
    /// A side's earlier direction, which a refused offer leaves in force.
    pub(super) restore: Option<(Side, bool)>,
}

impl Holding {
    /// `side` describes its media in `message`; `before`: whether it was holding until then.
    pub(super) fn described(
        &mut self,
        message: &sip::Message<'_>,
        side: Side,
        hold: Option<HoldBy>,
        before: bool,
    ) {
        let offers =
            matches!(message.method(), Method::Invite | Method::Update) && message.status().is_none();
        if offers {
            let (number, method) = (message.cseq.number, message.method());
            if let Some(offer) = self.offers.get_mut(side as usize) {
                *offer = Some(Offer { number, method, side, hold, before });
            }
        } else if message.status().is_none_or(|s| s < 300) {
            self.said.push((side, hold));
        }
    }

    /// Whether nothing waits to be settled, as with most messages.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.said.is_empty() && self.offers.iter().all(Option::is_none)
    }

    /// What a message settles: a response settles the offer of the other side.
    pub(super) fn settle(&mut self, message: &sip::Message<'_>, side: Side) -> Settled {
        let mut out = Settled { said: std::mem::take(&mut self.said), restore: None };
        let Some(status) = message.status().filter(|s| *s >= 200) else { return out };
        let Some(waiting) = self.offers.get_mut(side.other() as usize) else { return out };
        let of = |o: &mut Offer| o.number == message.cseq.number && o.method == message.method();
        let Some(offer) = waiting.take_if(of) else { return out };
        if status < 300 {
            // The offer was there before its answer.
            out.said.insert(0, (offer.side, offer.hold));
        } else {
            out.restore = Some((offer.side, offer.before));
        }
        out
    }
}

/// Brings the list of holds up to date. False when it is full.
pub(super) fn apply(holds: &mut Vec<Hold>, side: Side, hold: Option<HoldBy>, ts: Time) -> bool {
    let open = |s: Side| move |h: &Hold| h.side == s && h.end.is_none();
    match (holds.iter().position(open(side)), hold) {
        (Some(at), None) => {
            if let Some(held) = holds.get_mut(at) {
                held.end = Some(ts);
            }
        }
        // The answer to `inactive` is `inactive`: that is no second hold.
        (None, Some(by)) if by == HoldBy::Inactive && holds.iter().any(open(side.other())) => {}
        (None, Some(_)) if holds.len() == MAX_HOLDS => return false,
        (None, Some(by)) => holds.push(Hold { side, by, start: ts, end: None }),
        _ => {}
    }
    true
}
