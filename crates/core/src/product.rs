//! What a match releases: facts (IRI), content (CC), call records. Each constructor takes a [`Match`], and only the
//! matcher makes one. The first copy of a packet's octets that this program makes is the one in [`Cc::new`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::matching::Match;
use crate::packet::{Endpoint, LinkType, Seen, Time};
use crate::redact::Pii;

mod course;
mod media;
mod recorded;

pub use course::*;
pub use media::{Attribution, Format, Packing, Protection, Quality};
pub use recorded::{CallerBy, Recorded, RecordedParticipant, RecordedSession};

/// Index of an admitted task within its point, in order of admission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(pub u32);

/// Communication identity number: numbers the sessions under one LIID and joins IRI to CC (TS 102 232-1, 5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cin(pub u32);

/// Lawful interception identifier: at most 25 octets; says nothing of the target (TS 102 232-1, 5.2.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Liid(pub Arc<str>);

/// IRI record type (TS 102 232-1, `IRIType`: begin 1, end 2, continue 3, report 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IriType {
    /// First record of a session.
    Begin = 1,
    /// Last record of a session.
    End = 2,
    /// A record between the two.
    Continue = 3,
    /// A record of something that is no session.
    Report = 4,
}

/// Where in the signalling an identity stood. Each is kept with where it came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// From (RFC 3261, 20.20): what the caller says of itself.
    From,
    /// To (RFC 3261, 20.39).
    To,
    /// Request-URI (RFC 3261, 8.1.1.1): whom the network is asked to reach.
    RequestUri,
    /// P-Asserted-Identity (RFC 3325): what the network vouches for.
    PAssertedIdentity,
    /// P-Preferred-Identity (RFC 3325).
    PPreferredIdentity,
    /// Remote-Party-ID (expired draft, still on the wire).
    RemotePartyId,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
    /// Originating address of a short message (TP-OA, SMPP `source_addr`).
    Originator,
    /// Destination address of a short message (TP-DA, SMPP `destination_addr`).
    Recipient,
    /// IMSI of an access session (GTP, Diameter, 3GPP's RADIUS attributes).
    Imsi,
    /// Number of an access session: MSISDN, Calling-Station-Id.
    Msisdn,
    /// User name of an access session: RADIUS or Diameter User-Name, Subscription-Id of type NAI.
    Nai,
    /// Hardware address (DHCP chaddr, Calling-Station-Id).
    MacAddress,
    /// DHCP client identifier or DUID, in hexadecimal.
    ClientIdentifier,
    /// Line of an access network: Agent Circuit ID, Interface-Id, in hexadecimal.
    CircuitId,
    /// Agent Remote ID, in hexadecimal.
    RemoteId,
    /// SIP URI of an access session (Diameter Subscription-Id of type SIP URI).
    SipUri,
    /// The address of a packet, which the network had given to the target.
    FramedAddress,
    /// Calling party number of ISUP (Q.763, 3.10).
    CallingParty,
    /// Called party number of ISUP (Q.763, 3.9), with the digits of later messages.
    CalledParty,
    /// Original called number of ISUP (Q.763, 3.39): whom the call was for before its first diversion.
    OriginalCalled,
    /// Redirecting number of ISUP (Q.763, 3.44): who diverted last.
    Redirecting,
    /// Redirection number of ISUP (Q.763, 3.46): to whom the call is diverted.
    Redirection,
    /// Connected number of ISUP (Q.763, 3.16): who answered.
    Connected,
    /// Generic number of ISUP (Q.763, 3.26): an additional calling, called or connected number.
    GenericNumber,
    /// P-Called-Party-ID (RFC 7315, 4.2): the public identity that the request was for.
    PCalledPartyId,
    /// P-Served-User (RFC 5502): for whom the network serves the call.
    PServedUser,
    /// Contact (RFC 3261, 20.10): where the sender wants to be reached.
    Contact,
    /// User name of an Authorization or Proxy-Authorization (RFC 7616), with its realm: whom the network authenticates.
    AuthUser,
    /// Reverse-path of a mail (RFC 5321 4.1.1.2, MAIL FROM).
    MailFrom,
    /// Forward-path of a mail (RFC 5321 4.1.1.3, RCPT TO), accepted by the server as far as was seen.
    RcptTo,
    /// Who is logged in at a mail server (SMTP AUTH, IMAP LOGIN and AUTHENTICATE, POP3 USER and APOP).
    Login,
    /// From or Sender of a mail (RFC 5322 3.6.2): what the sender says of itself.
    HeaderFrom,
    /// To of a mail (RFC 5322 3.6.3).
    HeaderTo,
    /// Cc or Bcc of a mail (RFC 5322 3.6.3).
    HeaderCc,
    /// Address of record of somebody in a call that a controller records (RFC 7865, 6.5): what the controller was told.
    Participant,
}

impl Role {
    /// The side of a call that a number of ISUP stands for; `None` for those who aren't in the call, and for other roles.
    pub(crate) const fn isup_side(self) -> Option<Side> {
        match self {
            Self::CallingParty => Some(Side::Caller),
            Self::CalledParty | Self::Connected => Some(Side::Callee),
            _ => None,
        }
    }

    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::RequestUri => "request_uri",
            Self::PAssertedIdentity => "p_asserted_identity",
            Self::PPreferredIdentity => "p_preferred_identity",
            Self::RemotePartyId => "remote_party_id",
            Self::Diversion => "diversion",
            Self::HistoryInfo => "history_info",
            Self::Originator => "originator",
            Self::Recipient => "recipient",
            Self::Imsi => "imsi",
            Self::Msisdn => "msisdn",
            Self::Nai => "nai",
            Self::MacAddress => "mac_address",
            Self::ClientIdentifier => "client_identifier",
            Self::CircuitId => "circuit_id",
            Self::RemoteId => "remote_id",
            Self::SipUri => "sip_uri",
            Self::FramedAddress => "framed_address",
            Self::CallingParty => "calling_party",
            Self::CalledParty => "called_party",
            Self::OriginalCalled => "original_called",
            Self::Redirecting => "redirecting",
            Self::Redirection => "redirection",
            Self::Connected => "connected",
            Self::GenericNumber => "generic_number",
            Self::MailFrom => "mail_from",
            Self::RcptTo => "rcpt_to",
            Self::Login => "login",
            Self::HeaderFrom => "header_from",
            Self::HeaderTo => "header_to",
            Self::HeaderCc => "header_cc",
            Self::PCalledPartyId => "p_called_party_id",
            Self::PServedUser => "p_served_user",
            Self::Contact => "contact",
            Self::AuthUser => "auth_user",
            Self::Participant => "participant",
        }
    }

    /// Who vouches for what stands there. A user name in a request is its sender's claim until the network has accepted
    /// it.
    pub const fn trust(self) -> Trust {
        match self {
            Self::PAssertedIdentity
            | Self::PCalledPartyId
            | Self::PServedUser
            | Self::RequestUri
            | Self::Diversion
            | Self::HistoryInfo
            | Self::CallingParty
            | Self::CalledParty
            | Self::OriginalCalled
            | Self::Redirecting
            | Self::Redirection
            | Self::Connected
            | Self::Imsi
            | Self::Msisdn
            | Self::CircuitId
            | Self::RemoteId
            | Self::SipUri
            | Self::FramedAddress => Trust::Network,
            Self::From
            | Self::To
            | Self::PPreferredIdentity
            | Self::RemotePartyId
            | Self::Originator
            | Self::Recipient
            | Self::Contact
            | Self::AuthUser
            | Self::Participant
            | Self::MailFrom
            | Self::RcptTo
            | Self::Login
            | Self::HeaderFrom
            | Self::HeaderTo
            | Self::HeaderCc
            | Self::Nai
            // A device may call itself what it likes (RFC 7844 asks it to).
            | Self::MacAddress
            | Self::ClientIdentifier
            // Often what a telephone behind an exchange says of itself (Q.731.3).
            | Self::GenericNumber => Trust::User,
        }
    }
}

/// An identity and where it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Where it stood.
    pub role: Role,
    /// The URI or address as written, without display name, brackets and header parameters.
    pub uri: Pii<Box<str>>,
}

/// The kind of session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// A call.
    Call,
    /// A text message.
    Message,
    /// A conversation of two transport addresses.
    Flow,
    /// A subscriber holds an address (TS 102 232-3, internet access).
    Access,
    /// A mail, or a login at a mail server.
    Mail,
}

impl Service {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Message => "message",
            Self::Flow => "flow",
            Self::Access => "access",
            Self::Mail => "mail",
        }
    }
}

/// Why a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndReason {
    /// BYE.
    Bye,
    /// CANCEL before an answer.
    Cancel,
    /// A final failure response.
    Failure,
    /// No sign of life for too long: the BYE was lost. The true end is not known.
    Timeout,
    /// The source ended first.
    SourceEnded,
    /// The call table was full.
    Evicted,
    /// The call went on; the authority to follow it was over, by its window or its ceiling.
    AuthorityEnded,
    /// The call went on without the target, who has transferred it: the authority doesn't reach those who are left.
    TargetLeft,
    /// The address went back to the network.
    Released,
}

impl EndReason {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bye => "bye",
            Self::Cancel => "cancel",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::SourceEnded => "source_ended",
            Self::Evicted => "evicted",
            Self::AuthorityEnded => "authority_ended",
            Self::TargetLeft => "target_left",
            Self::Released => "released",
        }
    }
}

/// Facts about a session that an IRI record may carry. Absent facts are `None`: unknown is not the same as empty.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// What happened, in one word: `invite`, `ringing`, `answer`, `media`, `end`, `message`, `receipt`, `name`, `flow_end`,
    /// `login`, `mail`, `mail_end`.
    pub event: &'static str,
    /// Identities with where they stood.
    pub parties: Vec<Party>,
    /// SIP Call-ID.
    pub call_id: Option<Pii<Box<str>>>,
    /// Signalling or flow addresses: sender and receiver of the packet that caused the record.
    pub src: Option<Pii<Endpoint>>,
    /// See `src`.
    pub dst: Option<Pii<Endpoint>>,
    /// `UDP` or `TCP`.
    pub transport: Option<&'static str>,
    /// SIP status of the last response that mattered.
    pub status: Option<u16>,
    /// First INVITE, first message part, or first packet of the flow.
    pub start: Option<Time>,
    /// First 180 or 183.
    pub ringing: Option<Time>,
    /// First 2xx to INVITE.
    pub answer: Option<Time>,
    /// End as signalled; `None` when it was not seen.
    pub end: Option<Time>,
    /// Why a call ended.
    pub end_reason: Option<EndReason>,
    /// How a name or text was carried: `dns`, `dns-cname` and `dns-svcb` (what the name asked for leads to), `tls`, `dtls`,
    /// `quic`, `gquic`, `http`, `http2`, `http-connect`; `tls-ech` and `quic-ech` where the name may be the outer one and
    /// the inner one is unknown (RFC 9849); `sip`, `ims`, `smpp`.
    pub via: Option<&'static str>,
    /// The host name, as seen, lower case, A-labels.
    pub name: Option<Pii<Box<str>>>,
    /// The address or prefix that the network gave to the subscriber.
    pub address: Option<Pii<Box<str>>>,
    /// Packets of the flow, both directions.
    pub packets: Option<u64>,
    /// Octets of the flow on the IP layer, both directions.
    pub octets: Option<u64>,
    /// What a message is: `text`, `binary`, `compressed`, `silent`, `sim`, `wap_push`, `mms_notification`, `card`,
    /// `application`. Only `text` has content.
    pub kind: Option<&'static str>,
    /// What a receipt says became of the message: `delivered`, `expired`, `rejected`, …
    pub state: Option<&'static str>,
    /// Parts of a long message.
    pub parts: Option<u8>,
    /// Whether parts are missing.
    pub partial: bool,
    /// How the call came about and went; `None` for a call of which nothing is to be told but the above.
    pub course: Option<Box<Course>>,
    /// Message-ID of a mail (RFC 5322 3.6.4), with its brackets.
    pub message_id: Option<Pii<Box<str>>>,
}

/// Intercept-related information: facts of a selected session.
#[derive(Clone, Debug)]
pub struct Iri {
    /// Whose task.
    pub task: TaskId,
    /// The task's label.
    pub liid: Liid,
    /// The session.
    pub cin: Cin,
    /// Number of this record within the LIID's IRI, from 0 without gaps.
    pub sequence: u32,
    /// Begin, continue, end or report.
    pub iri_type: IriType,
    /// When it happened.
    pub ts: Time,
    /// Kind of session.
    pub service: Service,
    /// Which header or field held the target; `None` under a screening warrant.
    pub matched: Option<Role>,
    /// Index of the target in the warrant; `None` under a screening warrant.
    pub target: Option<u16>,
    /// Index of the criterion that was met, if the task has any.
    pub criterion: Option<u16>,
    /// Whether the criterion was met by the text as sent, only once it was normalised, or only by what it looks like:
    /// `raw`, `normalised` or `skeleton`.
    pub form: Option<&'static str>,
    /// The facts.
    pub facts: Facts,
}

impl Iri {
    /// Facts leave the core only under a match.
    pub(crate) fn new(
        found: &Match,
        iri_type: IriType,
        ts: Time,
        service: Service,
        sequence: u32,
        facts: Facts,
    ) -> Self {
        Self {
            task: found.task(),
            liid: found.liid().clone(),
            cin: found.cin(),
            sequence,
            iri_type,
            ts,
            service,
            matched: found.role(),
            target: found.target(),
            criterion: found.criterion(),
            form: found.form(),
            facts,
        }
    }
}

/// Which side of a call sent something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The side that sent the first INVITE. Left channel.
    Caller,
    /// The other side. Right channel.
    Callee,
}

impl Side {
    /// The side that isn't this one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// Encoding of a media packet, as SDP's rtpmap or RFC 3551's table of static payload types gives it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Comfort noise (RFC 3389): silence, not loss.
    ComfortNoise,
    /// DTMF digits and tones (RFC 4733).
    TelephoneEvent,
    /// Anything else, by its rtpmap name in upper case; kept as it came.
    Other(Arc<str>),
    /// A payload type that neither SDP nor RFC 3551 explains.
    Unknown,
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcmu => "Pcmu",
            Self::Pcma => "Pcma",
            Self::ComfortNoise => "ComfortNoise",
            Self::TelephoneEvent => "TelephoneEvent",
            // An rtpmap name is text from the wire, and could spell an identity.
            Self::Other(_) => "Other(redacted)",
            Self::Unknown => "Unknown",
        })
    }
}

/// What the recorder needs to know of one RTP packet, so that it parses nothing again.
#[derive(Clone, Debug)]
pub struct Audio {
    /// Who sent it.
    pub side: Side,
    /// Index of the stream within the call: one sender address, one receiver address, one SSRC.
    pub stream: u16,
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP sequence number as sent (16 bits).
    pub sequence: u16,
    /// RTP timestamp as sent.
    pub timestamp: u32,
    /// RTP clock, Hz (8000 when unknown).
    pub clock: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Encoding.
    pub encoding: Encoding,
    /// What else the session description says of the encoding.
    pub format: Format,
    /// Whether it is protected.
    pub protection: Protection,
    /// Where the payload stands in [`Cc::octets`]: offset and length.
    pub payload: (u32, u32),
    /// The payload as it was before protection, when `protection` says that it could be read.
    pub clear: Option<Pii<Vec<u8>>>,
}

/// What carried a signalling message of a circuit, and so how its octets begin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Carrier {
    /// MTP level 3 on a link (Q.704).
    Mtp3,
    /// RFC 3331.
    M2ua,
    /// RFC 4666.
    M3ua,
    /// RFC 4165.
    M2pa,
}

impl Carrier {
    /// Stable name: Wireshark's for its dissector.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mtp3 => "mtp3",
            Self::M2ua => "m2ua",
            Self::M3ua => "m3ua",
            Self::M2pa => "m2pa",
        }
    }
}

/// What a piece of content is.
#[derive(Clone, Debug)]
pub enum CcKind {
    /// A signalling message of a call.
    Signal,
    /// A signalling message of a call on a circuit.
    Circuit(Carrier),
    /// An RTP packet.
    Rtp(Audio),
    /// An RTCP packet.
    Rtcp,
    /// A datagram of fax over UDPTL (T.38).
    Fax,
    /// A text message: `octets` is its text in UTF-8.
    Text,
    /// An IP packet of an access session, without its link layer and without the tunnel that it came in.
    Packet,
    /// A mail: `octets` is the message (RFC 5322) as the receiver gets it, transfer dots taken out. `partial`: not all.
    Mail {
        /// Octets are missing.
        partial: bool,
    },
}

/// Content of communication: the octets of one selected packet, message or text.
#[derive(Clone)]
pub struct Cc {
    /// Whose task.
    pub task: TaskId,
    /// The task's label.
    pub liid: Liid,
    /// The session.
    pub cin: Cin,
    /// When it was captured.
    pub ts: Time,
    /// What it is.
    pub kind: CcKind,
    /// How `octets` begins: the capture's link type, or [`LinkType::UPPER_PDU`] for a message put together from several
    /// packets (`octets` is then the bare message and `addresses` says between whom). For [`CcKind::Text`] and
    /// [`CcKind::Mail`] it has no meaning.
    pub link: LinkType,
    /// Sender and receiver, always given.
    pub addresses: Pii<(Endpoint, Endpoint)>,
    /// Octets on the wire (more than `octets` when the capture cut the packet).
    pub wire_len: u32,
    /// The octets.
    pub octets: Pii<Vec<u8>>,
}

impl std::fmt::Debug for Cc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cc")
            .field("liid", &self.liid)
            .field("cin", &self.cin)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Cc {
    /// Copies a selected packet out of the source's buffer. This is the one place where that is done.
    pub(crate) fn new(found: &Match, seen: &Seen<'_>, kind: CcKind) -> Self {
        let (link, octets, wire_len) = match seen.packet {
            Some(packet) if !matches!(kind, CcKind::Text | CcKind::Mail { .. }) => {
                (packet.link, packet.data, packet.wire_len)
            }
            _ => (LinkType::UPPER_PDU, seen.payload, u32::try_from(seen.payload.len()).unwrap_or(u32::MAX)),
        };
        Self {
            task: found.task(),
            liid: found.liid().clone(),
            cin: found.cin(),
            ts: seen.ts,
            kind,
            link,
            addresses: Pii((seen.src, seen.dst)),
            wire_len,
            octets: Pii(octets.to_vec()),
        }
    }
}

/// What the tap saw of one media stream (RFC 3550, appendix A.1 and A.3).
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// Who sent it.
    pub side: Side,
    /// Index within the call.
    pub stream: u16,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Encoding of most packets.
    pub encoding: Encoding,
    /// Packets that the sequence numbers say were sent, from the first seen to the last.
    pub expected: u64,
    /// Packets seen, copies not counted.
    pub seen: u64,
    /// Copies of packets already seen.
    pub duplicates: u64,
    /// First packet.
    pub first: Time,
    /// Last packet.
    pub last: Time,
    /// Which branch of a forked call it belongs to: an index into [`Course::branches`].
    pub branch: Option<u8>,
    /// How surely it belongs to the call.
    pub attribution: Attribution,
    /// Whether it is protected.
    pub protection: Protection,
    /// How well it was received.
    pub quality: Quality,
}

/// A selected call has left the tables: the recorder closes its recording with this.
#[derive(Clone, Debug)]
pub struct CallClosed {
    /// Whose task.
    pub task: TaskId,
    /// The task's label.
    pub liid: Liid,
    /// The session.
    pub cin: Cin,
    /// First INVITE.
    pub start: Time,
    /// First 2xx.
    pub answer: Option<Time>,
    /// End as signalled.
    pub end: Option<Time>,
    /// Why it ended.
    pub end_reason: EndReason,
    /// When the match was made; later than `start` when an identity came late or the task was admitted in mid-call.
    pub selected: Time,
    /// Signalling messages released to this task.
    pub signals: u64,
    /// Media, as seen at the tap, whole call.
    pub streams: Vec<StreamReport>,
    /// RTP packets not released, as they belonged to streams beyond the limit of one call.
    pub streams_dropped: u64,
    /// Media addresses beyond the limit of one call: their packets were not released.
    pub addresses_dropped: u64,
    /// Identities beyond the limit of one call.
    pub identities_dropped: u64,
    /// Another live call announced a media address of this one, by reuse or by forgery: packets may have gone to that.
    pub contested: bool,
    /// Packets with digits (RFC 4733) that were left out, as the warrant doesn't permit them (`post_dial_digits`).
    pub digits_withheld: u64,
    /// Signalling messages whose bodies were blanked for the same reason.
    pub digits_blanked: u64,
}

/// One call of the network, held under a retention order. Identities leave this program only sealed.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The retention task.
    pub task: TaskId,
    /// First INVITE.
    pub start: Time,
    /// First 180 or 183.
    pub ringing: Option<Time>,
    /// First 2xx.
    pub answer: Option<Time>,
    /// End as signalled.
    pub end: Option<Time>,
    /// Why it ended.
    pub end_reason: EndReason,
    /// First 2xx to INVITE, else the last final response.
    pub status: Option<u16>,
    /// Number of the party that began the call, in E.164 without `+`: the asserted one where there is one, else From.
    /// The URI itself when it isn't a number.
    pub caller: Pii<Box<str>>,
    /// The number or URI called: Request-URI of the first INVITE, normalised like `caller`.
    pub callee: Pii<Box<str>>,
    /// All identities, as written.
    pub parties: Vec<Party>,
    /// SIP Call-ID.
    pub call_id: Pii<Box<str>>,
    /// Signalling addresses of the first INVITE.
    pub src: Pii<IpAddr>,
    /// See `src`.
    pub dst: Pii<IpAddr>,
    /// How the call came about and went; `None` for a call of which nothing is to be told but the above.
    pub course: Option<Box<Course>>,
}

/// What the point releases.
#[derive(Clone, Debug)]
pub enum Product {
    /// Facts.
    Iri(Box<Iri>),
    /// Content.
    Cc(Box<Cc>),
    /// The end of a selected call.
    CallClosed(Box<CallClosed>),
    /// A call of the network, to be sealed.
    CallRecord(Box<CallRecord>),
    /// A task passed its volume ceiling and releases nothing more.
    Suspended(TaskId, Time),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_name_from_the_wire_is_not_printed() {
        assert_eq!(format!("{:?}", Encoding::Other("33612345678".into())), "Other(redacted)");
    }
}
