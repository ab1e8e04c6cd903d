//! What several tests share: a key, product made by hand, and the tools that judge what was written.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use mandat_core::{
    Audio, Cc, CcKind, Cin, Encoding, Endpoint, Format, Liid, LinkType, Pii, Protection, Side, TaskId, Time,
};

use crate::files::Recipients;

/// A recipient with its secret.
pub(crate) struct Key(age::x25519::Identity);

impl Key {
    pub(crate) fn new() -> Self {
        Self(age::x25519::Identity::generate())
    }

    pub(crate) fn public(&self) -> String {
        self.0.to_public().to_string()
    }

    pub(crate) fn recipients(&self) -> Recipients {
        Recipients::parse("LI-TEST", &[self.public()]).unwrap()
    }
}

/// Decrypts a file.
pub(crate) fn open(path: &Path, key: &Key) -> Vec<u8> {
    let sealed = std::fs::read(path).unwrap();
    let mut clear = Vec::new();
    let decryptor = age::Decryptor::new(&sealed[..]).unwrap();
    decryptor.decrypt(std::iter::once(&key.0 as _)).unwrap().read_to_end(&mut clear).unwrap();
    clear
}

/// Files of a directory whose names end in `suffix`, in order.
pub(crate) fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_string_lossy().ends_with(suffix))
        .collect();
    found.sort();
    found
}

/// Runs a tool that must be installed (tshark and capinfos: Debian package `tshark`).
pub(crate) fn run(tool: &str, args: &[&str]) -> String {
    let out = Command::new(tool).args(args).output().unwrap_or_else(|e| panic!("install {tool}: {e}"));
    assert!(out.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

pub(crate) const MS: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;
/// 2026-06-01T00:00:00Z.
pub(crate) const START: Time = Time(1_780_272_000 * SECOND);

pub(crate) fn endpoint(last: u8, port: u16) -> Endpoint {
    Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port }
}

/// A packet of raw IPv4 and UDP.
pub(crate) fn datagram(src: Endpoint, dst: Endpoint, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(28 + payload.len()).unwrap().to_be_bytes();
    let mut out = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0];
    for e in [src, dst] {
        let IpAddr::V4(ip) = e.ip else { unreachable!() };
        out.extend_from_slice(&ip.octets());
    }
    out.extend_from_slice(&src.port.to_be_bytes());
    out.extend_from_slice(&dst.port.to_be_bytes());
    out.extend_from_slice(&u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(payload);
    out
}

/// One RTP packet of a call, on raw IPv4.
pub(crate) struct Rtp {
    pub(crate) cin: u32,
    pub(crate) at: Time,
    pub(crate) side: Side,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) encoding: Encoding,
    pub(crate) payload: Vec<u8>,
}

impl Rtp {
    /// Packet `n` of a mu-law stream of 20 ms a packet, on time.
    pub(crate) fn nth(cin: u32, side: Side, n: u16) -> Self {
        Self {
            cin,
            at: Time(START.0 + i64::from(n) * 20 * MS),
            side,
            sequence: 1000 + n,
            timestamp: 77_000 + 160 * u32::from(n),
            encoding: Encoding::Pcmu,
            payload: vec![if side == Side::Caller { 0x80 } else { 0x00 }; 160],
        }
    }

    pub(crate) fn audio(&self) -> Audio {
        Audio {
            side: self.side,
            stream: self.side as u16,
            ssrc: 0xAB + self.side as u32,
            sequence: self.sequence,
            timestamp: self.timestamp,
            clock: 8000,
            payload_type: 0,
            encoding: self.encoding.clone(),
            format: Format::default(),
            protection: Protection::None,
            payload: (40, u32::try_from(self.payload.len()).unwrap()),
            clear: None,
        }
    }

    pub(crate) fn cc(&self) -> Cc {
        let (src, dst) = match self.side {
            Side::Caller => (endpoint(1, 4000), endpoint(2, 5000)),
            Side::Callee => (endpoint(2, 5000), endpoint(1, 4000)),
        };
        let mut rtp = vec![0x80, 0];
        rtp.extend_from_slice(&self.sequence.to_be_bytes());
        rtp.extend_from_slice(&self.timestamp.to_be_bytes());
        rtp.extend_from_slice(&(0xAB + self.side as u32).to_be_bytes());
        rtp.extend_from_slice(&self.payload);
        let octets = datagram(src, dst, &rtp);
        Cc {
            task: TaskId(0),
            liid: Liid("LI-TEST".into()),
            cin: Cin(self.cin),
            ts: self.at,
            kind: CcKind::Rtp(self.audio()),
            link: LinkType::RAW,
            addresses: Pii((src, dst)),
            wire_len: u32::try_from(octets.len()).unwrap(),
            octets: Pii(octets),
        }
    }
}
