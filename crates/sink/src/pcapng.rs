//! Evidence in pcapng (draft-ietf-opsawg-pcapng): the selected packets as captured, in order.

use std::net::IpAddr;

use mandat_core::{Cc, CcKind, LinkType};

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Link types in one file. A site captures on one or two; the rest of the packets open a new file.
const MAX_INTERFACES: usize = 16;

/// Exported PDU tags (Wireshark, `exported_pdu.h`): numbers are 16-bit big endian, values padded to 4 octets.
mod tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR: u16 = 12;
    pub(super) const IPV4_SRC: u16 = 20;
    pub(super) const IPV4_DST: u16 = 21;
    pub(super) const IPV6_SRC: u16 = 22;
    pub(super) const IPV6_DST: u16 = 23;
    pub(super) const SRC_PORT: u16 = 25;
    pub(super) const DST_PORT: u16 = 26;
}

/// One section, in memory. Files of several sections are valid, so segments can simply be concatenated.
pub(crate) struct Section {
    out: Vec<u8>,
    interfaces: Vec<LinkType>,
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(value);
    pad(out);
}

impl Section {
    pub(crate) fn new() -> Self {
        let mut section = Self { out: Vec::with_capacity(4096), interfaces: Vec::new() };
        section.block(SECTION_HEADER, |out| {
            out.extend_from_slice(&0x1A2B_3C4D_u32.to_le_bytes()); // byte-order magic
            out.extend_from_slice(&1u16.to_le_bytes()); // version 1.0
            out.extend_from_slice(&0u16.to_le_bytes());
            out.extend_from_slice(&u64::MAX.to_le_bytes()); // section length not given
            option(out, 4, b"Mandat"); // shb_userappl
            option(out, 0, b"");
        });
        section
    }

    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        self.out.extend_from_slice(&kind.to_le_bytes());
        self.out.extend_from_slice(&[0; 4]);
        body(&mut self.out);
        pad(&mut self.out);
        let total = u32::try_from(self.out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
        self.out[start + 4..start + 8].copy_from_slice(&total);
        self.out.extend_from_slice(&total);
    }

    /// Whether the section has room for a packet of this link type.
    pub(crate) fn takes(&self, link: LinkType) -> bool {
        self.interfaces.len() < MAX_INTERFACES || self.interfaces.contains(&link)
    }

    fn interface(&mut self, link: LinkType) -> u32 {
        let known = self.interfaces.iter().position(|known| *known == link);
        let index = known.unwrap_or_else(|| {
            self.interfaces.push(link);
            self.block(INTERFACE, |out| {
                out.extend_from_slice(&(link.0 as u16).to_le_bytes());
                out.extend_from_slice(&[0; 6]); // reserved; snapshot length 0: no limit
                option(out, 9, &[9]); // if_tsresol: 10^-9 s
                option(out, 0, b"");
            });
            self.interfaces.len() - 1
        });
        index as u32
    }

    /// Appends a packet, or a message put together from several packets as an exported PDU.
    pub(crate) fn push(&mut self, cc: &Cc) {
        let interface = self.interface(cc.link);
        let tags = if cc.link == LinkType::UPPER_PDU { exported_pdu(cc) } else { Vec::new() };
        // Times before 1970 exist only in damaged captures; 0 is the least wrong of what pcapng can say.
        let ts = u64::try_from(cc.ts.0).unwrap_or(0);
        let captured = u32::try_from(tags.len() + cc.octets.0.len()).unwrap_or(u32::MAX);
        let original = cc.wire_len.saturating_add(tags.len() as u32).max(captured);
        self.block(ENHANCED_PACKET, |out| {
            for field in [interface, (ts >> 32) as u32, ts as u32, captured, original] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            out.extend_from_slice(&tags);
            out.extend_from_slice(&cc.octets.0);
        });
    }

    pub(crate) const fn octets(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }
}

/// The tags before an exported PDU. No port type: whether segments of TCP or fragments of UDP made the message is
/// in the IRI, and a guess here would be a false statement in evidence.
fn exported_pdu(cc: &Cc) -> Vec<u8> {
    let (src, dst) = cc.addresses.0;
    let dissector: &[u8] = match cc.kind {
        CcKind::Signal => b"sip",
        CcKind::Circuit(carrier) => carrier.name().as_bytes(),
        CcKind::Rtp(_) => b"rtp",
        CcKind::Rtcp => b"rtcp",
        CcKind::Fax => b"t38_udp",
        // A whole IP packet is never exported as a PDU; it has its own link type.
        CcKind::Text | CcKind::Packet | CcKind::Mail { .. } => b"data",
    };
    let mut out = Vec::with_capacity(64);
    let mut put = |tag: u16, value: &[u8]| {
        let padded = value.len().next_multiple_of(4);
        out.extend_from_slice(&tag.to_be_bytes());
        out.extend_from_slice(&(padded as u16).to_be_bytes());
        out.extend_from_slice(value);
        pad(&mut out);
    };
    put(tag::DISSECTOR, dissector);
    for (endpoint, v4, v6, port) in [
        (src, tag::IPV4_SRC, tag::IPV6_SRC, tag::SRC_PORT),
        (dst, tag::IPV4_DST, tag::IPV6_DST, tag::DST_PORT),
    ] {
        match endpoint.ip {
            IpAddr::V4(ip) => put(v4, &ip.octets()),
            IpAddr::V6(ip) => put(v6, &ip.octets()),
        }
        put(port, &u32::from(endpoint.port).to_be_bytes());
    }
    put(tag::END, b"");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rtp, endpoint, run};
    use mandat_core::{Cin, Endpoint, Liid, Pii, Side, TaskId, Time};

    fn sip(addresses: (Endpoint, Endpoint)) -> Cc {
        let message = b"OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
        Cc {
            task: TaskId(0),
            liid: Liid("L".into()),
            cin: Cin(1),
            ts: Time(1_780_272_000_123_456_789),
            kind: CcKind::Signal,
            link: LinkType::UPPER_PDU,
            addresses: Pii(addresses),
            wire_len: message.len() as u32,
            octets: Pii(message.to_vec()),
        }
    }

    fn save(section: &Section) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".pcapng").tempfile().unwrap();
        std::fs::write(file.path(), section.bytes()).unwrap();
        file
    }

    #[test]
    fn wireshark_reads_packets_and_exported_messages() {
        let v6 = |s: &str| Endpoint { ip: s.parse().unwrap(), port: 5062 };
        let mut section = Section::new();
        section.push(&sip((endpoint(7, 5060), endpoint(8, 5061))));
        section.push(&Rtp::nth(1, Side::Caller, 0).cc());
        section.push(&sip((v6("2001:db8::1"), v6("2001:db8::2"))));
        let file = save(&section);
        let path = file.path().to_str().unwrap();
        let fields = [
            "frame.time_epoch",
            "ip.src",
            "ipv6.dst",
            "exported_pdu.ipv4_src",
            "exported_pdu.ipv6_dst",
            "exported_pdu.src_port",
            "sip.Call-ID",
            "udp.dstport",
            "frame.len",
        ];
        let mut args = vec!["-r", path, "-T", "fields", "-E", "separator=|"];
        for field in fields {
            args.extend(["-e", field]);
        }
        let out = run("tshark", &args);
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("1780272000.123456789|"), "{out}");
        assert!(lines[0].contains("|192.0.2.7|") && lines[0].contains("|5060|c1|"), "{out}");
        assert!(lines[1].contains("|192.0.2.1|") && lines[1].ends_with("|5000|200"), "{out}");
        assert!(lines[2].contains("|2001:db8::2|5062|c1|"), "{out}");
        assert!(run("capinfos", &["-TmrE", path]).contains("ether") || !run("capinfos", &[path]).is_empty());
    }

    #[test]
    fn a_cut_packet_keeps_its_length_on_the_wire() {
        let mut cc = Rtp::nth(1, Side::Caller, 0).cc();
        cc.octets.0.truncate(61);
        let mut section = Section::new();
        section.push(&cc);
        let file = save(&section);
        let out = run(
            "tshark",
            &["-r", file.path().to_str().unwrap(), "-T", "fields", "-e", "frame.len", "-e", "frame.cap_len"],
        );
        assert_eq!(out.trim(), "200\t61");
    }

    #[test]
    fn link_types_in_one_file_are_bounded() {
        let mut section = Section::new();
        for link in 0..MAX_INTERFACES as u32 {
            let mut cc = Rtp::nth(1, Side::Caller, 0).cc();
            cc.link = LinkType(link);
            assert!(section.takes(cc.link));
            section.push(&cc);
        }
        assert!(!section.takes(LinkType(999)) && section.takes(LinkType(3)));
    }
}
