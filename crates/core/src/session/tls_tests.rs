use proptest::prelude::*;

use super::*;

/// What two OpenSSL ends said to each other, by suite.
const TALKS: &str = include_str!("tls/openssl.txt");

/// One talk: its name, its key log, and octets with who sent them.
struct Talk {
    name: &'static str,
    keys: KeyLog,
    flights: Vec<(bool, Vec<u8>)>,
}

fn octets(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn talks() -> Vec<Talk> {
    let mut all: Vec<Talk> = Vec::new();
    for line in TALKS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("case ") {
            all.push(Talk { name, keys: KeyLog::default(), flights: Vec::new() });
            continue;
        }
        let talk = all.last_mut().unwrap();
        match line.split_once(' ').unwrap() {
            (side @ ("C" | "S"), text) => talk.flights.push((side == "C", octets(text))),
            _ => assert_eq!(talk.keys.read(line), 1),
        }
    }
    all
}

/// What both ends said inside, and what was counted.
#[derive(Default)]
struct Heard {
    inside: [Vec<u8>; 2],
    counted: Vec<Counter>,
}

/// Feeds the talk in pieces of `size`, as a caller does; `lose`: of which flight the first octet never came.
fn read(talk: &Talk, keys: &KeyLog, size: usize, lose: Option<usize>) -> Heard {
    let (mut heard, mut agreement) = (Heard::default(), Agreement::default());
    let mut ends = [(TlsStream::default(), Vec::new()), (TlsStream::default(), Vec::new())];
    for (n, (is_client, sent)) in talk.flights.iter().enumerate() {
        let side = usize::from(!is_client);
        let (stream, kept) = &mut ends[side];
        if lose == Some(n) {
            kept.clear();
            stream.gap();
        }
        for piece in sent.chunks(size) {
            kept.extend_from_slice(piece);
            let Heard { inside, counted } = &mut heard;
            let used =
                stream.data(kept, &mut agreement, keys, &mut inside[side], &mut |what, _| counted.push(what));
            kept.drain(..used);
        }
    }
    heard
}

const METHODS: [&str; 2] = ["INVITE sip:", "SIP/2.0 200"];

#[test]
fn p7_what_openssl_sealed_is_opened_with_its_key_log() {
    let all = talks();
    assert_eq!(all.len(), 4);
    for talk in &all {
        for size in [1, 100, 100_000] {
            let heard = read(talk, &talk.keys, size, None);
            for (side, inside) in heard.inside.iter().enumerate() {
                let text = std::str::from_utf8(inside).expect("text");
                assert!(text.starts_with(METHODS[side]), "{}", talk.name);
                assert_eq!(text.matches("Call-ID: over-tls").count(), 2, "{}", talk.name);
                assert!(text.ends_with("\r\n\r\n"));
            }
            assert_eq!(heard.counted, [Counter::TlsOpened; 2], "{}", talk.name);
        }
    }
}

#[test]
fn p7_without_the_right_secret_nothing_is_opened() {
    let all = talks();
    for (talk, other) in all.iter().zip(all.iter().cycle().skip(1)) {
        let heard = read(talk, &other.keys, 100_000, None);
        assert!(heard.inside.iter().all(Vec::is_empty), "{}", talk.name);
        assert_eq!(heard.counted, [Counter::TlsUnopened; 2], "{}", talk.name);
    }
}

#[test]
fn behind_a_gap_nothing_is_opened_and_before_it_all() {
    for talk in &talks() {
        let bye = talk.flights.len() - 2;
        let heard = read(talk, &talk.keys, 100_000, Some(bye));
        assert_eq!(heard.inside[0].windows(7).filter(|w| w == b"Call-ID").count(), 1, "{}", talk.name);
        assert_eq!(heard.inside[1].windows(7).filter(|w| w == b"Call-ID").count(), 2, "{}", talk.name);
    }
}

#[test]
fn what_was_altered_is_not_opened() {
    for mut talk in talks() {
        let invite = talk.flights.iter().rposition(|(is_client, _)| *is_client).unwrap();
        *talk.flights[invite].1.last_mut().unwrap() ^= 1;
        let heard = read(&talk, &talk.keys, 100_000, None);
        assert_eq!(heard.inside[0].windows(7).filter(|w| w == b"Call-ID").count(), 1, "{}", talk.name);
        assert!(heard.counted.contains(&Counter::TlsUnopened), "{}", talk.name);
    }
}

proptest! {
    #[test]
    fn any_octets_are_safe(
        octets in proptest::collection::vec(any::<u8>(), 0..300), kind in 20u8..24, length in 0u16..400,
    ) {
        let talk = &talks()[0];
        let [high, low] = length.to_be_bytes();
        let (mut agreement, mut plain) = (Agreement::default(), Vec::new());
        for stream in [&octets[..], &[&[kind, 3, 3, high, low], &octets[..]].concat()] {
            let mut end = TlsStream::default();
            let used = end.data(stream, &mut agreement, &talk.keys, &mut plain, &mut |_, _| {});
            prop_assert!(used <= stream.len());
        }
    }
}
