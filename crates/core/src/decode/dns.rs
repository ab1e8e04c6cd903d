//! DNS messages (RFC 1035, 4.1), over UDP and TCP (RFC 7766). mDNS and LLMNR have the same format: the caller tells
//! them apart by their ports, 5353 and 5355.

use super::Framing;
use super::cursor::Cursor;
use super::name::{MAX_NAME, printable};

const HEADER: usize = 12;

/// Questions read of one message. A query has one (RFC 9619); a few more do no harm, and `QDCOUNT` may claim 65535.
const MAX_QUESTIONS: u16 = 8;

/// Answer records looked at for CNAME. Resolvers follow 8 to 16 links; a zone transfer has thousands of records.
const MAX_RECORDS: u16 = 64;

/// Compression pointers followed in one name. Each must point backwards, so that a loop is impossible; this bounds
/// the work of a chain of pointers ("zlip", 2000). A label takes at least 2 of 255 octets.
const MAX_POINTERS: u8 = 127;

const CNAME: u16 = 5;
/// RFC 9460, 14.1.
const SVCB: u16 = 64;
const HTTPS: u16 = 65;

/// `SvcParamKey` of ECH configurations (RFC 9848, 3).
const ECH: u16 = 5;

/// Where in a message a name stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    /// Asked for.
    Question,
    /// The target of a CNAME in an answer: an alias of the name asked for, not what the user asked for.
    Cname,
    /// The target of an SVCB or HTTPS record in an answer (RFC 9460, 2.1): where the service is, by another name.
    Svcb,
}

/// What a message was, besides its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    /// An answer.
    pub(crate) response: bool,
    /// Names left out: not printable, or a label holds a dot, so that text would lie about the labels.
    pub(crate) unreadable: u16,
    /// Questions or answers left unread: over a limit, or cut off.
    pub(crate) cut: bool,
    /// An answer offers `ech`: the name in the hello that follows may not be the one asked for.
    pub(crate) ech: bool,
}

/// Emits the names of a message. `None`, and nothing emitted, when it isn't DNS.
pub(crate) fn names(message: &[u8], emit: &mut dyn FnMut(Section, &str)) -> Option<Message> {
    let header = header(message)?;
    let mut at = HEADER;
    let mut found = Message {
        response: header.response,
        unreadable: 0,
        cut: header.questions > MAX_QUESTIONS,
        ech: false,
    };
    let mut name = Name::default();
    for index in 0..header.questions.min(MAX_QUESTIONS) {
        let end = name.read(message, at);
        match end {
            // Type and class stand behind the name.
            Some(end) if message.len() >= end + 4 => at = end + 4,
            // The first question decides whether this is DNS at all.
            _ if index == 0 => return None,
            _ => return Some(Message { cut: true, ..found }),
        }
        name.emit(Section::Question, &mut found, emit);
    }
    if header.response && !found.cut {
        answers(message, at, header.answers, &mut found, emit);
    }
    Some(found)
}

fn answers(
    message: &[u8],
    mut at: usize,
    count: u16,
    found: &mut Message,
    emit: &mut dyn FnMut(Section, &str),
) {
    found.cut = count > MAX_RECORDS;
    let mut name = Name::default();
    for _ in 0..count.min(MAX_RECORDS) {
        let Some((kind, data, end)) = record(message, at) else {
            found.cut = true;
            return;
        };
        if kind == CNAME && name.read(message, data).is_some() {
            name.emit(Section::Cname, found, emit);
        } else if let SVCB | HTTPS = kind
            // Priority, then the target, which is never compressed and is the root where it is the owner itself.
            && let Some(end_of_name) = name.read(message, data + 2).filter(|end_of_name| *end_of_name <= end)
        {
            name.emit(Section::Svcb, found, emit);
            found.ech |= message.get(end_of_name..end).is_some_and(offers_ech);
        }
        at = end;
    }
}

/// Whether the parameters of an SVCB record hold `ech` (RFC 9460, 2.2).
fn offers_ech(parameters: &[u8]) -> bool {
    let mut cursor = Cursor(parameters);
    std::iter::from_fn(|| cursor.u16().zip(cursor.vec16())).any(|(key, _)| key == ECH)
}

/// Type, and where the data of the resource record at `at` begins and ends (RFC 1035, 4.1.3).
fn record(message: &[u8], at: usize) -> Option<(u16, usize, usize)> {
    let fixed = skip_name(message, at)?;
    let mut cursor = Cursor(message.get(fixed..)?);
    let kind = cursor.u16()?;
    cursor.take(6)?; // CLASS, TTL
    let length = usize::from(cursor.u16()?);
    cursor.take(length)?;
    Some((kind, fixed + 10, fixed + 10 + length))
}

struct Header {
    response: bool,
    questions: u16,
    answers: u16,
}

/// The fixed header, if it can be that of a message we read. Port 53 also carries tunnels and scans.
///
/// What a server would forgive must be forgiven here: a sender who sets the reserved bit, an RCODE in a query or an
/// odd class still gets his answer, and would otherwise be unseen. Only the opcode tells other traffic apart.
fn header(message: &[u8]) -> Option<Header> {
    let mut cursor = Cursor(message.get(..HEADER)?);
    cursor.u16()?; // ID
    let flags = cursor.u16()?;
    let (questions, answers) = (cursor.u16()?, cursor.u16()?);
    // Opcodes assigned: 0 QUERY, 1 IQUERY, 2 STATUS, 4 NOTIFY, 5 UPDATE, 6 DSO (IANA).
    let known = matches!(flags >> 11 & 0xf, 0..=2 | 4..=6);
    known.then_some(Header { response: flags & 0x8000 != 0, questions, answers })
}

/// A name in text form, put together in place: labels and dots, no final dot.
struct Name {
    text: [u8; MAX_NAME],
    len: usize,
    /// A label holds a dot: `a.b` as one label isn't the name `a.b`.
    ambiguous: bool,
}

impl Default for Name {
    fn default() -> Self {
        Self { text: [0; MAX_NAME], len: 0, ambiguous: false }
    }
}

impl Name {
    /// Reads the name at `start` and returns where the octets after it begin.
    fn read(&mut self, message: &[u8], start: usize) -> Option<usize> {
        (self.len, self.ambiguous) = (0, false);
        let (mut at, mut after, mut pointers) = (start, None, 0);
        loop {
            let length = *message.get(at)?;
            match length >> 6 {
                0 if length == 0 => return Some(after.unwrap_or(at + 1)),
                0 => {
                    let label = message.get(at + 1..=at + usize::from(length))?;
                    self.push(label)?;
                    at += 1 + label.len();
                }
                3 => {
                    let low = *message.get(at + 1)?;
                    after.get_or_insert(at + 2);
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    pointers += 1;
                    // "A prior occurrence of the same name" (RFC 1035, 4.1.4).
                    if target >= at || target < HEADER || pointers > MAX_POINTERS {
                        return None;
                    }
                    at = target;
                }
                // Extended label types are obsolete (RFC 6891, 5).
                _ => return None,
            }
        }
    }

    fn push(&mut self, label: &[u8]) -> Option<()> {
        if self.len > 0 {
            *self.text.get_mut(self.len)? = b'.';
            self.len += 1;
        }
        self.text.get_mut(self.len..self.len + label.len())?.copy_from_slice(label);
        self.len += label.len();
        self.ambiguous |= label.contains(&b'.');
        Some(())
    }

    /// The root name is nobody's: it is neither emitted nor counted.
    fn emit(&self, section: Section, found: &mut Message, emit: &mut dyn FnMut(Section, &str)) {
        match printable(&self.text[..self.len]) {
            Some(name) if !self.ambiguous => emit(section, &name),
            _ if self.len == 0 => {}
            _ => found.unreadable += 1,
        }
    }
}

/// Where the octets after the name at `at` begin; pointers are not followed.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length >> 6 {
            0 if length == 0 => return Some(at + 1),
            0 => at += 1 + usize::from(length),
            3 => return Some(at + 2),
            _ => return None,
        }
    }
}

/// DNS over TCP: each message behind its length in 2 octets (RFC 7766, 8). [`Framing::Message`] counts those two:
/// the message is `buf[2..n]`.
pub(crate) fn frame(buf: &[u8]) -> Framing {
    let Some((length, message)) = buf.split_first_chunk::<2>() else {
        return Framing::NeedMore;
    };
    let length = usize::from(u16::from_be_bytes(*length));
    // A stream gives no other sign of being DNS, so its counts must be possible: a question takes at least 5 octets.
    let possible = |h: Header| HEADER + 5 * usize::from(h.questions) <= length;
    if length < HEADER || (message.len() >= HEADER && !header(message).is_some_and(possible)) {
        Framing::Foreign
    } else if message.len() < length {
        Framing::NeedMore
    } else {
        Framing::Message(2 + length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(message: &[u8]) -> Option<(Message, Vec<(Section, String)>)> {
        let mut all = Vec::new();
        let found = names(message, &mut |section, name| all.push((section, name.to_owned())))?;
        Some((found, all))
    }

    fn wire(name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for label in name.split('.').filter(|l| !l.is_empty()) {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
        out
    }

    /// A message with these flags and counts and this body.
    fn message(flags: u16, questions: u16, answers: u16, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0x12, 0x34];
        for field in [flags, questions, answers, 0, 0] {
            out.extend(field.to_be_bytes());
        }
        out.extend(body);
        out
    }

    fn question(name: &str) -> Vec<u8> {
        [wire(name), vec![0, 1, 0, 1]].concat()
    }

    #[test]
    fn p57_a_query_gives_its_name_in_the_case_it_came_in() {
        let (found, all) = read(&message(0x0100, 1, 0, &question("wWw.ExAmPlE.cOm"))).unwrap();
        assert_eq!(all, [(Section::Question, "wWw.ExAmPlE.cOm".to_owned())]);
        assert_eq!(found, Message { response: false, unreadable: 0, cut: false, ech: false });
    }

    #[test]
    fn p57_a_response_tells_the_question_from_the_alias() {
        let mut body = question("www.example.com");
        // www.example.com CNAME edge.<example.com by pointer>; then an address record.
        body.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 7, 4, b'e', b'd', b'g', b'e', 0xc0, 16]);
        body.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1]);
        let (found, all) = read(&message(0x8180, 1, 2, &body)).unwrap();
        assert!(found.response && !found.cut);
        let want =
            [(Section::Question, "www.example.com".into()), (Section::Cname, "edge.example.com".into())];
        assert_eq!(all, want);
    }

    #[test]
    fn p55_an_https_record_tells_its_target_and_that_ech_is_offered() {
        let record = |parameters: &[u8]| {
            let data = [&[0, 1][..], &wire("svc.example.net"), parameters].concat();
            let mut body = question("www.example.com");
            body.extend([0xc0, 12, 0, 65, 0, 1, 0, 0, 0, 9]);
            body.extend((data.len() as u16).to_be_bytes());
            body.extend(data);
            read(&message(0x8180, 1, 1, &body)).unwrap()
        };
        // alpn=h2, then ech.
        let (found, all) = record(&[0, 1, 0, 3, 2, b'h', b'2', 0, 5, 0, 2, 1, 2]);
        assert!(found.ech);
        assert_eq!(all[1], (Section::Svcb, "svc.example.net".to_owned()));
        assert!(!record(&[0, 1, 0, 3, 2, b'h', b'2']).0.ech);
        assert!(!record(&[0, 5, 0, 9, 1]).0.ech, "cut");
    }

    #[test]
    fn p57_a_count_that_lies_costs_nothing() {
        let (found, all) = read(&message(0x0100, 65535, 0, &question("example.com"))).unwrap();
        assert!(found.cut);
        assert_eq!(all.len(), 1);
        let many = message(0x0100, 1000, 0, &question("example.com").repeat(1000));
        assert_eq!(read(&many).unwrap().1.len(), usize::from(MAX_QUESTIONS));
    }

    #[test]
    fn p57_compression_cannot_loop() {
        for name in [&[0xc0, 12][..], &[0xc0, 14, 0xc0, 12], &[1, b'a', 0xc0, 12], &[0xff, 0xff], &[0xc0, 0]]
        {
            assert!(read(&message(0x0100, 1, 0, &[name, &[0, 1, 0, 1]].concat())).is_none(), "{name:02x?}");
        }
    }

    #[test]
    fn p57_a_name_over_255_octets_is_refused() {
        let long = vec!["a"; 128].join(".");
        assert_eq!(long.len(), 255);
        assert!(read(&message(0x0100, 1, 0, &question(&long))).is_some());
        assert!(read(&message(0x0100, 1, 0, &question(&format!("{long}.b")))).is_none());
    }

    #[test]
    fn p57_a_label_with_a_dot_or_a_control_character_is_counted_not_told() {
        for label in [&b"\x0fwww.example.com"[..], b"\x04ab\x07c"] {
            let body = [label, &[0, 0, 1, 0, 1]].concat();
            let (found, all) = read(&message(0x0100, 1, 0, &body)).unwrap();
            assert!(all.is_empty());
            assert_eq!(found.unreadable, 1);
        }
    }

    /// Where tshark prints a name and there is none. `01` and `10` as a label's first bits are reserved (RFC 1035, 4.1.4), and
    /// the extended labels that had taken `01` are obsolete (RFC 6891, 5): a receiver can't know where such a name ends, so
    /// "Unknown extended label" is no name, nor is the root ("Root"), nor one that goes on over 255 octets (RFC 1035, 2.3.4: "Name
    /// too long"). The label `,.` is written `,\.` (RFC 1035, 5.1): shown without the stroke it is another name, `,`.
    #[test]
    fn p57_what_has_no_name_is_given_none() {
        for (what, name) in [
            ("10", &b"\x96cybercity\x02dk\0"[..]),
            ("01", b"\x43sip\0"),
            ("after a good label", b"\x03sip\x40\x02dk\0"),
        ] {
            assert!(read(&message(0x0100, 1, 0, &[name, &[0, 33, 0, 1]].concat())).is_none(), "{what}");
        }
        let (root, names) = read(&message(0x0100, 1, 0, &[0, 0, 2, 0, 1])).unwrap();
        assert!(names.is_empty() && root.unreadable == 0);
        let (dotted, names) = read(&message(0x0120, 1, 0, b"\x02,.\0\0\x01\0\x01")).unwrap();
        assert!(names.is_empty() && dotted.unreadable == 1);
    }

    #[test]
    fn other_traffic_on_the_port_is_not_dns() {
        let body = question("example.com");
        assert!(read(&message(0x1900, 1, 0, &body)).is_none(), "opcode 3 is unassigned");
        assert!(read(&message(0x0100, 1, 0, &wire("example.com"))).is_none(), "cut question");
        assert!(read(b"SSH-2.0-OpenSSH_9.6\r\n").is_none());
    }

    #[test]
    fn what_a_server_forgives_hides_nobody() {
        let mut odd_class = question("example.com");
        *odd_class.last_mut().unwrap() = 9;
        for (flags, body) in
            [(0x0140, question("example.com")), (0x0105, question("example.com")), (0x0100, odd_class)]
        {
            assert!(read(&message(flags, 1, 0, &body)).is_some(), "{flags:#06x}");
        }
    }

    #[test]
    fn p57_tcp_messages_are_framed_by_their_length() {
        let one = message(0x0100, 1, 0, &question("example.com"));
        let mut stream = (one.len() as u16).to_be_bytes().to_vec();
        stream.extend(&one);
        let whole = stream.len();
        stream.extend([0, 40]);
        assert_eq!(frame(&stream), Framing::Message(whole));
        for cut in 0..whole {
            assert_eq!(frame(&stream[..cut]), Framing::NeedMore, "{cut}");
        }
        assert_eq!(frame(&[0, 5, 1]), Framing::Foreign);
        assert_eq!(frame(b"GET / HTTP/1.1\r\n"), Framing::Foreign);
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = frame(&octets);
            let _ = read(&octets);
            let mut behind_a_header = message(0x8180, 3, 9, &[]);
            behind_a_header.extend(&octets);
            let _ = read(&behind_a_header);
        }

        #[test]
        fn a_name_comes_back(name in "[a-zA-Z0-9-]{1,63}(\\.[a-z0-9_-]{1,40}){0,4}") {
            let (_, all) = read(&message(0x0100, 1, 0, &question(&name))).unwrap();
            prop_assert_eq!(&all[0].1, &name);
        }
    }
}
