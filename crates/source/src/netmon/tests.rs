use proptest::prelude::*;

use super::*;
use crate::testing::{Out, Outcome, read, read_all};

/// 17 July 2005, 15:39:20.502, as `date -u` gives it.
const START: i64 = 1_121_614_760_502_000_000;
const LOCAL: (&str, u64, u64) = ("source.local_time", 0, 1);

/// Microseconds since the start, octets, and what follows them.
type Frame<'a> = (i64, &'a [u8], &'a [u8]);

/// A whole file and where its table is.
fn netmon(minor: u8, media: u16, frames: &[Frame<'_>]) -> (Vec<u8>, usize) {
    let mut out = [&MAGIC[..], &[minor, 2], &media.to_le_bytes()].concat();
    for field in [2005_u16, 7, 0, 17, 15, 39, 20, 502] {
        out.extend(field.to_le_bytes());
    }
    out.resize(128, 0);
    let mut table = Vec::new();
    for (delta, data, trailer) in frames {
        table.extend((out.len() as u32).to_le_bytes());
        out.extend(delta.to_le_bytes());
        out.extend((data.len() as u32 + 1).to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend([data, *trailer].concat());
    }
    let at = out.len();
    out[24..28].copy_from_slice(&(at as u32).to_le_bytes());
    out[28..32].copy_from_slice(&(table.len() as u32).to_le_bytes());
    out.extend(table);
    (out, at)
}

fn put(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn texts(outcome: &Outcome) -> Vec<&[u8]> {
    outcome.packets.iter().map(|packet| &packet.2[..]).collect()
}

const FOUR: [Frame<'_>; 4] = [(0, b"one", b""), (1, b"two", b""), (2, b"three", b""), (3, b"four", b"")];

#[test]
fn frames_times_and_lengths_come_out() {
    let (file, _) = netmon(0, 1, &[(0, b"one", b""), (4_621_000, b"two", b""), (-1, b"", b"")]);
    let outcome = read(&file);
    let expected: [Out; 3] = [
        (START, 1, b"one".to_vec(), 4),
        (START + 4_621_000_000, 1, b"two".to_vec(), 4),
        (START - 1000, 1, vec![], 1),
    ];
    assert_eq!(outcome.packets, expected);
    assert_eq!(outcome.warnings, [LOCAL]);
}

#[test]
fn each_version_has_its_trailer_and_the_last_its_own_time() {
    for (minor, trailer) in [(1, &[9, 0][..]), (2, &[9, 0, 1, 2, 3, 4])] {
        let (file, _) = netmon(minor, 1, &[(0, b"a", trailer), (1, b"b", trailer)]);
        let outcome = read(&file);
        assert_eq!(texts(&outcome), [b"a", b"b"]);
        assert_eq!((outcome.packets[1].0, outcome.packets[1].1), (START + 1000, 101));
    }
    let utc = (EPOCH + 15_000_000).to_le_bytes();
    let trailer = [&[1, 0, 1, 2, 3, 4][..], &utc, &[0]].concat();
    let none = [&[1, 0][..], &[0; 13]].concat();
    let outcome = read(&netmon(3, 9, &[(5, b"a", &trailer), (5, b"b", &none)]).0);
    let times: Vec<_> = outcome.packets.iter().map(|packet| packet.0).collect();
    assert_eq!(times, [1_500_000_000, START + 5000]);
    assert_eq!(outcome.warnings, [], "UTC needs no warning");
}

#[test]
fn media_are_mapped_or_counted_and_notes_are_no_packets() {
    let of = |media: u16| {
        let outcome = read(&netmon(1, 0, &[(0, b"a", &media.to_le_bytes())]).0);
        (outcome.packets.first().map(|packet| packet.1), outcome.warnings.get(1).map(|warning| warning.0))
    };
    for (media, link) in [(0, 1), (1, 1), (7, 101), (8, 101), (9, 101), (0xe001, 1), (0xe071, 113)] {
        assert_eq!(of(media), (Some(link), None), "{media:#x}");
    }
    for (media, link) in [(2, 6), (3, 10), (0xe069, 105)] {
        assert_eq!(of(media), (Some(link), Some("source.link_type")), "{media:#x}");
    }
    for media in [4, 5, 6, 10, 0xffe0, 0xfffc] {
        let link = UNREGISTERED | u32::from(media);
        assert_eq!(of(media), (Some(link), Some("source.media_type")), "{media:#x}");
    }
    for media in [0xfffb, 0xfffd, 0xfffe, 0xffff] {
        assert_eq!(of(media), (None, None), "{media:#x}");
    }
}

#[test]
fn one_false_entry_costs_one_frame() {
    let (whole, table) = netmon(0, 1, &FOUR);
    let second = u32::from_le_bytes(whole[table + 4..table + 8].try_into().unwrap());
    // Far beyond the end, in the table, in a later frame, before the frames, in the file header.
    for lie in [u32::MAX, table as u32, second + 30, 127, 0] {
        let mut file = whole.clone();
        put(&mut file, table + 4, lie);
        let outcome = read(&file);
        assert_eq!(texts(&outcome), [&b"one"[..], b"three", b"four"], "{lie}");
        assert_eq!(outcome.warnings, [LOCAL, ("source.frame", u64::from(lie), 1)]);
    }
    // The same frame a hundred times is one frame.
    let mut file = whole.clone();
    for _ in 0..100 {
        file.extend(second.to_le_bytes());
    }
    put(&mut file, 28, 104 * 4);
    assert_eq!(read(&file).warnings[1], ("source.frame", u64::from(second), 100));
}

#[test]
fn one_false_length_costs_one_frame() {
    let (whole, table) = netmon(0, 1, &FOUR);
    let second = u32::from_le_bytes(whole[table + 4..table + 8].try_into().unwrap());
    for lie in [4, 20, 1000, MAX_PACKET as u32 + 1, u32::MAX] {
        let mut file = whole.clone();
        put(&mut file, second as usize + 12, lie);
        let outcome = read(&file);
        assert_eq!(texts(&outcome), [&b"one"[..], b"three", b"four"], "{lie}");
        assert_eq!(outcome.warnings, [LOCAL, ("source.frame", u64::from(second), 1)]);
    }
}

#[test]
fn the_largest_packet_is_read_and_a_larger_one_is_not() {
    let largest = vec![7; MAX_PACKET];
    assert_eq!(read(&netmon(0, 1, &[(0, &largest, b"")]).0).packets[0].2, largest);
    let larger = vec![7; MAX_PACKET + 1];
    let outcome = read(&netmon(0, 1, &[(0, &larger, b""), (0, b"next", b"")]).0);
    assert_eq!((texts(&outcome), outcome.warnings[1].0), (vec![&b"next"[..]], "source.frame"));
}

#[test]
fn a_false_table_is_refused_or_read_as_far_as_it_goes() {
    let (whole, table) = netmon(0, 1, &FOUR);
    for lie in [0, 127] {
        let mut file = whole.clone();
        put(&mut file, 24, lie);
        assert_eq!(read(&file).error.unwrap().reason, Reason::FrameTable, "{lie}");
    }
    for (len, frames, told) in [(0, 0, false), (3, 0, true), (8, 2, false), (13, 3, true), (20, 4, true)] {
        let mut file = whole.clone();
        put(&mut file, 28, len);
        let outcome = read(&file);
        assert_eq!(outcome.packets.len(), frames, "{len}");
        assert_eq!(outcome.warnings.iter().any(|warning| warning.0 == "source.frame_table"), told, "{len}");
    }
    let outcome = read(&whole[..table + 9]);
    assert_eq!((texts(&outcome), outcome.warnings[1].0), (vec![&b"one"[..], b"two"], "source.frame_table"));
    let mut file = whole.clone();
    put(&mut file, 24, u32::MAX);
    let outcome = read(&file);
    assert_eq!(
        (outcome.packets.len(), outcome.warnings[1].0),
        (4, "source.truncated"),
        "the table makes no frame"
    );
    assert_eq!(read(&whole[..127]).error.unwrap().reason, Reason::Truncated);
}

#[test]
fn a_table_before_the_frames_is_as_good() {
    // The first frame's octets make room for it.
    let (mut file, table) = netmon(0, 1, &[&[(0, &[0; 16][..], &b""[..])], &FOUR[..]].concat());
    let entries = file.split_off(table);
    file[128..144].copy_from_slice(&entries[4..]);
    put(&mut file, 24, 128);
    put(&mut file, 28, 16);
    let outcome = read(&file);
    assert_eq!((outcome.packets.len(), outcome.warnings), (4, vec![LOCAL]));
}

#[test]
fn an_impossible_start_and_an_unknown_version_are_told() {
    let (whole, _) = netmon(0, 1, &FOUR);
    for (field, lie) in [(8, 1969), (8, 2262), (10, 0), (10, 13), (14, 32), (16, 24), (18, 60), (22, 1000)] {
        let mut file = whole.clone();
        file[field..field + 2].copy_from_slice(&u16::to_le_bytes(lie));
        let outcome = read(&file);
        assert_eq!((outcome.packets[1].0, outcome.warnings), (1000, vec![("source.start_time", 0, 1)]));
    }
    let mut file = whole;
    file[5] = 3;
    assert_eq!(read(&file).error.unwrap().reason, Reason::Version(3));
}

#[test]
fn the_calendar_agrees_with_known_days() {
    for (date, expected) in
        [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2000, 3, 1), 11_017), ((2261, 12, 31), 106_650)]
    {
        assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
    }
}

fn zstd(file: &[u8]) -> Vec<u8> {
    zstd::encode_all(file, 1).unwrap()
}

#[test]
fn packed_files_give_the_same_without_their_table() {
    let (mut file, table) = netmon(0, 1, &FOUR);
    assert_eq!(read(&zstd(&file)), read(&file));
    assert_eq!(read_all(&[&zstd(&file), &file]).packets.len(), 8, "looked at, closed, and opened again");

    // A frame that the table leaves out, and one that it has twice.
    for entries in [3, 5] {
        put(&mut file, 28, entries * 4);
        let outcome = read(&zstd(&file));
        assert_eq!(outcome.packets.len(), 4);
        assert_eq!(outcome.warnings[1].0, "source.frame_table");
    }
    put(&mut file, 24, 128);
    assert_eq!(
        read(&zstd(&file)).warnings[1].0,
        "source.frame_table",
        "frames behind the table are not looked for"
    );

    // A length that leads into the table, and one that leads nowhere.
    put(&mut file, 24, table as u32);
    let last = table - 20;
    for lie in [5, u32::MAX] {
        put(&mut file, last + 12, lie);
        let outcome = read(&zstd(&file));
        assert_eq!((outcome.packets.len(), outcome.warnings[1]), (3, ("source.damaged", last as u64, 1)));
    }
}

#[test]
fn a_file_cut_short_gives_what_is_whole() {
    let (whole, table) = netmon(0, 1, &FOUR[..2]);
    let ends = [128 + 19, table];
    for cut in 128..=table {
        let outcome = read(&whole[..cut]);
        let complete = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(outcome.packets.len(), complete);
        // Without its table, but with every frame, a file lacks nothing.
        let truncated = outcome.warnings.iter().any(|warning| warning.0 == "source.truncated");
        assert_eq!(truncated, cut < table, "{cut}");
    }
    let outcome = read(&whole[..table + 5]);
    assert_eq!((outcome.packets.len(), outcome.warnings[1].0), (1, "source.frame_table"));
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic_nor_make_octets(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let outcome = read(&[&MAGIC[..], &octets].concat());
        let total: usize = outcome.packets.iter().map(|packet| packet.2.len() + FRAME_HEADER).sum();
        prop_assert!(total <= octets.len());
    }

    #[test]
    fn arbitrary_tables_never_panic_nor_give_an_octet_twice(
        minor in 0..4_u8,
        offsets in prop::collection::vec(0..900_u32, 0..60),
        octets in prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..600),
    ) {
        let (mut file, _) = netmon(minor, 1, &[]);
        file.extend(&octets);
        let at = file.len() as u32;
        put(&mut file, 24, at);
        put(&mut file, 28, offsets.len() as u32 * 4);
        file.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        let outcome = read(&file);
        let total: usize = outcome.packets.iter().map(|packet| packet.2.len() + FRAME_HEADER).sum();
        prop_assert!(total <= file.len());
    }

    #[test]
    fn what_is_written_is_read(frames in prop::collection::vec(
        (0..i64::from(u32::MAX), prop::collection::vec(any::<u8>(), 0..3000)), 0..40,
    )) {
        let written: Vec<Frame<'_>> = frames.iter().map(|(delta, data)| (*delta, &data[..], &b""[..])).collect();
        let outcome = read(&netmon(0, 1, &written).0);
        let expected: Vec<Out> = frames
            .iter()
            .map(|(delta, data)| (START + delta * 1000, 1, data.clone(), data.len() as u32 + 1))
            .collect();
        prop_assert_eq!(outcome.packets, expected);
    }
}
