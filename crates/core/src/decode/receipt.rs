//! Delivery receipts: the text that SMPP centres write (SMPP 3.4, appendix B) and states of a message.

/// What became of a message (SMPP 3.4, 5.2.28; TS 23.040, 9.2.3.15 read the same way).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum State {
    Enroute,
    Delivered,
    Expired,
    Deleted,
    Undeliverable,
    Accepted,
    Unknown,
    Rejected,
}

impl State {
    /// Stable name for records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enroute => "enroute",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Undeliverable => "undeliverable",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
        }
    }

    /// `message_state` (SMPP 3.4, 5.2.28).
    pub(crate) const fn of_smpp(state: u8) -> Self {
        match state {
            1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            8 => Self::Rejected,
            _ => Self::Unknown,
        }
    }

    /// TP-Status (TS 23.040, 9.2.3.15).
    pub(crate) const fn of_tp_status(status: u8) -> Self {
        match status {
            0x00..=0x1f => Self::Delivered,
            0x20..=0x3f => Self::Enroute,
            0x46 => Self::Expired,
            0x47 | 0x48 => Self::Deleted,
            0x40..=0x7f => Self::Undeliverable,
            _ => Self::Unknown,
        }
    }

    /// By the word of a receipt's text.
    fn of_word(word: &[u8]) -> Self {
        match word.get(..4).unwrap_or_default().to_ascii_uppercase().as_slice() {
            b"ENRO" => Self::Enroute,
            b"DELI" => Self::Delivered,
            b"EXPI" => Self::Expired,
            b"DELE" => Self::Deleted,
            b"UNDE" => Self::Undeliverable,
            b"ACCE" => Self::Accepted,
            b"REJE" => Self::Rejected,
            _ => Self::Unknown,
        }
    }
}

/// What a receipt says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Receipt {
    /// The name that the centre gave to the message.
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) state: State,
}

impl Receipt {
    /// From text: `id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…`, in any case and order up to
    /// `text:`, behind which a stranger's words stand. `None` without a name and a state.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        /// A receipt's fields without the text that it repeats have some 120 octets.
        const MAX_FIELDS: usize = 256;
        // Some centres say UTF-16 and write ASCII, others write both octets: a zero octet says nothing in either.
        let fields: Vec<u8> = text.iter().copied().filter(|o| *o != 0).take(MAX_FIELDS).collect();
        let fields = fields.to_ascii_lowercase();
        let own = memchr::memmem::find(&fields, b"text:").map_or(&fields[..], |end| &fields[..end]);
        let field = |name: &[u8]| {
            let at = memchr::memmem::find_iter(own, name)
                .find(|at| at.checked_sub(1).is_none_or(|before| own[before].is_ascii_whitespace()))?;
            own[at + name.len()..]
                .trim_ascii_start()
                .split(u8::is_ascii_whitespace)
                .next()
                .filter(|v| !v.is_empty())
        };
        Some(Self { id: Some(field(b"id:")?.to_vec()), state: State::of_word(field(b"stat:")?) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p45_receipts_of_many_makers() {
        for (text, id, state) in [
            (
                &b"id:0406 sub:001 dlvrd:001 submit date:1001010000 done date:1001010001 stat:DELIVRD err:000 text:Hi"[..],
                "0406",
                State::Delivered,
            ),
            (b"ID:A1F STAT:undeliv", "a1f", State::Undeliverable),
            (b"id: 12 stat: EXPIRED err:27", "12", State::Expired),
            (b"\0i\0d\0:\x007\0 \0s\0t\0a\0t\0:\0R\0E\0J\0E\0C\0T\0D", "7", State::Rejected),
            (b"sub:001 stat:ACCEPTD id:9", "9", State::Accepted),
            (b"id:9 stat:NEW", "9", State::Unknown),
        ] {
            let expected = Receipt { id: Some(id.as_bytes().to_vec()), state };
            assert_eq!(Receipt::read(text), Some(expected));
        }
        for no_receipt in [
            &b"hello"[..],
            b"my id:1",
            b"stat:DELIVRD",
            b"id: stat:",
            b"text:id:1 stat:DELIVRD",
            b"paid:1 stat:X",
            b"",
        ] {
            assert_eq!(Receipt::read(no_receipt), None);
        }
    }

    #[test]
    fn p45_states() {
        assert_eq!(
            [1, 2, 3, 5, 8, 0].map(|s| State::of_smpp(s).name()),
            ["enroute", "delivered", "expired", "undeliverable", "rejected", "unknown"]
        );
        assert_eq!(
            [0, 0x20, 0x46, 0x41, 0x61, 0x48, 0xff].map(State::of_tp_status),
            [
                State::Delivered,
                State::Enroute,
                State::Expired,
                State::Undeliverable,
                State::Undeliverable,
                State::Deleted,
                State::Unknown
            ]
        );
    }

    proptest! {
        #[test]
        fn never_panics(text: Vec<u8>) {
            let _ = Receipt::read(&text);
        }
    }
}
