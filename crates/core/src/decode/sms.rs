//! Short messages: the relay layer (TS 24.011, 7.3 and 8.2) and the transfer layer (TS 23.040, 9.2) with its coding
//! scheme (TS 23.038, 4).
//!
//! Which transfer message a TPDU is depends on its direction, and only the relay layer tells the direction: so one is
//! never read without the other.

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::gsm7::{self, Language, Shifts};
use super::receipt::State;

/// Relay layer message (TS 24.011, 8.2.2: direction and kind are one field).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rp<'a> {
    /// RP-DATA: carries a transfer message.
    Data(Direction, &'a [u8]),
    /// RP-ACK, RP-ERROR or RP-SMMA. What an RP-ACK carries is a report of a message, never a message.
    Report,
}

/// Which way a short message goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Direction {
    /// From the mobile to the service centre.
    Submit,
    /// From the service centre to the mobile.
    Deliver,
}

/// Reads the relay layer.
pub(crate) fn relay(octets: &[u8]) -> Option<Rp<'_>> {
    let (first, rest) = octets.split_first()?;
    let direction = match first & 7 {
        0 => Direction::Submit,
        1 => Direction::Deliver,
        2..=6 => return Some(Rp::Report),
        _ => return None,
    };
    let (_reference, rest) = rest.split_first()?;
    // RP-Originator-Address and RP-Destination-Address name the service centre: a party to no message.
    let (_, rest) = length_value(rest)?;
    let (_, rest) = length_value(rest)?;
    let (tpdu, _) = length_value(rest)?;
    Some(Rp::Data(direction, tpdu))
}

fn length_value(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// An address with its type of number (TS 23.040, 9.1.2.5; SMPP 3.4, 5.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address<'a> {
    pub(crate) ton: u8,
    value: Value<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value<'a> {
    /// Semi-octets and how many.
    Bcd(&'a [u8], usize),
    /// Packed septets.
    Alphanumeric(&'a [u8]),
    /// Characters as they are (SMPP).
    Text(&'a [u8]),
}

/// TS 23.040, 9.1.2.5.
const TON_INTERNATIONAL: u8 = 1;
const TON_NATIONAL: u8 = 2;
const TON_ALPHANUMERIC: u8 = 5;

/// Digits and extra characters of a semi-octet (TS 23.040, 9.1.2.3); 15 fills an odd number up.
const SEMI_OCTETS: [char; 15] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'a', 'b', 'c'];

impl<'a> Address<'a> {
    /// From SMPP: characters.
    pub(crate) const fn from_text(ton: u8, text: &'a [u8]) -> Self {
        Self { ton, value: Value::Text(text) }
    }

    /// From a TPDU: the length counts semi-octets, and what follows the address.
    fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        /// TS 23.040, 9.1.2.5: the address field has at most 12 octets, of which 10 hold 20 semi-octets.
        const MAX_SEMI_OCTETS: usize = 20;
        let (head, rest) = octets.split_at_checked(2)?;
        let (length, ton) = (usize::from(head[0]), head[1] >> 4 & 7);
        if length > MAX_SEMI_OCTETS {
            return None;
        }
        let (value, rest) = rest.split_at_checked(length.div_ceil(2))?;
        let value =
            if ton == TON_ALPHANUMERIC { Value::Alphanumeric(value) } else { Value::Bcd(value, length) };
        Some((Self { ton, value }, rest))
    }

    /// Whether nothing was sent.
    pub(crate) const fn is_empty(&self) -> bool {
        match self.value {
            Value::Bcd(octets, _) | Value::Alphanumeric(octets) | Value::Text(octets) => octets.is_empty(),
        }
    }

    /// The address as parties are written: `+` before international digits, `;ton=2` behind national ones and `;ton=5`
    /// behind a name that would otherwise read as a number. `NumberingPlan::identity` reads it back.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        match self.value {
            Value::Bcd(octets, length) => {
                let semi_octets = octets.iter().flat_map(|o| [o & 15, o >> 4]);
                out.extend(semi_octets.take(length).map_while(|s| SEMI_OCTETS.get(usize::from(s))));
            }
            Value::Alphanumeric(octets) => {
                let mut septets = gsm7::unpack(octets, 0, usize::MAX);
                // Padding to the semi-octet: up to seven zero bits, which are no `@`.
                while septets.last() == Some(&0) {
                    septets.pop();
                }
                gsm7::decode(&septets, Shifts::default(), &mut out);
            }
            Value::Text(octets) => out.extend(octets.iter().map(|o| char::from(*o))),
        }
        let numeric = out.bytes().all(|b| b.is_ascii_digit() || b == b'+');
        match self.ton {
            TON_INTERNATIONAL if numeric && !out.starts_with(['+', '0']) && !out.is_empty() => {
                out.insert(0, '+');
            }
            TON_NATIONAL if numeric => out.push_str(";ton=2"),
            TON_ALPHANUMERIC if numeric => out.push_str(";ton=5"),
            _ => {}
        }
        out
    }
}

/// Where a part of a long message stands in it (TS 23.040, 9.2.3.24.1 and 9.2.3.24.8; SMPP `sar_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Part {
    pub(crate) reference: u16,
    /// The reference has 16 bits: another number space than the 8-bit one.
    pub(crate) wide: bool,
    pub(crate) total: u8,
    /// From 1 to `total`.
    pub(crate) sequence: u8,
}

impl Part {
    /// `None` when the numbers can't be: such a part stands alone (TS 23.040, 9.2.3.24.1). So does a part of one.
    pub(crate) const fn new(reference: u16, wide: bool, total: u8, sequence: u8) -> Option<Self> {
        if total < 2 || sequence == 0 || sequence > total {
            return None;
        }
        Some(Self { reference, wide, total, sequence })
    }
}

/// How the octets of a message are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Alphabet {
    /// One septet an octet.
    Gsm7(Shifts),
    /// UTF-16, big endian; the standard says UCS-2, handsets send emoji.
    Utf16,
    /// US-ASCII and ISO 8859-1.
    Latin1,
    /// A further alphabet of SMPP's list.
    Other(&'static Encoding),
    /// Not text: data, compressed text, or an alphabet that we don't know.
    Binary,
}

impl Alphabet {
    /// Appends the text of `octets`; false when they are no text.
    pub(crate) fn decode(self, octets: &[u8], out: &mut String) -> bool {
        match self {
            Self::Gsm7(shifts) => gsm7::decode(octets, shifts, out),
            Self::Utf16 => {
                let units = octets.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
                out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
            Self::Latin1 => out.extend(octets.iter().map(|o| char::from(*o))),
            Self::Other(encoding) => out.push_str(&encoding.decode_without_bom_handling(octets).0),
            Self::Binary => return false,
        }
        true
    }
}

/// What a message is, as its headers say. What isn't [`Kind::Text`] is shown by this and never read as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) enum Kind {
    /// For a person to read.
    #[default]
    Text,
    /// Compressed text (TS 23.042): shown, not decoded.
    Compressed,
    /// Data that says no more of itself.
    Binary,
    /// Short message type 0: acknowledged by the mobile and thrown away (TS 23.040, 9.2.3.9). It finds out who is there.
    Silent,
    /// (U)SIM data download: for the card, not for its holder (TS 23.040, 9.2.3.9; TS 31.115).
    Sim,
    /// WAP push (WAP-259, port 2948 and 2949).
    WapPush,
    /// Notification of a multimedia message (OMA MMS ENC, 6.2), which comes as a WAP push.
    MmsNotification,
    /// A vCard or vCalendar (port 9204 and 9205, 226 and 228).
    Card,
    /// For another program, by its port (TS 23.040, 9.2.3.24.3).
    Application,
}

impl Kind {
    /// Stable name for records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Compressed => "compressed",
            Self::Binary => "binary",
            Self::Silent => "silent",
            Self::Sim => "sim",
            Self::WapPush => "wap_push",
            Self::MmsNotification => "mms_notification",
            Self::Card => "card",
            Self::Application => "application",
        }
    }

    /// By destination port, as IANA has given them out; GSM phones use the low ones too (Smart Messaging).
    pub(crate) const fn of_port(port: u16) -> Self {
        match port {
            2948 | 2949 => Self::WapPush,
            226 | 228 | 9204 | 9205 => Self::Card,
            _ => Self::Application,
        }
    }

    /// What TP-PID, TP-DCS and the header say together. The strongest word is the PID's: it decides what a mobile does.
    const fn of(pid: u8, coding: Coding, port: Option<u16>) -> Self {
        /// TS 23.040, 9.2.3.9.
        const PID_TYPE_0: u8 = 0x40;
        const PID_SIM_DOWNLOAD: u8 = 0x7f;
        const CLASS_SIM: u8 = 2;
        match (pid, coding.class, port) {
            (PID_TYPE_0, ..) => Self::Silent,
            (PID_SIM_DOWNLOAD, Some(CLASS_SIM), _) => Self::Sim,
            (.., Some(port)) => Self::of_port(port),
            _ if coding.is_compressed => Self::Compressed,
            _ if matches!(coding.alphabet, Alphabet::Binary) => Self::Binary,
            _ => Self::Text,
        }
    }

    /// Looks into a whole WAP push for a notification of a multimedia message: WSP transaction, Push, length of headers,
    /// and the content type, as a number or in words (WAP-230-WSP, 8.2.4.1 and table 40).
    pub(crate) fn looked_into(self, octets: &[u8]) -> Self {
        const PUSH: u8 = 0x06;
        const MMS_MESSAGE: u8 = 0x80 | 0x3e;
        const IN_WORDS: &[u8] = b"application/vnd.wap.mms-message";
        let headers = match octets {
            [_, PUSH, length, headers @ ..] if *length < 0x80 => headers,
            [_, PUSH, high, _, headers @ ..] if *high >= 0x80 => headers,
            _ => return self,
        };
        // A content type with parameters stands behind its length (WAP-230-WSP, 8.4.2.24).
        let plain = headers.first() == Some(&MMS_MESSAGE) || headers.starts_with(IN_WORDS);
        let general = headers.first().is_some_and(|length| *length <= 0x1e)
            && headers
                .get(1..)
                .is_some_and(|rest| rest.first() == Some(&MMS_MESSAGE) || rest.starts_with(IN_WORDS));
        if self == Self::WapPush && (plain || general) { Self::MmsNotification } else { self }
    }
}

/// User data: what is read of its header, and its octets in `alphabet`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UserData<'a> {
    pub(crate) part: Option<Part>,
    pub(crate) kind: Kind,
    /// [`Alphabet::Binary`] for every kind but text.
    pub(crate) alphabet: Alphabet,
    /// Septets one an octet for [`Alphabet::Gsm7`], the octets themselves otherwise.
    pub(crate) octets: Cow<'a, [u8]>,
}

impl UserData<'_> {
    /// The octets, for a session: they outlive the PDU.
    pub(crate) fn into_owned(self) -> Vec<u8> {
        self.octets.into_owned()
    }
}

/// What matters of a user data header (TS 23.040, 9.2.3.24).
#[derive(Clone, Copy, Default, Debug)]
struct Header {
    part: Option<Part>,
    shifts: Shifts,
    /// Destination of application port addressing: the body is for a program.
    port: Option<u16>,
}

impl Header {
    /// Elements may come in any order and number; one that is cut short ends the header, what was read stands.
    fn read(mut octets: &[u8]) -> Self {
        let mut header = Self::default();
        while let Some((identifier, rest)) = octets.split_first() {
            let Some((value, rest)) = length_value(rest) else { break };
            match (identifier, value) {
                (0x00, &[reference, total, sequence]) => {
                    header.part = Part::new(u16::from(reference), false, total, sequence);
                }
                (0x08, &[high, low, total, sequence]) => {
                    header.part = Part::new(u16::from_be_bytes([high, low]), true, total, sequence);
                }
                (0x04, &[port, _]) => header.port = Some(u16::from(port)),
                (0x05, &[high, low, _, _]) => header.port = Some(u16::from_be_bytes([high, low])),
                (0x24, &[language]) => header.shifts.single = Language(language),
                (0x25, &[language]) => header.shifts.locking = Language(language),
                _ => {}
            }
            octets = rest;
        }
        header
    }
}

/// Splits a user data header off: the header, what it takes in octets (its length octet included), and the rest.
fn split_header(octets: &[u8]) -> Option<(Header, usize, &[u8])> {
    let (header, rest) = length_value(octets)?;
    Some((Header::read(header), header.len() + 1, rest))
}

/// User data of octets, as SMPP carries it: septets aren't packed. `port` is one given beside the data.
pub(crate) fn unpacked_user_data(
    octets: &[u8],
    has_header: bool,
    pid: u8,
    coding: Coding,
    port: Option<u16>,
) -> UserData<'_> {
    let (header, body) = match has_header.then(|| split_header(octets)).flatten() {
        Some((header, _, body)) => (header, body),
        None => (Header::default(), octets),
    };
    let kind = Kind::of(pid, coding, header.port.or(port));
    let alphabet = match coding.alphabet {
        _ if kind != Kind::Text => Alphabet::Binary,
        Alphabet::Gsm7(_) => Alphabet::Gsm7(header.shifts),
        other => other,
    };
    UserData { part: header.part, kind, alphabet, octets: Cow::Borrowed(body) }
}

/// What TP-DCS says (TS 23.038, 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Coding {
    pub(crate) alphabet: Alphabet,
    /// Message class, where one is given: 0 is shown at once, 2 is for the SIM.
    pub(crate) class: Option<u8>,
    /// Compressed by TS 23.042; the alphabet is then that of the text before.
    pub(crate) is_compressed: bool,
}

impl Coding {
    /// An alphabet that another protocol names.
    pub(crate) const fn plain(alphabet: Alphabet) -> Self {
        Self { alphabet, class: None, is_compressed: false }
    }

    pub(crate) fn of(dcs: u8) -> Self {
        const GSM7: Alphabet =
            Alphabet::Gsm7(Shifts { locking: Language::DEFAULT, single: Language::DEFAULT });
        match dcs >> 4 {
            // General data coding, and the same marked for automatic deletion: bit 5 compressed, bit 4 class meaningful.
            0..=7 => Self {
                alphabet: match dcs >> 2 & 3 {
                    1 => Alphabet::Binary,
                    2 => Alphabet::Utf16,
                    // Reserved codings shall be taken for the default alphabet (TS 23.038, 4).
                    _ => GSM7,
                },
                class: (dcs & 0x10 != 0).then_some(dcs & 3),
                is_compressed: dcs & 0x20 != 0,
            },
            // Message waiting, stored, UCS-2.
            14 => Self::plain(Alphabet::Utf16),
            // Data coding and message class.
            15 => {
                let alphabet = if dcs & 4 == 0 { GSM7 } else { Alphabet::Binary };
                Self { class: Some(dcs & 3), ..Self::plain(alphabet) }
            }
            // Message waiting in the default alphabet, discarded or stored, and the reserved groups.
            _ => Self::plain(GSM7),
        }
    }
}

/// A transfer message that carries text or data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tpdu<'a> {
    pub(crate) direction: Direction,
    /// TP-MR of a SUBMIT, by which a status report names it.
    pub(crate) reference: Option<u8>,
    /// TP-OA of a DELIVER, TP-DA of a SUBMIT: the party at the far side.
    pub(crate) address: Address<'a>,
    pub(crate) data: UserData<'a>,
}

/// What became of a message that was submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status<'a> {
    /// TP-MR of the SUBMIT.
    pub(crate) reference: u8,
    /// TP-RA: whom the message was for.
    pub(crate) recipient: Address<'a>,
    pub(crate) state: State,
}

/// A transfer message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Transfer<'a> {
    /// SMS-SUBMIT or SMS-DELIVER.
    Message(Tpdu<'a>),
    /// SMS-STATUS-REPORT (TS 23.040, 9.2.2.3): what became of a message.
    Status(Status<'a>),
    /// A report of a message, or a command to the service centre.
    Other,
}

/// Reads a transfer message; `None` when it is damaged.
pub(crate) fn transfer(octets: &[u8], direction: Direction) -> Option<Transfer<'_>> {
    let (&first, rest) = octets.split_first()?;
    let (address, rest) = match (direction, first & 3) {
        // TS 23.040, 9.2.3.1: a mobile reads the reserved value as SMS-DELIVER.
        (Direction::Deliver, 0 | 3) => Address::read(rest)?,
        (Direction::Submit, 1) => Address::read(rest.get(1..)?)?,
        (Direction::Deliver, 2) => {
            let (&reference, rest) = rest.split_first()?;
            let (recipient, rest) = Address::read(rest)?;
            // TP-Service-Centre-Time-Stamp and TP-Discharge-Time.
            let state = State::of_tp_status(*rest.get(14)?);
            return Some(Transfer::Status(Status { reference, recipient, state }));
        }
        // SMS-SUBMIT-REPORT, SMS-DELIVER-REPORT, SMS-COMMAND.
        _ => return Some(Transfer::Other),
    };
    let (&[pid, dcs], rest) = rest.split_first_chunk()?;
    let time = match direction {
        // TP-Service-Centre-Time-Stamp.
        Direction::Deliver => 7,
        // TP-Validity-Period-Format: none, enhanced, relative, absolute.
        Direction::Submit => [0, 7, 1, 7][usize::from(first >> 3 & 3)],
    };
    let (&length, body) = rest.get(time..)?.split_first()?;
    let data = user_data(body, usize::from(length), first & 0x40 != 0, pid, Coding::of(dcs));
    let reference = octets.get(1).copied().filter(|_| direction == Direction::Submit);
    Some(Transfer::Message(Tpdu { direction, reference, address, data }))
}

/// TP-UD. `length` counts septets or octets by alphabet (TS 23.040, 9.2.3.16); a body cut short gives what there is.
fn user_data(body: &[u8], length: usize, has_header: bool, pid: u8, coding: Coding) -> UserData<'_> {
    let split = has_header.then(|| split_header(body)).flatten();
    let (header, used) = split.map_or((Header::default(), 0), |(header, used, _)| (header, used));
    let kind = Kind::of(pid, coding, header.port);
    let rest = body.get(used..).unwrap_or_default();
    let (alphabet, octets) = match coding.alphabet {
        // The length of a compressed text counts octets, whatever its alphabet (TS 23.040, 9.2.3.16).
        Alphabet::Gsm7(_) if !coding.is_compressed => {
            // The text begins at the next whole septet behind the header.
            let header_septets = (used * 8).div_ceil(7);
            let fill = header_septets * 7 - used * 8;
            let septets = length.saturating_sub(header_septets);
            if kind == Kind::Text {
                (Alphabet::Gsm7(header.shifts), Cow::Owned(gsm7::unpack(rest, fill as u8, septets)))
            } else {
                let octets = (fill + septets * 7).div_ceil(8);
                (Alphabet::Binary, Cow::Borrowed(rest.get(..octets).unwrap_or(rest)))
            }
        }
        alphabet => {
            let octets = rest.get(..length.saturating_sub(used)).unwrap_or(rest);
            (if kind == Kind::Text { alphabet } else { Alphabet::Binary }, Cow::Borrowed(octets))
        }
    };
    UserData { part: header.part, kind, alphabet, octets }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks_exact(2).map(|p| p[0] << 4 | p[1]).collect()
    }

    fn message(tpdu: &[u8], direction: Direction) -> Tpdu<'_> {
        match transfer(tpdu, direction) {
            Some(Transfer::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    fn text(data: &UserData<'_>) -> Option<String> {
        let mut out = String::new();
        data.alphabet.decode(&data.octets, &mut out).then_some(out)
    }

    #[test]
    fn deliver() {
        let tpdu = octets("04 0B 91 3316325476F8 0000 52 50 31 21 43 65 00 0A E8329BFD4697D9EC37");
        let read = message(&tpdu, Direction::Deliver);
        assert_eq!(read.address.text(), "+33612345678");
        assert_eq!(text(&read.data).as_deref(), Some("hellohello"));
        // The same octets the other way are a DELIVER-REPORT.
        assert_eq!(transfer(&tpdu, Direction::Submit), Some(Transfer::Other));
    }

    #[test]
    fn p45_a_status_report_names_the_message() {
        let tpdu = octets("06 2A 0B 91 3316325476F8 52503121436500 52503121436500 00");
        let Some(Transfer::Status(status)) = transfer(&tpdu, Direction::Deliver) else {
            panic!("a status report")
        };
        assert_eq!((status.reference, status.state), (0x2a, State::Delivered));
        assert_eq!(status.recipient.text(), "+33612345678");
        assert_eq!(transfer(&tpdu[..22], Direction::Deliver), None);
        assert_eq!(transfer(&tpdu, Direction::Submit), Some(Transfer::Other), "a command");
    }

    #[test]
    fn submit_under_every_validity_format() {
        for (first, validity) in
            [("01", ""), ("09", "00000000000000"), ("11", "A7"), ("19", "52503121436500")]
        {
            let tpdu = octets(&format!("{first} 07 03 81 21F2 00 00 {validity} 04 F4F29C0E"));
            let read = message(&tpdu, Direction::Submit);
            assert_eq!(
                (read.address.text().as_str(), text(&read.data).as_deref()),
                ("122", Some("test")),
                "{first}"
            );
        }
    }

    #[test]
    fn p46_relay_layer_tells_data_from_reports() {
        let tpdu = octets("01 07 03 81 21F2 00 00 04 F4F29C0E");
        let data = [&octets("00 01 00 04 91 1032F4")[..], &[tpdu.len() as u8], &tpdu].concat();
        assert_eq!(relay(&data), Some(Rp::Data(Direction::Submit, &tpdu)));
        for report in ["02 01", "03 01 41 02 0000", "04 01 01 29", "05 01 01 29", "06 01"] {
            assert_eq!(relay(&octets(report)), Some(Rp::Report), "{report}");
        }
        assert_eq!(relay(&octets("01 01 00 00 09 04")), None);
        assert_eq!(relay(&[]), None);
    }

    #[test]
    fn p48_addresses() {
        for (hex, written) in [
            ("0B 91 3316325476F8", "+33612345678"),
            ("0A 81 6021436587", "0612345678"),
            ("09 A1 16325476F8", "612345678;ton=2"),
            ("03 81 21F2", "122"),
            ("07 D0 F4F29C0E", "test"),
            ("0B D0 CDBC30EC5E03", "MyBank"),
            ("05 81 2A01F3", "*2103"),
        ] {
            let wire = octets(hex);
            let (address, rest) = Address::read(&wire).expect(hex);
            assert!(rest.is_empty());
            assert_eq!(address.text(), written, "{hex}");
        }
        assert_eq!(Address::from_text(5, b"0612345678").text(), "0612345678;ton=5");
        assert_eq!(Address::from_text(1, b"+33612345678").text(), "+33612345678");
        assert!(Address::read(&octets("FF 91 33")).is_none());
    }

    #[test]
    fn p40_coding_groups() {
        let gsm7 = Alphabet::Gsm7(Shifts::default());
        for (dcs, alphabet, class) in [
            (0x00, gsm7, None),
            (0x11, gsm7, Some(1)),
            (0x04, Alphabet::Binary, None),
            (0x08, Alphabet::Utf16, None),
            (0x18, Alphabet::Utf16, Some(0)),
            (0x0c, gsm7, None),
            (0x44, Alphabet::Binary, None),
            (0x48, Alphabet::Utf16, None),
            (0x80, gsm7, None),
            (0xc8, gsm7, None),
            (0xd0, gsm7, None),
            (0xe0, Alphabet::Utf16, None),
            (0xf0, gsm7, Some(0)),
            (0xf6, Alphabet::Binary, Some(2)),
        ] {
            assert_eq!(Coding::of(dcs), Coding { class, ..Coding::plain(alphabet) }, "{dcs:#x}");
        }
        assert!(Coding::of(0x20).is_compressed && Coding::of(0x68).is_compressed);
    }

    #[test]
    fn p43_header_elements_stand_anywhere() {
        // Port addressing, an unknown element, then concatenation with 16 bits.
        let data = unpacked_user_data(
            b"\x0f\x70\x01\x00\x24\x01\x01\x08\x04\x12\x34\x03\x02\x25\x01\x01Hi",
            true,
            0,
            Coding::plain(Alphabet::Latin1),
            None,
        );
        assert_eq!(data.part, Part::new(0x1234, true, 3, 2));
        assert_eq!(text(&data).as_deref(), Some("Hi"));
        let data = unpacked_user_data(
            b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x00\x02\x01WAP",
            true,
            0,
            Coding::plain(Alphabet::Latin1),
            None,
        );
        assert_eq!((data.part, data.alphabet), (Part::new(0, false, 2, 1), Alphabet::Binary));
        assert_eq!(data.kind, Kind::WapPush);
        for impossible in [(0, 0), (2, 0), (2, 3), (1, 1)] {
            assert_eq!(Part::new(7, false, impossible.0, impossible.1), None);
        }
    }

    #[test]
    fn p40_septets_begin_behind_the_fill_bits() {
        // UDH of 6 octets: 48 bits, one fill bit, text from the seventh septet on.
        let tpdu = octets("44 0B 91 3316325476F8 0000 52503121436500 0B 050003CC0201 E8E5391D");
        let read = message(&tpdu, Direction::Deliver);
        assert_eq!(read.data.part, Part::new(0xcc, false, 2, 1));
        assert_eq!(text(&read.data).as_deref(), Some("test"));
    }

    #[test]
    fn p49_data_is_shown_by_its_kind_and_never_read_as_text() {
        for (pid, dcs, kind) in [
            ("40", "00", Kind::Silent),
            ("40", "08", Kind::Silent),
            ("7F", "F6", Kind::Sim),
            ("7F", "F2", Kind::Sim),
            ("7F", "12", Kind::Sim),
            ("00", "04", Kind::Binary),
            ("00", "F5", Kind::Binary),
            ("00", "20", Kind::Compressed),
            ("00", "28", Kind::Compressed),
        ] {
            let tpdu = octets(&format!("04 0B 91 3316325476F8 {pid} {dcs} 52503121436500 04 F4F29C0E"));
            let read = message(&tpdu, Direction::Deliver);
            assert_eq!((text(&read.data), read.data.kind), (None, kind), "{pid} {dcs}");
        }
        // SIM data download without class 2 is a message that says so of itself and is none.
        let tpdu = octets("04 0B 91 3316325476F8 7F 00 52503121436500 04 F4F29C0E");
        assert_eq!(text(&message(&tpdu, Direction::Deliver).data).as_deref(), Some("test"));
    }

    #[test]
    fn p49_ports_name_the_program() {
        for (header, kind) in [
            (&b"\x06\x05\x04\x0b\x84\x23\xf0"[..], Kind::WapPush),
            (b"\x06\x05\x04\x23\xf4\x00\x00", Kind::Card),
            (b"\x04\x04\x02\xe2\x00", Kind::Card),
            (b"\x06\x05\x04\x15\x81\x00\x00", Kind::Application),
        ] {
            let octets = [header, b"text"].concat();
            let data = unpacked_user_data(&octets, true, 0, Coding::of(0), None);
            assert_eq!((text(&data), data.kind), (None, kind));
        }
        // The trade's own example of an M-Notification.ind: WSP push, then the content type as a number or in words.
        for push in [
            &b"\x01\x06\x03\xbe\xaf\x84\x8c\x82"[..],
            b"\x01\x06\x22application/vnd.wap.mms-message\0\xaf\x84\x8c\x82",
            b"\x01\x06\x04\x02\xbe\x81\xea\x8c\x82",
        ] {
            assert_eq!(Kind::WapPush.looked_into(push), Kind::MmsNotification);
            assert_eq!(Kind::Binary.looked_into(push), Kind::Binary);
        }
        assert_eq!(Kind::WapPush.looked_into(b"\x01\x06\x01\xae\x02\x05"), Kind::WapPush);
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, header: bool) {
            if let Some(Rp::Data(direction, tpdu)) = relay(&octets) {
                let _ = transfer(tpdu, direction);
            }
            for direction in [Direction::Submit, Direction::Deliver] {
                if let Some(Transfer::Message(read)) = transfer(&octets, direction) {
                    let _ = (read.address.text(), text(&read.data));
                }
            }
            let _ = text(&unpacked_user_data(&octets, header, 0, Coding::of(8), None));
            let _ = Kind::WapPush.looked_into(&octets);
        }
    }
}
