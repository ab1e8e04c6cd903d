//! DTMF and other telephone events in RTP (RFC 4733).
//!
//! A key press comes as many packets with one timestamp, the last three of them marked as its end, any of which may be
//! lost. [`Detector`] makes one event of them.

/// The payload of one packet (RFC 4733, 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Payload {
    /// 0 to 9 are digits, 10 `*`, 11 `#`, 12 to 15 `A` to `D`, 16 hook flash.
    pub(crate) event: u8,
    /// The event has ended; sent three times.
    pub(crate) end: bool,
    /// Since the event began, in timestamp units.
    pub(crate) duration: u16,
}

impl Payload {
    /// Reads the first event of a payload: four octets.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, high, low] = *payload.first_chunk::<4>()?;
        Some(Self { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }
}

/// Turns the packets of one stream into events.
#[derive(Clone, Default, Debug)]
pub(crate) struct Detector {
    current: Option<(u32, u8)>,
}

impl Detector {
    /// Takes a packet in, and gives the event when it is the first packet seen of it. Events are told when they begin:
    /// so one whose end is lost is told as well, and the three copies of the end tell nothing new. A long event that
    /// is sent in segments (2.5.1.3) comes as one for each, as each has its own timestamp.
    pub(crate) fn packet(&mut self, timestamp: u32, payload: Payload) -> Option<u8> {
        let now = (timestamp, payload.event);
        if let Some((last, _)) = self.current {
            // A late packet of an earlier event (the difference wraps, RFC 3550, 5.1).
            if self.current == Some(now) || timestamp.wrapping_sub(last) > u32::MAX / 2 {
                return None;
            }
        }
        self.current = Some(now);
        Some(payload.event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Detector, Payload};

    fn key(event: u8) -> Option<char> {
        "0123456789*#ABCD".chars().nth(event.into())
    }

    fn told(packets: &[(u32, [u8; 4])]) -> String {
        let mut detector = Detector::default();
        packets
            .iter()
            .filter_map(|(timestamp, octets)| detector.packet(*timestamp, Payload::parse(octets)?))
            .filter_map(key)
            .collect()
    }

    #[test]
    fn reads_event_end_and_duration() {
        let payload = Payload::parse(&[11, 0x8a, 0x03, 0x20]).expect("an event");
        assert_eq!(payload, Payload { event: 11, end: true, duration: 800 });
        assert_eq!(Payload::parse(&[11, 0x8a, 0x03]), None);
    }

    #[test]
    fn one_timestamp_is_one_event() {
        let (begin, end) = ([5, 10, 0, 160], [5, 0x8a, 1, 64]);
        assert_eq!(told(&[(100, begin), (100, begin), (100, end), (100, end), (100, end)]), "5");
        assert_eq!(told(&[(100, begin), (100, end), (900, begin), (900, end)]), "55", "the same key twice");
        assert_eq!(told(&[(100, begin), (900, [10, 10, 0, 160])]), "5*", "the end was lost");
        assert_eq!(told(&[(100, end)]), "5", "only the end was seen");
        assert_eq!(told(&[(100, begin), (900, begin), (100, end)]), "55", "a late end of the first");
        assert_eq!(told(&[(u32::MAX - 5, begin), (300, begin)]), "55", "the timestamp wraps");
    }

    proptest! {
        #[test]
        fn any_octets(packets in proptest::collection::vec((any::<u32>(), any::<[u8; 4]>()), 0..50)) {
            prop_assert!(told(&packets).len() <= packets.len());
        }
    }
}
