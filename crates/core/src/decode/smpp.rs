//! SMPP 3.4 and 5.0: framing of a stream, and the operations that carry a message.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Framing;
use super::gsm7::{self, Shifts};
use super::receipt::{Receipt, State};
use super::sms::{self, Address, Alphabet, Coding, Direction, Part, UserData};

/// SMPP 3.4, 3.2: command length, identifier, status, sequence number.
const HEADER: usize = 16;

/// A `message_payload` of 64 KiB with everything that can stand beside it. A larger length is damage.
const MAX_PDU: usize = 72 * 1024;

/// Octets looked through for the next PDU before a stream is given up: the largest PDU, so that one damaged length
/// loses one PDU and not the connection.
const MAX_RESYNC: usize = MAX_PDU;

/// Destinations of one `submit_multi` (SMPP 3.4, 4.5.1: at most 254).
const MAX_DESTINATIONS: usize = 254;

/// SMPP 3.4, 5.2.9: addresses of `data_sm` have at most 65 octets; others are shorter, and senders exceed them.
const MAX_ADDRESS: usize = 65;

const RESPONSE: u32 = 0x8000_0000;

/// SMPP 3.4, 5.1.2.1; SMPP 5.0, 4.7.5.
mod command {
    pub(super) const BIND_RECEIVER: u32 = 0x01;
    pub(super) const BIND_TRANSMITTER: u32 = 0x02;
    pub(super) const QUERY_SM: u32 = 0x03;
    pub(super) const SUBMIT_SM: u32 = 0x04;
    pub(super) const DELIVER_SM: u32 = 0x05;
    pub(super) const UNBIND: u32 = 0x06;
    pub(super) const REPLACE_SM: u32 = 0x07;
    pub(super) const CANCEL_SM: u32 = 0x08;
    pub(super) const BIND_TRANSCEIVER: u32 = 0x09;
    pub(super) const OUTBIND: u32 = 0x0b;
    pub(super) const ENQUIRE_LINK: u32 = 0x15;
    pub(super) const SUBMIT_MULTI: u32 = 0x21;
    pub(super) const ALERT_NOTIFICATION: u32 = 0x102;
    pub(super) const DATA_SM: u32 = 0x103;
    pub(super) const BROADCAST_SM: u32 = 0x111;
    pub(super) const QUERY_BROADCAST_SM: u32 = 0x112;
    pub(super) const CANCEL_BROADCAST_SM: u32 = 0x113;
}

/// SMPP 3.4, 5.3.2.
mod tag {
    pub(super) const RECEIPTED_MESSAGE_ID: u16 = 0x001e;
    pub(super) const DESTINATION_PORT: u16 = 0x020b;
    pub(super) const SAR_MSG_REF_NUM: u16 = 0x020c;
    pub(super) const SAR_TOTAL_SEGMENTS: u16 = 0x020e;
    pub(super) const SAR_SEGMENT_SEQNUM: u16 = 0x020f;
    pub(super) const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub(super) const MESSAGE_STATE: u16 = 0x0427;
}

struct Header {
    length: usize,
    command: u32,
    status: u32,
    sequence: u32,
}

/// A header that a real peer could have sent; `None` for anything else. Random octets pass once in some 2^70.
fn header(octets: &[u8]) -> Option<Header> {
    use command::{
        ALERT_NOTIFICATION, BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER, BROADCAST_SM,
        CANCEL_BROADCAST_SM, CANCEL_SM, DATA_SM, DELIVER_SM, ENQUIRE_LINK, OUTBIND, QUERY_BROADCAST_SM,
        QUERY_SM, REPLACE_SM, SUBMIT_MULTI, SUBMIT_SM, UNBIND,
    };
    /// SMPP 5.0, 4.7.6: statuses of the standard end at 0x112, those of vendors lie from 0x400 to 0x4FF.
    const MAX_STATUS: u32 = 0x4ff;
    let word = |at: usize| octets.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (length, command, status, sequence) = (word(0)?, word(4)?, word(8)?, word(12)?);
    let request = command & !RESPONSE;
    let is_response = command & RESPONSE != 0;
    let least = match request {
        // A response may leave its body out when its status isn't zero (SMPP 3.4, 4.4.2).
        _ if is_response => HEADER,
        UNBIND | ENQUIRE_LINK => HEADER,
        // Each body has at least its NULs and fixed octets.
        OUTBIND => HEADER + 2,
        QUERY_SM | ALERT_NOTIFICATION | CANCEL_SM | QUERY_BROADCAST_SM | CANCEL_BROADCAST_SM => HEADER + 4,
        BIND_RECEIVER | BIND_TRANSMITTER | BIND_TRANSCEIVER => HEADER + 7,
        DATA_SM => HEADER + 10,
        REPLACE_SM => HEADER + 9,
        SUBMIT_SM | DELIVER_SM => HEADER + 17,
        SUBMIT_MULTI | BROADCAST_SM => HEADER + 14,
        _ => return None,
    };
    let is_known = match request {
        0 => is_response,
        OUTBIND | ALERT_NOTIFICATION => !is_response,
        _ => true,
    };
    // A keep-alive is a header and nothing else.
    let is_exact = !matches!(request, UNBIND | ENQUIRE_LINK | 0) || length as usize == HEADER;
    let is_status = if is_response { status <= MAX_STATUS } else { status == 0 };
    // SMPP 3.4, 3.2: 1 to 0x7FFFFFFF; a generic_nack answers a header that it could not read with 0.
    let is_sequence = sequence < RESPONSE && (sequence > 0 || request == 0);
    let length = length as usize;
    ((least..=MAX_PDU).contains(&length) && is_known && is_exact && is_status && is_sequence)
        .then_some(Header { length, command, status, sequence })
}

/// Whether a stream whose first octets these are is SMPP. Its port says nothing, so the octets must say all: a whole
/// plausible header, and a body of the shape that the command has, as far as it has come.
pub(crate) fn looks_like_smpp(octets: &[u8]) -> bool {
    let Some(Header { length, command, .. }) = header(octets) else { return false };
    let Some(body) = octets.get(HEADER..length) else {
        // The header has already excluded everything but one stream in 2^70.
        return true;
    };
    match command {
        command::BIND_RECEIVER | command::BIND_TRANSMITTER | command::BIND_TRANSCEIVER => {
            let mut body = Reader(body);
            // system_id, password, system_type, interface_version, addr_ton, addr_npi, address_range.
            [16, 9, 13].iter().all(|max| body.text(*max).is_some_and(is_printable))
                && body.octets(3).is_some()
                && body.text(MAX_ADDRESS).is_some_and(is_printable)
        }
        command::SUBMIT_SM | command::DELIVER_SM | command::DATA_SM | command::SUBMIT_MULTI => {
            operation(command, body, None).is_some()
        }
        _ => true,
    }
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|o| (b' '..=b'~').contains(o))
}

/// Where the PDU at the head of a stream ends.
pub(crate) fn frame(octets: &[u8]) -> Framing {
    if octets.len() < HEADER {
        return Framing::NeedMore;
    }
    if let Some(Header { length, .. }) = header(octets) {
        return if octets.len() < length { Framing::NeedMore } else { Framing::Message(length) };
    }
    // Damage, or a stream joined late: the next plausible header.
    let limit = octets.len().min(MAX_RESYNC);
    // Every header begins with two zero octets or 0x0001: the cheap test before the whole one.
    let next = (1..=limit - HEADER)
        .find(|at| octets[*at] == 0 && octets[at + 1] <= 1 && header(&octets[*at..]).is_some());
    match next {
        Some(at) => Framing::Skip(at),
        None if octets.len() >= MAX_RESYNC => Framing::Foreign,
        // The last octets may be the beginning of one.
        None => Framing::Skip(limit - HEADER + 1),
    }
}

/// A message as an SMPP operation carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) direction: Direction,
    pub(crate) originator: Address<'a>,
    /// One, except for `submit_multi`; none for a distribution list, whose members only the centre knows.
    pub(crate) recipients: SmallVec<[Address<'a>; 1]>,
    pub(crate) data: UserData<'a>,
    pub(crate) sequence: u32,
    /// A delivery receipt or an acknowledgement: it tells of a message and is none.
    pub(crate) receipt: Option<Receipt>,
    /// Whether the centre says that it is one. Without that it only reads like one, and is one if it names a message.
    pub(crate) is_receipt: bool,
}

/// Whether the PDU is an operation that carries a message, whatever state its body is in.
pub(crate) fn carries_message(pdu: &[u8]) -> bool {
    use command::{BROADCAST_SM, DATA_SM, DELIVER_SM, REPLACE_SM, SUBMIT_MULTI, SUBMIT_SM};
    header(pdu).is_some_and(|h| {
        matches!(h.command, SUBMIT_SM | DELIVER_SM | DATA_SM | SUBMIT_MULTI | REPLACE_SM | BROADCAST_SM)
    })
}

/// Reads one framed PDU. `None` for every operation that carries no message, and for what is damaged. `default` is the
/// centre's default alphabet; where nobody knows it, the octets say which it may be.
pub(crate) fn read(pdu: &[u8], default: Option<Alphabet>) -> Option<Operation<'_>> {
    let Header { length, command, sequence, .. } = header(pdu)?;
    Some(Operation { sequence, ..operation(command, pdu.get(HEADER..length)?, default)? })
}

/// The name that a centre gives to a message, in its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Response<'a> {
    pub(crate) sequence: u32,
    pub(crate) message_id: &'a [u8],
}

/// Reads the answer to an operation that submits a message (SMPP 3.4, 4.4.2, 4.5.2 and 4.7.2).
pub(crate) fn response(pdu: &[u8]) -> Option<Response<'_>> {
    use command::{BROADCAST_SM, DATA_SM, SUBMIT_MULTI, SUBMIT_SM};
    let Header { length, command, status, sequence } = header(pdu)?;
    let is_answer = command & RESPONSE != 0
        && matches!(command & !RESPONSE, SUBMIT_SM | SUBMIT_MULTI | DATA_SM | BROADCAST_SM);
    if !is_answer || status != 0 {
        return None;
    }
    let message_id = Reader(pdu.get(HEADER..length)?).text(MAX_ADDRESS)?;
    (!message_id.is_empty()).then_some(Response { sequence, message_id })
}

fn operation(command: u32, body: &[u8], default: Option<Alphabet>) -> Option<Operation<'_>> {
    /// SMPP 3.4, 5.2.12: bits 5 to 2 say what kind of message it is, bit 6 that a user data header leads it.
    const TYPE: u8 = 0x3c;
    const UDHI: u8 = 0x40;

    let is_data_sm = command == command::DATA_SM;
    let mut body = Reader(body);
    match command {
        command::REPLACE_SM => return replacement(body, default),
        command::BROADCAST_SM => return broadcast(body, default),
        _ => {}
    }
    body.text(6)?; // service_type
    let originator = body.address()?;
    let mut recipients = SmallVec::new();
    match command {
        command::SUBMIT_MULTI => body.destinations(&mut recipients)?,
        command::SUBMIT_SM | command::DELIVER_SM | command::DATA_SM => recipients.push(body.address()?),
        _ => return None,
    }
    let esm_class = body.octet()?;
    let (pid, coding, short_message) = if is_data_sm {
        let &[_registered, coding] = body.octets(2)?.first_chunk()?;
        (0, coding, &[][..])
    } else {
        let &[pid, _priority] = body.octets(2)?.first_chunk()?;
        body.text(17)?; // schedule_delivery_time
        body.text(17)?; // validity_period
        let &[_registered, _replace, coding, _canned, length] = body.octets(5)?.first_chunk()?;
        (pid, coding, body.octets(usize::from(length))?)
    };
    let optional = Optional::read(body.0);
    let octets = optional.payload.filter(|_| short_message.is_empty()).unwrap_or(short_message);
    let has_header = esm_class & UDHI != 0;
    let mut data =
        sms::unpacked_user_data(octets, has_header, pid, coding_of(coding, octets, default), optional.port);
    if coding == 0
        && default.is_none()
        && !has_header
        && let Some(septets) = packed(octets)
    {
        (data.alphabet, data.octets) = (Alphabet::Gsm7(Shifts::default()), Cow::Owned(septets));
    }
    data.part = data.part.or(optional.part());
    // What a client submits is a message whatever it calls it; what a centre delivers may be its own report.
    let is_receipt = match command {
        command::DELIVER_SM | command::DATA_SM => esm_class & TYPE != 0 || optional.is_receipt,
        _ => false,
    };
    let from_centre = matches!(command, command::DELIVER_SM | command::DATA_SM);
    let receipt = from_centre.then(|| receipt(&optional, octets, is_receipt)).flatten();
    let direction = if command == command::DELIVER_SM { Direction::Deliver } else { Direction::Submit };
    Some(Operation { direction, originator, recipients, data, sequence: 0, receipt, is_receipt })
}

/// `replace_sm` (SMPP 3.4, 4.10.1): new text for a message that was submitted. It names its sender and not its
/// recipient, and no alphabet: that of the message which it replaces counts, and is taken for the default one.
fn replacement(mut body: Reader<'_>, default: Option<Alphabet>) -> Option<Operation<'_>> {
    body.text(MAX_ADDRESS)?; // message_id
    let originator = body.address()?;
    body.text(17)?; // schedule_delivery_time
    body.text(17)?; // validity_period
    let &[_registered, _canned, length] = body.octets(3)?.first_chunk()?;
    let short_message = body.octets(usize::from(length))?;
    // SMPP 5.0, 4.5.3.2 allows a message_payload here.
    let optional = Optional::read(body.0);
    let octets = optional.payload.filter(|_| short_message.is_empty()).unwrap_or(short_message);
    let data = sms::unpacked_user_data(octets, false, 0, coding_of(0, octets, default), None);
    Some(submission(originator, data))
}

/// `broadcast_sm` (SMPP 5.0, 4.4.1.1): to everybody in an area, so it has a sender and no recipient.
fn broadcast(mut body: Reader<'_>, default: Option<Alphabet>) -> Option<Operation<'_>> {
    body.text(6)?; // service_type
    let originator = body.address()?;
    body.text(MAX_ADDRESS)?; // message_id
    body.octet()?; // priority_flag
    body.text(17)?; // schedule_delivery_time
    body.text(17)?; // validity_period
    let &[_replace, coding, _canned] = body.octets(3)?.first_chunk()?;
    let optional = Optional::read(body.0);
    let octets = optional.payload?;
    let data = sms::unpacked_user_data(octets, false, 0, coding_of(coding, octets, default), optional.port);
    Some(submission(originator, data))
}

fn submission<'a>(originator: Address<'a>, data: UserData<'a>) -> Operation<'a> {
    Operation {
        direction: Direction::Submit,
        originator,
        recipients: SmallVec::new(),
        data,
        sequence: 0,
        receipt: None,
        is_receipt: false,
    }
}

/// The receipt in a message of a centre: its parameters before its text, which each maker writes otherwise.
fn receipt(optional: &Optional<'_>, octets: &[u8], is_receipt: bool) -> Option<Receipt> {
    let text = Receipt::read(octets);
    if !is_receipt {
        return text;
    }
    let state = optional.state.map(State::of_smpp).or(text.as_ref().map(|t| t.state));
    let id = optional.receipted.map(<[u8]>::to_vec).or(text.and_then(|t| t.id));
    Some(Receipt { id, state: state.unwrap_or(State::Unknown) })
}

/// SMPP 3.4, 5.2.19. Zero is "the centre's default", which is the GSM alphabet unless the octets prove that it isn't.
fn coding_of(coding: u8, octets: &[u8], default: Option<Alphabet>) -> Coding {
    if coding == 0
        && let Some(known) = default
    {
        return Coding::plain(known);
    }
    Coding::plain(match coding {
        0 if octets.is_ascii() => Alphabet::Gsm7(Shifts::default()),
        // A septet has no eighth bit: this centre's default is an 8-bit alphabet.
        0 | 1 | 3 => Alphabet::Latin1,
        6 => Alphabet::Other(encoding_rs::ISO_8859_5),
        7 => Alphabet::Other(encoding_rs::ISO_8859_8),
        // An odd number of octets is no UTF-16: some send their receipts and notices in ASCII under this value.
        8 if octets.len() % 2 == 1 && octets.is_ascii() => Alphabet::Latin1,
        8 => Alphabet::Utf16,
        10 => Alphabet::Other(encoding_rs::ISO_2022_JP),
        14 => Alphabet::Other(encoding_rs::EUC_KR),
        // Message waiting and message class, coded as in TS 23.038; centres hand other values of TP-DCS through too.
        0x10..=0x1f | 0xc0..=0xff => return Coding::of(coding),
        // 2 and 4 are data; 5, 9 and 13 name Japanese sets in encodings that differ from centre to centre.
        _ => Alphabet::Binary,
    })
}

/// The septets of a text that its sender has packed, as on the radio. The standard says one septet an octet and has no
/// mark for this, so the octets must prove it: as Latin-1 they hold control characters, and unpacked they are words.
fn packed(octets: &[u8]) -> Option<Vec<u8>> {
    let is_control =
        |o: &u8| matches!(o, 0x00..=0x09 | 0x0b | 0x0c | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f..=0x9f);
    if octets.is_ascii() || !octets.iter().any(is_control) {
        return None;
    }
    let mut septets = gsm7::unpack(octets, 0, usize::MAX);
    // Seven spare bits would read as `@`: they are zero, or CR by TS 23.038, 6.1.2.3.1.
    if octets.len().is_multiple_of(7) && matches!(septets.last(), Some(0 | b'\r')) {
        septets.pop();
    }
    let words = septets.iter().filter(|s| s.is_ascii_alphanumeric() || b" ,.!?'-\n".contains(s)).count();
    (words * 10 >= septets.len() * 9).then_some(septets)
}

/// What matters of the optional parameters.
#[derive(Default)]
struct Optional<'a> {
    payload: Option<&'a [u8]>,
    reference: Option<u16>,
    total: Option<u8>,
    sequence: Option<u8>,
    is_receipt: bool,
    receipted: Option<&'a [u8]>,
    state: Option<u8>,
    port: Option<u16>,
}

impl<'a> Optional<'a> {
    /// A parameter cut short ends the list; what was read stands.
    fn read(mut octets: &'a [u8]) -> Self {
        let mut optional = Self::default();
        while let Some((&[t0, t1, l0, l1], rest)) = octets.split_first_chunk() {
            let Some((value, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1]))) else {
                break;
            };
            match (u16::from_be_bytes([t0, t1]), value) {
                (tag::MESSAGE_PAYLOAD, _) => optional.payload = Some(value),
                (tag::SAR_MSG_REF_NUM, &[high, low]) => {
                    optional.reference = Some(u16::from_be_bytes([high, low]));
                }
                (tag::SAR_TOTAL_SEGMENTS, &[total]) => optional.total = Some(total),
                (tag::SAR_SEGMENT_SEQNUM, &[sequence]) => optional.sequence = Some(sequence),
                (tag::RECEIPTED_MESSAGE_ID, id) => {
                    optional.is_receipt = true;
                    optional.receipted = Some(id.strip_suffix(b"\0").unwrap_or(id));
                }
                (tag::MESSAGE_STATE, &[state]) => {
                    optional.is_receipt = true;
                    optional.state = Some(state);
                }
                (tag::DESTINATION_PORT, &[high, low]) => {
                    optional.port = Some(u16::from_be_bytes([high, low]));
                }
                _ => {}
            }
            octets = rest;
        }
        optional
    }

    fn part(&self) -> Option<Part> {
        Part::new(self.reference?, true, self.total?, self.sequence?)
    }
}

/// A body, read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn octet(&mut self) -> Option<u8> {
        self.octets(1).map(|o| o[0])
    }

    /// A C-Octet String of at most `max` octets, its NUL among them.
    fn text(&mut self, max: usize) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0.get(..max.min(self.0.len()))?)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn address(&mut self) -> Option<Address<'a>> {
        /// SMPP 3.4, 5.2.5 and 5.2.6: the largest type of number (abbreviated) and numbering plan (WAP client).
        const MAX_TON: u8 = 6;
        const MAX_NPI: u8 = 18;
        let &[ton, npi] = self.octets(2)?.first_chunk()?;
        let text = self.text(MAX_ADDRESS)?;
        (ton <= MAX_TON && npi <= MAX_NPI).then_some(Address::from_text(ton, text))
    }

    fn destinations(&mut self, out: &mut SmallVec<[Address<'a>; 1]>) -> Option<()> {
        let count = usize::from(self.octet()?);
        if count > MAX_DESTINATIONS {
            return None;
        }
        for _ in 0..count {
            match self.octet()? {
                1 => out.push(self.address()?),
                2 => drop(self.text(MAX_ADDRESS)?),
                _ => return None,
            }
        }
        Some(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One PDU.
    pub(crate) fn pdu(command: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [(HEADER + body.len()) as u32, command, 0, 7] {
            out.extend(word.to_be_bytes());
        }
        out.extend(body);
        out
    }

    pub(crate) struct Sm<'a> {
        pub(crate) esm_class: u8,
        pub(crate) coding: u8,
        pub(crate) text: &'a [u8],
        pub(crate) optional: &'a [u8],
    }

    /// `submit_sm` or `deliver_sm` from +447700900123 to 122.
    pub(crate) fn sm(command: u32, sm: &Sm<'_>) -> Vec<u8> {
        let mut body = b"\0\x01\x01447700900123\0\0\x01122\0".to_vec();
        body.extend([sm.esm_class, 0, 0, 0, 0, 0, 0, sm.coding, 0, sm.text.len() as u8]);
        body.extend(sm.text);
        body.extend(sm.optional);
        pdu(command, &body)
    }

    fn plain(text: &[u8]) -> Vec<u8> {
        sm(command::SUBMIT_SM, &Sm { esm_class: 0, coding: 0, text, optional: &[] })
    }

    fn text(pdu: &[u8]) -> Option<String> {
        let data = read(pdu, None)?.data;
        let mut out = String::new();
        data.alphabet.decode(&data.octets, &mut out).then_some(out)
    }

    #[test]
    fn p44_submit() {
        let pdu = plain(b"Hi \0 \x1be");
        let read = read(&pdu, None).expect("submit_sm");
        assert_eq!((read.direction, read.is_receipt), (Direction::Submit, false));
        assert_eq!(read.originator.text(), "+447700900123");
        assert_eq!(read.recipients[0].text(), "122");
        assert_eq!(text(&pdu).as_deref(), Some("Hi @ €"));
    }

    #[test]
    fn p44_a_centre_whose_default_alphabet_is_known_is_believed() {
        let pdu = sm(
            command::SUBMIT_SM,
            &Sm { esm_class: 0, coding: 0, text: b"\x80 5 @home [\xe9]", optional: &[] },
        );
        let read = |default| {
            let data = read(&pdu, default)?.data;
            let mut out = String::new();
            data.alphabet.decode(&data.octets, &mut out).then_some(out)
        };
        assert_eq!(read(Some(Alphabet::Other(encoding_rs::WINDOWS_1252))).as_deref(), Some("€ 5 @home [é]"));
        assert_ne!(read(None).as_deref(), Some("€ 5 @home [é]"));
    }

    #[test]
    fn p44_alphabets() {
        for (coding, octets, expected) in [
            (0, &b"caf\xe9"[..], Some("café")),
            (1, b"a@", Some("a@")),
            (3, b"\xe9", Some("é")),
            (8, b"\xd8\x3d\xde\x00", Some("😀")),
            // ASCII under the wrong value, which only an odd number of octets proves.
            (8, b"id:", Some("id:")),
            (6, b"\xb4\xd0", Some("Да")),
            (2, b"abc", None),
            (4, b"abc", None),
            (5, b"abc", None),
            (0x18, b"\0A", Some("A")),
            (0xf0, b"\0", Some("@")),
            (0xf5, b"a", None),
        ] {
            let pdu = sm(command::DELIVER_SM, &Sm { esm_class: 0, coding, text: octets, optional: &[] });
            assert_eq!(text(&pdu).as_deref(), expected, "{coding}");
        }
    }

    #[test]
    fn p44_payload_and_segments_in_optional_parameters() {
        let optional = b"\x04\x24\0\x02Hi\x02\x0c\0\x02\x01\x02\x02\x0e\0\x01\x03\x02\x0f\0\x01\x02";
        let pdu = sm(command::SUBMIT_SM, &Sm { esm_class: 0, coding: 1, text: b"", optional });
        assert_eq!(text(&pdu).as_deref(), Some("Hi"));
        assert_eq!(read(&pdu, None).expect("submit_sm").data.part, Part::new(0x102, true, 3, 2));
        let data_sm = [&b"\0\x01\x01447700900123\0\0\x01122\0\0\0\x01"[..], &optional[..6]].concat();
        assert_eq!(text(&super::tests::pdu(command::DATA_SM, &data_sm)).as_deref(), Some("Hi"));
    }

    #[test]
    fn destinations() {
        let body = b"\0\x01\x01447700900123\0\x03\x01\x01\x0133612345678\0\x02friends\0\x01\0\x01122\0\0\0\0\0\0\0\0\x01\0\x02Hi";
        let pdu = pdu(command::SUBMIT_MULTI, body);
        let read = read(&pdu, None).expect("submit_multi");
        assert_eq!(read.recipients.iter().map(Address::text).collect::<Vec<_>>(), ["+33612345678", "122"]);
        assert_eq!(text(&pdu).as_deref(), Some("Hi"));
    }

    #[test]
    fn p45_receipts_are_no_messages() {
        for (esm_class, optional) in
            [(4, &b""[..]), (8, b""), (0x10, b""), (0x20, b""), (0, b"\x04\x27\0\x01\x02")]
        {
            let parts = Sm { esm_class, coding: 0, text: b"id:0406 stat:DELIVRD", optional };
            assert!(
                read(&sm(command::DELIVER_SM, &parts), None).expect("deliver_sm").is_receipt,
                "{esm_class}"
            );
        }
        // A client can't hide a message by calling it an acknowledgement.
        let parts = Sm { esm_class: 8, coding: 0, text: b"x", optional: b"" };
        assert!(!read(&sm(command::SUBMIT_SM, &parts), None).expect("submit_sm").is_receipt);
    }

    #[test]
    fn p40_p44_packed_septets_are_told_by_what_they_hold() {
        for (octets, expected) in [
            (&b"\xe8\x32\x9b\xfd\x46\x97\xd9\xec\x37"[..], "hellohello"),
            // Seven spare bits, empty or filled with CR.
            (b"\xe7\xf7\x9b\x4c\x0e\xe7\x01", "goodday"),
            (b"\xe7\xf7\x9b\x4c\x0e\xe7\x1b", "goodday"),
            (b"d\xe9j\xe0 vu", "d\u{e9}j\u{e0} vu"),
        ] {
            assert_eq!(text(&plain(octets)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn p44_replace_and_broadcast() {
        let replace = pdu(command::REPLACE_SM, b"77\0\x01\x01447700900123\0\0\0\0\0\x02Hi");
        let operation = read(&replace, None).expect("replace_sm");
        assert_eq!((text(&replace).as_deref(), operation.recipients.len()), (Some("Hi"), 0));
        assert_eq!(operation.originator.text(), "+447700900123");
        let body = b"\0\x01\x01447700900123\0\0\0\0\0\0\x08\0\x04\x24\0\x04\0H\0i\x06\x06\0\x01\x01";
        let broadcast = pdu(command::BROADCAST_SM, body);
        assert_eq!(text(&broadcast).as_deref(), Some("Hi"));
        assert!(carries_message(&broadcast) && carries_message(&replace));
        assert_eq!(read(&pdu(command::BROADCAST_SM, &body[..30]), None), None);
    }

    #[test]
    fn p45_answers_name_the_message() {
        let answer = pdu(RESPONSE | command::SUBMIT_SM, b"0406\0");
        assert_eq!(response(&answer), Some(Response { sequence: 7, message_id: b"0406" }));
        for other in [
            pdu(RESPONSE | command::DELIVER_SM, b"1\0"),
            pdu(RESPONSE | command::SUBMIT_SM, b"\0"),
            pdu(RESPONSE | command::SUBMIT_SM, b"1"),
            pdu(command::SUBMIT_SM, b"1\0"),
        ] {
            assert_eq!(response(&other), None);
        }
    }

    #[test]
    fn p44_framing() {
        let one = plain(b"Hi");
        let keep_alive = pdu(command::ENQUIRE_LINK, b"");
        let stream = [&one[..], &keep_alive].concat();
        assert_eq!(frame(&stream), Framing::Message(one.len()));
        assert_eq!(frame(&stream[one.len()..]), Framing::Message(16));
        assert_eq!(frame(&stream[..20]), Framing::NeedMore);
        assert_eq!(frame(&stream[..15]), Framing::NeedMore);
        // Joined in mid-PDU.
        assert_eq!(frame(&stream[5..]), Framing::Skip(one.len() - 5));
        assert_eq!(frame(&[0xff; 100]), Framing::Skip(85));
        assert_eq!(frame(&vec![0xff; MAX_RESYNC]), Framing::Foreign);
    }

    #[test]
    fn other_protocols_are_not_taken_for_smpp() {
        assert!(looks_like_smpp(&plain(b"Hi")));
        assert!(looks_like_smpp(&pdu(command::BIND_TRANSCEIVER, b"esme\0secret\0\0\x34\0\0\0")));
        assert!(looks_like_smpp(&pdu(command::ENQUIRE_LINK | RESPONSE, b"")));
        for other in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh"[..],
            b"\x17\x03\x03\x00\x40abcdefghijklmnop",
            b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
            b"INVITE sip:a@example.com SIP/2.0\r\n",
            b"\0\0\0\x10\0\0\0\x02\0\0\0\0\0\0\0\x01",
            b"\0\0\0\x14\0\0\0\x15\0\0\0\0\0\0\0\x01abcd",
            b"\0\0\0\x40\0\0\0\x04\0\0\0\x01\0\0\0\x01",
            b"\0\0\0\x40\0\0\0\x04\0\0\0\0\0\0\0\0",
            &[0; 64],
            b"",
        ] {
            assert!(!looks_like_smpp(other), "{other:?}");
        }
        let wrong_body = pdu(command::SUBMIT_SM, &[0x41; 40]);
        assert!(!looks_like_smpp(&wrong_body));
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = (frame(&octets), looks_like_smpp(&octets), text(&octets), response(&octets));
            for command in [command::SUBMIT_SM, command::DELIVER_SM, command::DATA_SM, command::SUBMIT_MULTI, command::REPLACE_SM, command::BROADCAST_SM] {
                let _ = text(&pdu(command, &octets));
            }
        }

        #[test]
        fn a_damaged_pdu_never_panics(at in 0usize..60, with: u8, cut in 0usize..60) {
            let mut pdu = plain(b"some text of a message");
            let last = pdu.len() - 1;
            pdu[at.min(last)] = with;
            let _ = (frame(&pdu), text(&pdu), text(&pdu[..cut.min(last)]));
        }

        #[test]
        fn framing_always_moves_or_waits(octets: Vec<u8>) {
            match frame(&octets) {
                Framing::Message(n) | Framing::Skip(n) => prop_assert!(n > 0 && n <= octets.len()),
                Framing::NeedMore | Framing::Foreign => {}
            }
        }

        #[test]
        fn random_octets_are_foreign(octets in proptest::collection::vec(any::<u8>(), 16..200)) {
            prop_assert!(!looks_like_smpp(&octets));
        }
    }
}
