use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| (digit as char).to_digit(16).expect("a digit") as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

/// Opens a packet under session or master keys.
fn open(keys: &Keys, packet: &str, roc: u32) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    keys.unprotect(&hex(packet), [roc], &mut out).map(|_| out)
}

/// What a key derives: 16 octets of its cipher's key stream, salt, and a tag; enough to tell a wrong key.
fn assert_derives(suite: Suite, key: &str, salt: &str, cipher: &str, session_salt: &str, auth: &str) {
    let keys = Keys::derive(&Crypto::of(suite, &hex(key), &hex(salt)), 0).expect("keys");
    let Cipher::CounterMode(aes) = &keys.cipher else { panic!("counter mode") };
    assert_eq!(aes.encrypt([7; 16]), Aes::new(&hex(cipher)).expect("a key").encrypt([7; 16]));
    assert_eq!(keys.salt, left(&hex(session_salt)));
    let tag = |mac: Hmac<Sha1>| mac.chain_update(b"packet").finalize().into_bytes();
    let wanted = <Hmac<Sha1> as KeyInit>::new_from_slice(&hex(auth)).expect("any length");
    assert_eq!(tag(keys.auth.expect("a tag")), tag(wanted));
}

/// RFC 3711, B.3.
#[test]
fn p37_key_derivation_of_rfc_3711() {
    assert_derives(
        Suite::AesCm128Sha1_80,
        "E1F97A0D3E018BE0D64FA32C06DE4139",
        "0EC675AD498AFEEBB6960B3AABE6",
        "C61E7A93744F39EE10734AFE3FF7A087",
        "30CBBC08863D8C85D49DB34A9AE1",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
    );
}

/// RFC 6188, 7.2 and 7.4.
#[test]
fn p37_key_derivation_of_rfc_6188() {
    assert_derives(
        Suite::AesCm256Sha1_80,
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
        "3b04803de51ee7c96423ab5b78d2",
        "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
        "fa31791685ca444a9e07c6c64e93",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
    );
    assert_derives(
        Suite::AesCm192Sha1_32,
        "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
        "c8522f3acd4ce86d5add78edbb11",
        "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
        "2372b82d639b6d8503a47adc0a6c",
        "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
    );
}

/// RFC 3711, B.2: segments of the key stream, the last one across the 16-bit counter's octet.
#[test]
fn p37_key_stream_of_rfc_3711() {
    let aes = Aes::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).expect("a key");
    let iv = left(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"));
    let mut stream = vec![0; 0x1_0000 * 16 / 16];
    aes.counter_mode(iv, &mut stream);
    let first =
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..48], hex(first));
    let mut late = vec![0; 48];
    aes.counter_mode(iv + 0xfeff, &mut late);
    let last =
        "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
    assert_eq!(late, hex(last));
}

/// RFC 3711, B.1: f8, with session keys.
#[test]
fn p37_f8_of_rfc_3711() {
    let crypto = Crypto::of(Suite::F8_128Sha1_80, &[0; 16], &[0; 14]);
    let crypto = Crypto { unauthenticated: true, ..crypto };
    let keys = Keys::of(&crypto, &hex("234829008467be186c3de14aae72d62c"), &hex("32f2870d"), &[0; 20]);
    let packet = "806e5cba50681de55c621599 019ce7a26e7854014a6366aa95d4eefd 1ad4172a14f9faf455b7f1d4b62bd08f 562c0eef7c4802";
    let clear = open(&keys.expect("keys"), packet, 0xd462_564a).expect("a packet");
    assert_eq!(&clear[12..], b"pseudorandomness is the next best thing");
}

/// The packet with which libsrtp checks itself (`srtp_driver.c`), under the master keys of B.3.
#[test]
fn p37_whole_packets_as_libsrtp_has_them() {
    let clear = hex("800f1234decafbadcafebabe abababababababababababababababab");
    for (suite, key, salt, packet) in [
        (
            Suite::AesCm128Sha1_80,
            "e1f97a0d3e018be0d64fa32c06de4139",
            "0ec675ad498afeebb6960b3aabe6",
            "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
        ),
        (
            Suite::AesCm256Sha1_80,
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
            "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b",
        ),
    ] {
        let keys = Keys::derive(&Crypto::of(suite, &hex(key), &hex(salt)), 0).expect("keys");
        assert_eq!(open(&keys, packet, 0), Some(clear.clone()), "{suite:?}");
        assert_eq!(open(&keys, packet, 1), None, "another rollover counter");
        assert_eq!(open(&keys, &packet.replace("4e55", "4e54").replace("f1d9", "f1d8"), 0), None, "altered");
        let mut out = Vec::new();
        assert_eq!(keys.unprotect(&hex(packet), [5, 2, 0, 1], &mut out), Some(0), "found among several");
    }
}

/// RFC 7714, 16.1.1 and 16.2.1, with session keys.
#[test]
fn p37_gcm_of_rfc_7714() {
    let clear = hex(
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
    );
    let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    for (suite, packet) in [
        (
            Suite::AeadAes128Gcm,
            "8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let crypto = Crypto::of(suite, &key[..suite.key()], &[0; 12]);
        let salt = hex("517569642070726f2071756f");
        let keys = Keys::of(&crypto, &key[..suite.key()], &salt, &[]).expect("keys");
        assert_eq!(open(&keys, packet, 0), Some(clear.clone()), "{suite:?}");
        assert_eq!(open(&keys, packet, 1), None);
        // The MKI stands behind the tag.
        let with_mki = Keys::of(&Crypto { mki: 4, ..crypto }, &key[..suite.key()], &salt, &[]).expect("keys");
        assert_eq!(open(&with_mki, &format!("{packet}00000001"), 0), Some(clear.clone()));
    }
}

/// The other way round, for tests: what a sender does in counter mode.
pub(crate) fn protect(crypto: &Crypto, clear: &[u8], roc: u32, mki: &[u8]) -> Vec<u8> {
    let keys = Keys::derive(crypto, u64::from(roc) << 16).expect("keys");
    let mut packet = clear.to_vec();
    let fixed: [u8; 12] = *clear.first_chunk().expect("a header");
    keys.decrypt(&fixed, roc, &mut packet[12..]);
    let mac = keys.auth.clone().map(|mac| mac.chain_update(&packet).chain_update(roc.to_be_bytes()));
    packet.extend_from_slice(mki);
    packet.extend(mac.into_iter().flat_map(|mac| mac.finalize().into_bytes()).take(crypto.suite.tag()));
    packet
}

#[test]
fn p37_mki_rate_and_what_is_left_open() {
    let clear = hex("8000000100000001000000ff 0102030405060708090a");
    let plain = Crypto::of(Suite::AesCm128Sha1_32, &[1; 16], &[2; 14]);
    let mut out = Vec::new();
    for crypto in [
        Crypto { mki: 2, ..plain.clone() },
        Crypto { rate: Some(4), ..plain.clone() },
        Crypto { unencrypted: true, ..plain.clone() },
        Crypto { unauthenticated: true, ..plain.clone() },
    ] {
        let packet = protect(&crypto, &clear, 3, &[0, 9][..usize::from(crypto.mki)]);
        let keys = Keys::derive(&crypto, 3 << 16 | 1).expect("keys");
        assert_eq!(keys.unprotect(&packet, [3], &mut out), Some(3));
        assert_eq!(out, clear);
        assert_eq!(crypto.unencrypted, packet[12..22] == clear[12..]);
    }
    let other_period = Keys::derive(&Crypto { rate: Some(4), ..plain.clone() }, 0).expect("keys");
    let packet = protect(&Crypto { rate: Some(4), ..plain }, &clear, 3, &[]);
    assert_eq!(other_period.unprotect(&packet, [3], &mut out), None);
}

const SUITES: [Suite; 4] =
    [Suite::AesCm128Sha1_80, Suite::AesCm192Sha1_80, Suite::F8_128Sha1_80, Suite::AeadAes128Gcm];

proptest! {
    #[test]
    fn any_octets(packet in proptest::collection::vec(any::<u8>(), 0..80), suite in 0_usize..4, mki in 0_u8..20) {
        let suite = SUITES[suite];
        let crypto = Crypto { mki, ..Crypto::of(suite, &[3; 32][..suite.key()], &[4; 14][..suite.salt()]) };
        let mut out = Vec::new();
        prop_assert_eq!(Keys::derive(&crypto, 0).expect("keys").unprotect(&packet, 0..3, &mut out), None);
        let open = Crypto { unauthenticated: !suite.is_aead(), ..crypto };
        _ = Keys::derive(&open, 0).expect("keys").unprotect(&packet, 0..3, &mut out);
    }

    #[test]
    fn round_trip(key: [u8; 24], payload in proptest::collection::vec(any::<u8>(), 0..200), roc: u32, tail: u64) {
        let mut clear = vec![0x80, 8];
        clear.extend(tail.to_be_bytes());
        clear.extend([9, 9]);
        clear.extend(&payload);
        for suite in [Suite::AesCm128Sha1_80, Suite::AesCm192Sha1_32, Suite::F8_128Sha1_80] {
            let crypto = Crypto::of(suite, &key[..suite.key()], &key[..14]);
            let packet = protect(&crypto, &clear, roc, &[]);
            let mut out = Vec::new();
            prop_assert_eq!(Keys::derive(&crypto, 0).expect("keys").unprotect(&packet, [roc], &mut out), Some(roc));
            prop_assert_eq!(&out, &clear);
        }
    }
}
