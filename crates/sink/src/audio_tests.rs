use super::*;
use crate::testing::{MS, Rtp, START};
use proptest::prelude::*;

const LOUD: i16 = 32_124;

fn place(line: &mut Timeline, packet: &Rtp) -> Placed {
    line.place(packet.at, &packet.audio(), &packet.payload)
}

fn at(ms: i64) -> Time {
    Time(START.0 + ms * MS)
}

/// All that is left, as one piece from frame 0.
fn all(line: &mut Timeline) -> ([Vec<i16>; 2], Vec<Gap>) {
    line.close();
    let (mut channels, mut gaps) = ([Vec::new(), Vec::new()], Vec::new());
    while let Some(segment) = line.rest() {
        for (whole, piece) in channels.iter_mut().zip(segment.channels) {
            whole.resize(usize::try_from(segment.from).unwrap(), 0);
            whole.extend(piece);
        }
        gaps.extend(segment.gaps);
    }
    (channels, gaps)
}

fn line() -> Timeline {
    Timeline::new(START)
}

#[test]
fn the_sides_stand_left_and_right_and_segments_meet() {
    let mut line = line();
    let mut segments = Vec::new();
    for n in 0..1250 {
        let packet = Rtp::nth(1, Side::Caller, n);
        segments.extend(line.due(packet.at));
        assert_eq!(place(&mut line, &packet), Placed::Yes);
        if n >= 50 {
            place(&mut line, &Rtp::nth(1, Side::Callee, n));
        }
    }
    segments.extend(line.rest());
    let spans: Vec<_> = segments.iter().map(|s| (s.from, s.frames())).collect();
    assert_eq!(spans, [(0, 80_000), (80_000, 80_000), (160_000, 40_000)]);
    let [left, right] = &segments[0].channels;
    assert!(left.iter().all(|s| *s == LOUD));
    // The callee began a second later: its stream is placed by its own first packet.
    assert!(right[..8000].iter().all(|s| *s == 0) && right[8000..].iter().all(|s| *s == -LOUD));
}

#[test]
fn a_lost_packet_is_silence_with_a_mark() {
    let mut line = line();
    for n in (0..10).filter(|n| !(3..5).contains(n)) {
        place(&mut line, &Rtp::nth(1, Side::Caller, n));
    }
    let ([left, _], gaps) = all(&mut line);
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.from, gap.to, gap.packets, gap.side), (480, 800, 2, Side::Caller));
    assert!(left[480..800].iter().all(|s| *s == 0) && left[479] == LOUD && left[800] == LOUD);
    assert_eq!(line.lost, gaps);
}

#[test]
fn a_late_packet_splits_its_gap() {
    let mut line = line();
    for n in [0, 1, 5, 3] {
        place(&mut line, &Rtp::nth(1, Side::Caller, n));
    }
    let (_, gaps) = all(&mut line);
    let spans: Vec<_> = gaps.iter().map(|g| (g.from, g.to, g.packets)).collect();
    assert_eq!(spans, [(320, 480, 1), (640, 800, 1)]);
}

/// A relay's second stream of the same packets is heard once, in one place; what only one of the two brought is heard.
#[test]
fn what_a_relay_passes_on_is_one_sound() {
    for encoding in [Encoding::Pcmu, Encoding::Other("OPUS".into())] {
        let mut line = line();
        let mut sounded = Vec::new();
        for n in 0..10 {
            let mut packet = Rtp::nth(1, Side::Caller, n);
            packet.encoding = encoding.clone();
            for (stream, lost, later) in [(7, 3, 0), (9, 5, 3)] {
                packet.at = Time(START.0 + (i64::from(n) * 20 + later) * MS);
                if n != lost {
                    let audio = Audio { stream, ..packet.audio() };
                    sounded.push((n, line.place(packet.at, &audio, &packet.payload)));
                }
            }
        }
        let apart: Vec<_> = sounded
            .iter()
            .filter_map(|(n, p)| match p {
                Placed::Apart(at) => Some((i64::from(*n), *at)),
                _ => None,
            })
            .collect();
        let ([left, _], _) = all(&mut line);
        if encoding == Encoding::Pcmu {
            assert_eq!(left, vec![LOUD; 1600]);
        } else {
            assert_eq!(apart, (0..10).map(|n| (n, n * 160)).collect::<Vec<_>>());
        }
    }
}

/// Somebody else's packets under the same source and sequence hide nothing.
#[test]
fn other_sound_under_the_same_source_is_heard_too() {
    let mut line = line();
    let packet = Rtp::nth(1, Side::Caller, 0);
    let forged = Audio { stream: 9, ..packet.audio() };
    line.place(packet.at, &forged, &[0xff; 160]);
    assert_eq!(place(&mut line, &packet), Placed::Yes);
    assert_eq!(all(&mut line).0[0], vec![LOUD; 160]);
}

#[test]
fn half_a_second_late_is_in_time_and_more_is_counted() {
    for (late_ms, expected) in [(490, Placed::Yes), (530, Placed::Late)] {
        let mut line = line();
        // Packet 499 ends at 10 s exactly; it is late, the rest is not.
        for n in (0..499).chain(500..524) {
            place(&mut line, &Rtp::nth(1, Side::Caller, n));
        }
        let mut late = Rtp::nth(1, Side::Caller, 499);
        late.at = at(10_000 + late_ms);
        let segment = line.due(late.at);
        assert_eq!(segment.is_some(), expected == Placed::Late);
        assert_eq!(place(&mut line, &late), expected);
        let segment = segment.or_else(|| line.due(at(10_500))).unwrap();
        assert_eq!(segment.channels[0][79_999] == LOUD, expected == Placed::Yes);
        assert_eq!(segment.gaps.len(), usize::from(expected == Placed::Late));
    }
}

#[test]
fn a_copy_is_not_heard_twice() {
    let mut line = line();
    let mut quiet = Rtp::nth(1, Side::Caller, 0);
    quiet.payload = vec![0xC0; 160];
    assert_eq!(place(&mut line, &quiet), Placed::Yes);
    assert_eq!(place(&mut line, &quiet), Placed::Duplicate);
    let once = pcm_of(&Encoding::Pcmu, &[0xC0]).next().unwrap();
    assert!(all(&mut line).0[0].iter().all(|s| *s == once));
}

#[test]
fn a_timestamp_that_jumps_is_anchored_on_arrival() {
    let mut line = line();
    for n in 0..50 {
        place(&mut line, &Rtp::nth(1, Side::Caller, n));
    }
    for n in 50..100 {
        let mut packet = Rtp::nth(1, Side::Caller, n);
        packet.timestamp = packet.timestamp.wrapping_add(3_000_000_000);
        assert_eq!(place(&mut line, &packet), Placed::Yes);
    }
    let ([left, _], gaps) = all(&mut line);
    assert_eq!((left.len(), gaps.len()), (16_000, 0));
    assert!(left.iter().all(|s| *s == LOUD));
}

#[test]
fn sequence_and_timestamp_wrap() {
    let mut line = line();
    for n in 0..100u16 {
        let mut packet = Rtp::nth(1, Side::Caller, n);
        packet.sequence = 65_500u16.wrapping_add(n);
        packet.timestamp = (u32::MAX - 4000).wrapping_add(160 * u32::from(n));
        assert_eq!(place(&mut line, &packet), Placed::Yes);
    }
    let ([left, _], gaps) = all(&mut line);
    assert!(gaps.is_empty() && left.len() == 16_000 && left.iter().all(|s| *s == LOUD));
}

#[test]
fn a_sender_that_begins_anew_is_believed_with_its_second_packet() {
    let mut line = line();
    for n in 0..50 {
        place(&mut line, &Rtp::nth(1, Side::Caller, n));
    }
    let restarted = |n: u16| Rtp { sequence: 40_000 + n, timestamp: 9, ..Rtp::nth(1, Side::Caller, n) };
    assert_eq!(place(&mut line, &restarted(50)), Placed::Late);
    assert_eq!(place(&mut line, &restarted(51)), Placed::Yes);
    let ([left, _], _) = all(&mut line);
    assert!(left[8000..8160].iter().all(|s| *s == 0) && left[8160] == LOUD);
}

#[test]
fn a_long_key_press_does_not_move_the_speech_after_it() {
    let mut line = line();
    for n in 0..150 {
        let mut packet = Rtp::nth(1, Side::Caller, n);
        // A digit held for two seconds: all its packets bear the timestamp of the first (RFC 4733).
        if (25..125).contains(&n) {
            packet.encoding = Encoding::TelephoneEvent;
            packet.timestamp = 77_000 + 160 * 25;
            packet.payload = vec![5, 10, 0, 0];
        }
        assert_eq!(place(&mut line, &packet), Placed::Yes);
    }
    let ([left, _], gaps) = all(&mut line);
    assert!(gaps.is_empty() && left.len() == 24_000);
    assert!(left[4000..20_000].iter().all(|s| *s == 0) && left[20_000] == LOUD && left[3999] == LOUD);
}

#[test]
fn a_long_hold_makes_no_files_and_moves_nothing() {
    let mut line = line();
    place(&mut line, &Rtp::nth(1, Side::Caller, 0));
    let segment = line.due(at(3_600_000)).unwrap();
    assert_eq!((segment.from, segment.frames()), (0, 80_000));
    assert!(line.due(at(3_600_000)).is_none());
    let after = Rtp { at: at(3_600_000), sequence: 1001, timestamp: 5, ..Rtp::nth(1, Side::Caller, 1) };
    place(&mut line, &after);
    let segment = std::iter::from_fn(|| line.rest()).last().unwrap();
    assert_eq!((segment.from, segment.frames()), (3_600 * 8000, 160));
    assert_eq!(segment.channels[0].last(), Some(&LOUD));
}

#[test]
fn other_codecs_and_clocks_are_not_heard() {
    let mut line = line();
    let opus = Rtp { encoding: Encoding::Other("OPUS".into()), ..Rtp::nth(1, Side::Caller, 0) };
    assert_eq!(place(&mut line, &opus), Placed::Apart(0));
    let wide = Rtp::nth(1, Side::Callee, 0);
    assert_eq!(
        line.place(wide.at, &Audio { clock: 16_000, ..wide.audio() }, &wide.payload),
        Placed::Apart(0)
    );
    assert_eq!(line.octets(), 0);
}

/// One stream of another codec: clock, ticks a packet, and where packet `n` of it is placed.
fn others(clock: u32, ticks: u32, packets: impl Iterator<Item = u32>) -> Vec<i64> {
    let mut line = line();
    let place = |n: u32| {
        let audio = Audio {
            encoding: Encoding::Other("OPUS".into()),
            clock,
            sequence: n as u16,
            timestamp: 77_u32.wrapping_add(n.wrapping_mul(ticks)),
            ..Rtp::nth(1, Side::Caller, 0).audio()
        };
        // 7 ms of jitter for every second packet but the first.
        let jitter = i64::from(n % 2) * 7 * MS;
        let at = START.0 + i64::from(n) * i64::from(ticks) * 1_000_000_000 / i64::from(clock) + jitter;
        match line.place(Time(at), &audio, &[1]) {
            Placed::Apart(position) => position,
            other => panic!("{other:?}"),
        }
    };
    packets.map(place).collect()
}

#[test]
fn p31_other_clocks_have_their_places_by_their_own_clock() {
    // Opus 48000, AMR-WB and EVS 16000, G.722 8000 though it samples at 16 000 (RFC 3551, 4.5.2): 20 ms are 160 frames.
    for (clock, ticks) in [(48_000, 960), (16_000, 320), (8000, 160)] {
        assert_eq!(others(clock, ticks, 0..4), [0, 160, 320, 480], "{clock}");
    }
    // L16 at 44 100 Hz, 441 ticks are 10 ms; 100 ticks are no whole number of frames, and nothing adds up.
    let long = others(44_100, 100, 0..4410);
    assert_eq!(long.last().map(|at| (at - 4409 * 8000 / 441).abs() <= 1), Some(true));
}

#[test]
fn p36_lost_packets_of_other_codecs_are_gaps_of_their_length() {
    let mut line = line();
    for n in (0..10_u16).filter(|n| !(4..6).contains(n)) {
        let packet = Rtp::nth(1, Side::Caller, n);
        let audio = Audio {
            encoding: Encoding::Other("AMR-WB".into()),
            clock: 16_000,
            timestamp: u32::from(n) * 320,
            ..packet.audio()
        };
        line.place(packet.at, &audio, &[1]);
    }
    line.close();
    assert_eq!(line.lost.iter().map(|g| (g.from, g.to, g.packets)).collect::<Vec<_>>(), [(640, 960, 2)]);
}

proptest! {
    // Each case is up to 600 packets of audio: 64 cases are 38,000 packets and a few seconds.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever order the network makes of the packets, what is heard is what was said.
    #[test]
    fn jitter_up_to_400_ms_changes_nothing(delays in prop::collection::vec(0i64..400, 600)) {
        let mut packets: Vec<Rtp> = delays.iter().zip(0u16..).map(|(delay, n)| {
            let packet = Rtp::nth(1, Side::Caller, n);
            let payload = (0..160u32).map(|i| (u32::from(n) * 31 + i) as u8).collect();
            // The first packet sets the place of all.
            let at = if n == 0 { packet.at } else { Time(packet.at.0 + delay * MS) };
            Rtp { at, payload, ..packet }
        }).collect();
        let said: Vec<i16> =
            packets.iter().flat_map(|p| pcm_of(&Encoding::Pcmu, &p.payload).collect::<Vec<_>>()).collect();
        packets.sort_by_key(|p| p.at);
        let mut line = line();
        let mut heard = Vec::new();
        for packet in &packets {
            heard.extend(line.due(packet.at).into_iter().flat_map(|s| s.channels[0].clone()));
            prop_assert_eq!(place(&mut line, packet), Placed::Yes);
        }
        line.close();
        while let Some(segment) = line.rest() {
            heard.extend_from_slice(&segment.channels[0]);
        }
        prop_assert!(heard == said);
        prop_assert!(line.lost.is_empty());
    }

    /// Hostile packets: no panic, bounded memory, and segments that follow one another.
    #[test]
    fn nothing_from_the_wire_panics_or_grows(
        packets in prop::collection::vec(
            (any::<i64>(), 0u16..70, any::<u16>(), any::<u32>(), 0usize..1500, 0u8..4, any::<bool>()), 1..200),
        near: bool,
    ) {
        let mut line = line();
        let mut reached = 0;
        for (time, stream, sequence, timestamp, length, encoding, callee) in packets {
            let at = if near { Time(START.0 + time % (60_000 * MS)) } else { Time(time) };
            let encoding = match encoding {
                0 => Encoding::Pcmu,
                1 => Encoding::Pcma,
                2 => Encoding::ComfortNoise,
                _ => Encoding::Unknown,
            };
            let side = if callee { Side::Callee } else { Side::Caller };
            let packet = Rtp {
                cin: 1, at, side, sequence: sequence % 300, timestamp, encoding, payload: vec![0; length],
            };
            while let Some(segment) = line.due(at) {
                prop_assert!(segment.from >= reached);
                prop_assert_eq!(segment.channels[0].len(), segment.channels[1].len());
                reached = segment.from + segment.frames() as i64;
            }
            line.place(at, &Audio { stream, ..packet.audio() }, &packet.payload);
            // Two channels of two octets; a segment, what may be late, what may be early, one packet.
            prop_assert!(line.octets() <= 4 * (80_000 + 4000 + 8000 + 1500));
        }
        line.close();
        while let Some(segment) = line.rest() {
            prop_assert!(segment.from >= reached && segment.frames() <= 80_000);
            reached = segment.from + segment.frames() as i64;
        }
    }
}
