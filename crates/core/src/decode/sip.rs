//! SIP messages (RFC 3261), read in one pass and without a copy.
//!
//! A tap must read what the endpoints accept, not only what the grammar allows: compact and folded headers, bare line
//! feeds, binary bodies and a wrong Content-Length are all read as far as they make sense.

mod address;
mod body;
mod frame;
pub(crate) mod more;
pub(crate) mod passport;

use std::borrow::Cow;

use memchr::memchr;
use smallvec::SmallVec;

use super::mime;
use crate::product::Role;
pub(crate) use frame::{MAX_HEADERS, MAX_MESSAGE, frame, length};

/// Longest start line that is taken for one. RFC 3261 sets no limit; real ones stay below 300 octets, the longest of
/// the RFC 4475 torture messages below 700, and a stream of anything else must be given up some time.
pub(crate) const MAX_START_LINE: usize = 8 * 1024;

/// Most identity headers kept of one message. RFC 3325 allows two P-Asserted-Identity values, a chain of diversions
/// seldom passes five; beyond this the message says so in [`Message::identities_dropped`].
const MAX_IDENTITY_HEADERS: usize = 64;

/// A request method. The registry is open: what we don't act upon is [`Method::Other`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Method {
    /// RFC 3261.
    Invite,
    /// RFC 3261.
    Ack,
    /// RFC 3261.
    Bye,
    /// RFC 3261.
    Cancel,
    /// RFC 3261.
    Register,
    /// RFC 3261.
    Options,
    /// RFC 3262: acknowledges a provisional response and may carry an offer or answer.
    Prack,
    /// RFC 3311: changes the session before or after the answer.
    Update,
    /// RFC 3428: a text message.
    Message,
    /// RFC 6086.
    Info,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3515.
    Refer,
    /// RFC 3903.
    Publish,
    /// Any other.
    Other,
}

impl Method {
    /// Methods are case-sensitive (RFC 3261, 7.1).
    fn parse(token: &[u8]) -> Self {
        match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"PRACK" => Self::Prack,
            b"UPDATE" => Self::Update,
            b"MESSAGE" => Self::Message,
            b"INFO" => Self::Info,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"REFER" => Self::Refer,
            b"PUBLISH" => Self::Publish,
            _ => Self::Other,
        }
    }
}

/// The first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start<'a> {
    /// Method and Request-URI.
    Request { method: Method, uri: &'a [u8] },
    /// Status code, 100 to 699, and reason phrase.
    Response { status: u16, reason: &'a [u8] },
}

/// The value of `CSeq` (RFC 3261, 20.16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CSeq {
    pub(crate) number: u32,
    /// In a response, the method of the request that it answers.
    pub(crate) method: Method,
}

/// One SIP message, borrowed.
#[expect(clippy::struct_excessive_bools, reason = "each says a thing of its own")]
pub(crate) struct Message<'a> {
    pub(crate) start: Start<'a>,
    /// Never empty.
    pub(crate) call_id: &'a [u8],
    pub(crate) cseq: CSeq,
    /// The message alone, without what a datagram holds behind it.
    pub(crate) octets: &'a [u8],
    /// Tag of From; empty when there is none.
    pub(crate) from_tag: &'a [u8],
    /// Tag of To; empty before a dialog.
    pub(crate) to_tag: &'a [u8],
    seen_from: bool,
    seen_to: bool,
    /// `branch` of the topmost Via, which names the transaction (RFC 3261, 17.1.3). Empty when there is none.
    via: &'a [u8],
    /// First Contact (RFC 3261, 20.10), as written. Empty when there is none.
    pub(crate) contact: &'a [u8],
    /// Some header is one that [`Message::more`] reads.
    pub(crate) telling: bool,
    /// The header lines from the first such on; empty when there is none.
    telling_lines: &'a [u8],
    /// As written, with parameters. Empty when there is none.
    pub(crate) content_type: &'a [u8],
    /// As written. Empty when there is none.
    pub(crate) content_encoding: &'a [u8],
    /// Of MIME, not of SIP; senders of short messages use it all the same.
    pub(crate) transfer_encoding: &'a [u8],
    /// As far as it is there, cut at Content-Length.
    pub(crate) body: &'a [u8],
    /// Some identity headers were left out: more than [`MAX_IDENTITY_HEADERS`].
    pub(crate) identities_dropped: bool,
    /// Header values that hold identities, in order.
    identities: SmallVec<[(Role, &'a [u8]); 6]>,
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("cseq", &self.cseq).finish_non_exhaustive()
    }
}

/// Whether the first octet may be that of a SIP message: RTP, STUN and TLS, and most DNS, begin with one that begins no
/// token.
#[inline]
pub(crate) fn begins_like_sip(octets: &[u8]) -> bool {
    octets.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'\r' | b'\n'))
}

/// Whether a datagram or the head of a stream is a SIP message. Looks at one octet of most other traffic.
pub(crate) fn looks_like_sip(octets: &[u8]) -> bool {
    begins_like_sip(octets) && start_line(skip_line_ends(octets)).is_some()
}

/// RFC 3261, 7.5: line ends before the start line are ignored (they are also keep-alives, RFC 5626, 3.5.1).
fn skip_line_ends(octets: &[u8]) -> &[u8] {
    let n = octets.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    octets.get(n..).unwrap_or_default()
}

/// Reads the start line, and gives what follows it.
fn start_line(octets: &[u8]) -> Option<(Start<'_>, &[u8])> {
    let end = memchr(b'\n', octets.get(..MAX_START_LINE).unwrap_or(octets))?;
    let (line, rest) = (trim_end(octets.get(..end)?), octets.get(end + 1..)?);
    if let Some((version, rest_of_line)) = line.split_at_checked(8)
        && is_version(version, *b"SIP/2.0 ")
    {
        let digits = rest_of_line.get(..3)?;
        let reason = match rest_of_line.get(3..)? {
            [] => &[][..],
            [b' ', reason @ ..] => reason,
            _ => return None,
        };
        let status = number(digits)?;
        return (100..=699)
            .contains(&status)
            .then_some((Start::Response { status: u16::try_from(status).ok()?, reason }, rest));
    }
    let (request, version) = line.split_at_checked(line.len().checked_sub(8)?)?;
    if !is_version(version, *b" SIP/2.0") {
        return None;
    }
    // No method is long enough for a vector search to pay.
    let space = request.iter().position(|b| *b == b' ')?;
    let (token, uri) = (request.get(..space)?, trim(request.get(space..)?));
    let method = Method::parse(token);
    if uri.is_empty() || (method == Method::Other && !token.iter().copied().all(is_token)) {
        return None;
    }
    Some((Start::Request { method, uri }, rest))
}

/// The version is compared without case (RFC 3261, 7.1), but hardly anybody writes it in small letters.
#[inline]
fn is_version(octets: &[u8], version: [u8; 8]) -> bool {
    *octets == version || octets.eq_ignore_ascii_case(&version)
}

/// `token` of RFC 3261, 25.1.
#[inline]
fn is_token(octet: u8) -> bool {
    /// Looked up, as each message asks for some dozens.
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut octet: u8 = 0;
        while octet < 128 {
            table[octet as usize] = octet.is_ascii_alphanumeric()
                || matches!(octet, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
            octet += 1;
        }
        table
    };
    TOKEN[usize::from(octet)]
}

/// White space, including the line ends of a folded value.
const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

#[inline]
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

#[inline]
fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_space(*first)
    {
        value = rest;
    }
    value
}

#[inline]
fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., last] = value
        && is_space(*last)
    {
        value = rest;
    }
    value
}

/// A decimal number of digits alone that fits.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |n, b| {
        b.is_ascii_digit().then_some(())?;
        n.checked_mul(10)?.checked_add(u32::from(b - b'0'))
    })
}

/// The headers that we read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Header {
    CallId,
    CSeq,
    Via,
    ContentType,
    ContentEncoding,
    TransferEncoding,
    ContentLength,
    Contact,
    Identity(Role),
    /// One of those that [`Message::more`] reads: a second pass is worth its while.
    Telling,
    /// Session-Expires (RFC 4028), which counts in the answer: nearly every request asks for it.
    Timer,
}

impl Header {
    /// Takes a header line apart; `None` for headers that we don't read.
    #[inline]
    fn of_line(line: &[u8]) -> Option<(Self, &[u8])> {
        // Most lines are told by the spelling of RFC 3261 itself, without looking for the colon.
        let told = match line.first()? {
            b'V' => line.strip_prefix(b"Via:").map(|value| (Self::Via, value)),
            b'F' => line.strip_prefix(b"From:").map(|value| (Self::Identity(Role::From), value)),
            b'T' => line.strip_prefix(b"To:").map(|value| (Self::Identity(Role::To), value)),
            b'C' => match line.get(1)? {
                b'a' => line.strip_prefix(b"Call-ID:").map(|value| (Self::CallId, value)),
                b'S' => line.strip_prefix(b"CSeq:").map(|value| (Self::CSeq, value)),
                b'o' => line
                    .strip_prefix(b"Contact:")
                    .map(|value| (Self::Contact, value))
                    .or_else(|| {
                        line.strip_prefix(b"Content-Length:").map(|value| (Self::ContentLength, value))
                    })
                    .or_else(|| line.strip_prefix(b"Content-Type:").map(|value| (Self::ContentType, value))),
                _ => None,
            },
            b'P' => line
                .strip_prefix(b"P-Asserted-Identity:")
                .map(|value| (Self::Identity(Role::PAssertedIdentity), value)),
            // Allow, Max-Forwards, Supported, User-Agent: no header that we read begins like them.
            b'A' if !matches!(line.get(1), Some(b'u' | b'U')) => return None,
            b'M' if line.get(1) == Some(&b'a') => return None,
            b'S' if !matches!(line.get(1), Some(b'e' | b'E')) => return None,
            b'U' => return None,
            _ => None,
        };
        if told.is_some() {
            return told;
        }
        let colon = memchr(b':', line)?;
        let (name, value) = line.split_at(colon);
        Some((Self::of(trim_end(name))?, value.get(1..)?))
    }

    /// By full or compact name (RFC 3261, 7.3.3). The compact names that others have registered since (a, b, d, j, k,
    /// n, o, r, s, u, x, y) all stand for headers that we don't read, so they fall through.
    #[inline]
    fn of(name: &[u8]) -> Option<Self> {
        let is = |full: &[u8]| name.eq_ignore_ascii_case(full);
        let short = name.len() == 1;
        Some(match name.first()? | 0x20 {
            b'c' if short || is(b"Content-Type") => Self::ContentType,
            b'c' if is(b"Call-ID") => Self::CallId,
            b'c' if is(b"CSeq") => Self::CSeq,
            b'c' if is(b"Content-Length") => Self::ContentLength,
            b'c' if is(b"Content-Encoding") => Self::ContentEncoding,
            b'c' if is(b"Content-Transfer-Encoding") => Self::TransferEncoding,
            b'c' if is(b"Contact") => Self::Contact,
            b'm' if short => Self::Contact,
            b'd' if is(b"Diversion") => Self::Identity(Role::Diversion),
            b'e' if short => Self::ContentEncoding,
            b'f' if short || is(b"From") => Self::Identity(Role::From),
            b'h' if is(b"History-Info") => Self::Identity(Role::HistoryInfo),
            b'i' if short => Self::CallId,
            b'l' if short => Self::ContentLength,
            b'p' if is(b"P-Asserted-Identity") => Self::Identity(Role::PAssertedIdentity),
            b'p' if is(b"P-Preferred-Identity") => Self::Identity(Role::PPreferredIdentity),
            b'r' if is(b"Remote-Party-ID") => Self::Identity(Role::RemotePartyId),
            b't' if short || is(b"To") => Self::Identity(Role::To),
            b'v' if short || is(b"Via") => Self::Via,
            b'x' if short => Self::Timer,
            b's' if is(b"Session-Expires") => Self::Timer,
            _ => return more::Name::of(name, None).map(|_| Self::Telling),
        })
    }
}

/// Gives each header that we read, with its value and the lines from it on, to `each`. Returns as [`header_lines`] does.
fn headers<'a>(octets: &'a [u8], mut each: impl FnMut(Header, &'a [u8], &'a [u8])) -> Option<&'a [u8]> {
    header_lines(octets, |line, lines| {
        if let Some((header, value)) = Header::of_line(line) {
            each(header, trim(value), lines);
        }
    })
}

/// Walks over header lines; folded lines come as one, each with the lines from it on. Returns what follows the empty
/// line, or `None` when the headers don't end.
#[inline]
fn header_lines<'a>(octets: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) -> Option<&'a [u8]> {
    let mut rest = octets;
    loop {
        let mut end = memchr(b'\n', rest).unwrap_or(rest.len());
        match rest.get(..end)? {
            [] | [b'\r'] => return rest.get(end + 1..),
            _ => {}
        }
        // RFC 3261, 7.3.1: a line that begins with white space goes on with the one before.
        while let Some(b' ' | b'\t') = rest.get(end + 1) {
            end = memchr(b'\n', rest.get(end + 1..)?).map_or(rest.len(), |n| end + 1 + n);
        }
        each(rest.get(..end)?, rest);
        rest = rest.get(end + 1..)?;
    }
}

impl<'a> Message<'a> {
    /// Reads one message: a datagram, or what [`frame`] cut out of a stream. `None` when there is no start line or no
    /// Call-ID: without it, nothing tells which call it belongs to.
    pub(crate) fn parse(octets: &'a [u8]) -> Option<Self> {
        let (start, rest) = start_line(skip_line_ends(octets))?;
        let method = match start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => Method::Other,
        };
        let mut message = Self {
            start,
            call_id: b"",
            cseq: CSeq { number: 0, method },
            octets,
            from_tag: b"",
            to_tag: b"",
            seen_from: false,
            seen_to: false,
            via: b"",
            contact: b"",
            telling: false,
            telling_lines: b"",
            content_type: b"",
            content_encoding: b"",
            transfer_encoding: b"",
            body: b"",
            identities_dropped: false,
            identities: SmallVec::new(),
        };
        let mut length = None;
        // Headers that don't end (a datagram cut by the snapshot length) are read as far as they go.
        let body = headers(rest, |header, value, lines| message.header(header, value, lines, &mut length))
            .unwrap_or_default();
        // RFC 3261, 18.3: over UDP the body ends with the datagram; a length beyond it is an error of the sender
        // that we forgive.
        message.body = length.and_then(|n| body.get(..n as usize)).unwrap_or(body);
        let behind = body.get(message.body.len()..).unwrap_or_default();
        // Line ends there are a keep-alive's or a careless sender's.
        if !trim(behind).is_empty() {
            message.octets = octets.get(..octets.len() - behind.len()).unwrap_or(octets);
        }
        (!message.call_id.is_empty()).then_some(message)
    }

    #[inline]
    fn header(&mut self, header: Header, value: &'a [u8], lines: &'a [u8], length: &mut Option<u32>) {
        match header {
            Header::CallId if self.call_id.is_empty() => self.call_id = value,
            Header::CSeq => {
                let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
                let (digits, method) = value.split_at_checked(digits).unwrap_or_default();
                self.cseq.number = number(digits).unwrap_or(0);
                // The method of a request is the one in its first line, whatever CSeq says.
                if matches!(self.start, Start::Response { .. }) {
                    self.cseq.method = Method::parse(trim(method));
                }
            }
            Header::Via if self.via.is_empty() => self.via = value,
            Header::ContentType => self.content_type = value,
            Header::ContentEncoding => self.content_encoding = value,
            Header::TransferEncoding => self.transfer_encoding = value,
            Header::ContentLength => *length = number(value),
            Header::Contact if self.contact.is_empty() => self.contact = value,
            Header::Telling => self.tells(true, lines),
            Header::Timer => self.tells(matches!(self.start, Start::Response { .. }), lines),
            Header::Identity(role) => {
                match role {
                    Role::From if !self.seen_from => {
                        (self.seen_from, self.from_tag) = (true, address::tag(value));
                    }
                    Role::To if !self.seen_to => (self.seen_to, self.to_tag) = (true, address::tag(value)),
                    _ => {}
                }
                if matches!(role, Role::Diversion | Role::HistoryInfo) {
                    self.tells(true, lines);
                }
                if self.identities.len() < MAX_IDENTITY_HEADERS {
                    self.identities.push((role, value));
                } else {
                    self.identities_dropped = true;
                }
            }
            Header::CallId | Header::Via | Header::Contact => {}
        }
    }

    /// Notes a header that [`Message::more`] reads; `worth` a second pass by itself or not.
    fn tells(&mut self, worth: bool, lines: &'a [u8]) {
        self.telling |= worth;
        if self.telling_lines.is_empty() {
            self.telling_lines = lines;
        }
    }

    /// Whether its body may hold digits dialled within the call: INFO, unless its type says that it holds something else,
    /// and key press reports (RFC 4730). What a sender calls its digits is its own choice, so the types are those that
    /// are known to be something else.
    pub(crate) fn may_hold_digits(&self) -> bool {
        let kpml = self.cseq.method == Method::Notify && {
            let kind: &[u8] = b"application/kpml-response";
            self.content_type.windows(kind.len()).any(|w| w.eq_ignore_ascii_case(kind))
        };
        let info = self.cseq.method == Method::Info
            && !is_type(self.content_type, b"application/media_control+xml")
            && !is_type(self.content_type, b"application/sdp");
        !self.body.is_empty() && (info || kpml)
    }

    /// Method of a request, or of the request that a response answers.
    pub(crate) const fn method(&self) -> Method {
        self.cseq.method
    }

    /// Status of a response; `None` for a request.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self.start {
            Start::Response { status, .. } => Some(status),
            Start::Request { .. } => None,
        }
    }

    /// Whether it holds identities besides From, To and Request-URI.
    pub(crate) fn has_asserted_identity(&self) -> bool {
        self.identities.iter().any(|(role, _)| !matches!(role, Role::From | Role::To))
    }

    /// Values that the network may have vouched for: From and P-Asserted-Identity (RFC 8224; TS 24.229, 7.2A.20).
    pub(crate) fn vouched(&self) -> impl Iterator<Item = &'a [u8]> {
        let vouched = |role| matches!(role, Role::From | Role::PAssertedIdentity);
        self.identities.iter().filter(move |(role, _)| vouched(*role)).map(|(_, value)| *value)
    }

    /// Branch of the top Via (RFC 3261, 8.1.1.7): it names the transaction. Looked up when asked for, as most messages
    /// of a call never need it.
    pub(crate) fn branch(&self) -> &'a [u8] {
        address::parameter(self.via, b"branch")
    }

    /// Gives every identity with where it stood: the bare addr-spec, with its URI parameters.
    pub(crate) fn parties(&self, emit: &mut dyn FnMut(Role, &str)) {
        self.addresses(|role, uri| emit(role, &text(uri)));
    }

    /// [`Message::parties`], as written: for those who may know them already.
    pub(crate) fn addresses(&self, mut emit: impl FnMut(Role, &[u8])) {
        let mut emit = |role, uri: &[u8]| {
            if !uri.is_empty() {
                emit(role, &address::without_post_dial(uri));
            }
        };
        if let Start::Request { uri, .. } = self.start {
            emit(Role::RequestUri, uri);
        }
        for (role, value) in &self.identities {
            match role {
                // One value each, in which a comma may stand in the user part.
                Role::From | Role::To => emit(*role, address::addr_spec(value)),
                _ => address::each(value, |uri| emit(*role, uri)),
            }
        }
    }

    /// Gives each body with its content type: the body itself, or the parts of a multipart body, content and transfer
    /// encodings undone. False when one of them could not be.
    pub(crate) fn bodies(&self, mut emit: impl FnMut(&[u8], &[u8])) -> bool {
        if self.body.is_empty() {
            return true;
        }
        // Nearly every body is one and plain.
        let encoded = !self.content_encoding.is_empty() || !self.transfer_encoding.is_empty();
        if !encoded && !body::is_multipart(self.content_type) {
            emit(self.content_type, self.body);
            return true;
        }
        let Some(whole) = mime::content(self.content_encoding, self.body) else { return false };
        let mut is_whole = true;
        body::parts(self.leaf(&whole), &mut |leaf| {
            let octets = mime::transfer(leaf.transfer_encoding, leaf.octets);
            match mime::content(leaf.content_encoding, &octets) {
                Some(octets) => emit(leaf.content_type, &octets),
                None => is_whole = false,
            }
        });
        is_whole
    }

    fn leaf<'b>(&self, octets: &'b [u8]) -> body::Leaf<'b>
    where
        'a: 'b,
    {
        body::Leaf {
            content_type: self.content_type,
            transfer_encoding: self.transfer_encoding,
            content_encoding: b"",
            octets,
        }
    }
}

/// Header text as text. What isn't UTF-8 is read as Latin-1, so that two different values stay different.
pub(crate) fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().map(|b| char::from(*b)).collect()),
    }
}

/// The media type without parameters is `wanted`, in any case.
#[inline]
pub(crate) fn is_type(content_type: &[u8], wanted: &[u8]) -> bool {
    let Some((kind, behind)) = trim_start(content_type).split_at_checked(wanted.len()) else {
        return false;
    };
    kind.eq_ignore_ascii_case(wanted) && matches!(trim_start(behind), [] | [b';', ..])
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;
