//! What was counted. Loss is never silent: each stage says what came in, what went out, and what it dropped and why.

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// A thing that is counted. The name is stable: scripts and alarms rely on it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Counter { $($(#[$doc])* $variant,)* }

        impl Counter {
            /// Every counter, in the order of the pipeline.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

counters! {
    /// Packets given to the point.
    PacketsIn => "packets.in",
    /// Octets given to the point.
    OctetsIn => "octets.in",
    /// Packets whose capture was cut short by the snapshot length.
    PacketsCut => "packets.cut",
    /// Link type that we don't know.
    LinkUnknown => "drop.link_unknown",
    /// Link, IP or transport header that doesn't parse.
    Malformed => "drop.malformed",
    /// A network protocol other than IP (ARP, LLDP, …).
    NotIp => "drop.not_ip",
    /// An IP protocol other than UDP and TCP.
    NotTransport => "drop.not_transport",
    /// Packets in tunnels that nest deeper than we follow.
    TunnelsTooDeep => "drop.tunnels_too_deep",
    /// Packets found inside a tunnel.
    Tunnelled => "tunnel.packets",
    /// Packets whose time is far from that of the packets before.
    TimeJumps => "time.jumps",
    /// Times that so many packets agreed on that timers followed.
    TimeSteps => "time.steps",
    /// IP fragments seen.
    Fragments => "ip.fragments",
    /// Datagrams put together from fragments.
    Reassembled => "ip.reassembled",
    /// Fragments thrown away: timed out, table full, or datagram too large.
    FragmentsDropped => "drop.fragments",
    /// Fragments whose octets overlap others with different content.
    FragmentOverlap => "ip.fragment_overlap",
    /// TCP segments seen.
    Segments => "tcp.segments",
    /// TCP octets that came out of order and were held back.
    SegmentsHeld => "tcp.held",
    /// Gaps in a TCP stream that were given up: octets the tap never saw.
    TcpGaps => "tcp.gaps",
    /// TCP segments that overlap earlier octets with different content.
    TcpOverlap => "tcp.overlap",
    /// TCP connections forgotten because the table was full.
    TcpEvicted => "drop.tcp_evicted",
    /// TCP connections that lost what they held because all together held too much, and they the most for longest.
    TcpHoarders => "drop.tcp_hoarders",
    /// Octets of a stream thrown away because no message of a known protocol was found in them.
    StreamUnparsed => "drop.stream_unparsed",
    /// SIP messages read.
    Sip => "sip.messages",
    /// SIP messages that could not be read.
    SipMalformed => "sip.malformed",
    /// Calls begun.
    Calls => "calls",
    /// Calls forgotten because the table was full.
    CallsEvicted => "drop.calls_evicted",
    /// Identities that a call had no room for.
    IdentitiesDropped => "drop.identities",
    /// Media addresses that a call had no room for.
    MediaAddressesDropped => "drop.media_addresses",
    /// Links between legs that a call, or a value they share, had no room for.
    LinksDropped => "drop.links",
    /// Recording sessions (RFC 7866) read: calls that carry a copy of another call's media.
    RecordingSessions => "recording.sessions",
    /// Recording metadata (RFC 7865) that could not be read, or not to the end.
    RecordingMalformed => "recording.malformed",
    /// Participants, streams and associations of recording metadata beyond a limit.
    RecordingDropped => "drop.recording",
    /// Packets of a recording session that belong to calls without the target, and messages that tell of those too.
    RecordedOthers => "drop.recorded_others",
    /// Media addresses that two live calls announced at once: one of the two may be a forgery.
    MediaContested => "media.contested",
    /// RTP packets of streams that a call had no room for.
    StreamsDropped => "drop.streams",
    /// RTP packets of a known call.
    Rtp => "rtp.packets",
    /// RTCP packets of a known call.
    Rtcp => "rtcp.packets",
    /// Datagrams of fax (T.38 over UDPTL) of a known call.
    Fax => "fax.packets",
    /// Selected SRTP packets opened with keys from the signalling, for the listening copy.
    SrtpOpened => "srtp.opened",
    /// Selected SRTP packets that no known key opens: kept as they came.
    SrtpClosed => "srtp.closed",
    /// Media packets of a call that no task selects: dropped in the core.
    MediaUnselected => "drop.media_unselected",
    /// Signalling messages of a call that no task selects: dropped in the core.
    SignalUnselected => "drop.signal_unselected",
    /// SCTP packets seen.
    Sctp => "sctp.packets",
    /// SCTP chunks that came before.
    SctpRepeated => "sctp.repeated",
    /// SCTP messages of no protocol that we read.
    SctpOther => "drop.sctp_other",
    /// Pieces of SCTP messages thrown away: the others never came, or there was no room.
    SctpPiecesDropped => "drop.sctp_pieces",
    /// SCTP associations forgotten because the table was full.
    SctpEvicted => "drop.sctp_evicted",
    /// Adaptation layer messages that could not be read.
    Ss7Malformed => "ss7.malformed",
    /// SS7 messages that concern neither call nor text, or could not be read.
    Ss7Other => "drop.ss7_other",
    /// ISUP and BICC messages read.
    Isup => "isup.messages",
    /// SCCP connectionless messages read.
    Sccp => "sccp.messages",
    /// Segmented SCCP messages given up: a segment never came, or there was no room.
    SccpSegmentsDropped => "drop.sccp_segments",
    /// Text messages read.
    Messages => "messages",
    /// Text messages that no task selects: dropped in the core.
    MessagesUnselected => "drop.messages_unselected",
    /// Message bodies that could not be read as text.
    MessagesUnreadable => "messages.unreadable",
    /// Copies of a SIP MESSAGE, or of a part of a long message, that was read before.
    MessagesRepeated => "messages.repeated",
    /// Texts in a national alphabet that we have no table for: some of their letters are wrong.
    MessagesFallback => "messages.fallback",
    /// Long messages given up early because too many, or too large ones, were incomplete at once.
    MessagesEvicted => "drop.messages_evicted",
    /// Parts of long messages forgotten because their other parts never came.
    PartsDropped => "drop.message_parts",
    /// Delivery receipts and acknowledgements: they tell of a message and are none.
    Receipts => "messages.receipts",
    /// Receipts of a message that was not seen, or was forgotten.
    ReceiptsUnlinked => "messages.receipts_unlinked",
    /// Messages forgotten while a receipt of them could still come, because there were too many.
    ReceiptsForgotten => "drop.receipts_awaited",
    /// Flows (conversations of two transport addresses) begun.
    Flows => "flows",
    /// Flows whose name was seen.
    FlowsNamed => "flows.named",
    /// Flows that no task selects: dropped in the core.
    FlowsUnselected => "drop.flows_unselected",
    /// Flows forgotten because the table was full.
    FlowsEvicted => "drop.flows_evicted",
    /// Names read from DNS.
    NamesDns => "names.dns",
    /// Names read from TLS.
    NamesTls => "names.tls",
    /// Names read from QUIC.
    NamesQuic => "names.quic",
    /// Names read from HTTP.
    NamesHttp => "names.http",
    /// Names left out because they hold control characters or are too long.
    NamesUnreadable => "names.unreadable",
    /// Names that CNAME, SVCB and HTTPS records lead to.
    NamesAlias => "names.alias",
    /// DNS answers that offer `ech`: who asked may hide the name that is visited (RFC 9460, RFC 9849).
    EchOffered => "names.ech_offered",
    /// HTTP/2 connections whose header table could not be followed to the end.
    Http2Lost => "http2.lost",
    /// Flows that show the name of their site.
    NamesVisible => "names.visible",
    /// Flows that show a name which may be the outer one of an encrypted hello (RFC 9849).
    NamesOuter => "names.outer",
    /// Flows whose hello names nobody.
    NotVisibleNoName => "names.not_visible.no_name",
    /// QUIC and DTLS flows of which no whole hello was seen.
    NotVisibleNoHello => "names.not_visible.no_hello",
    /// DNS over TLS (RFC 7858): lookups not visible.
    NotVisibleDot => "names.not_visible.dot",
    /// DNS over QUIC (RFC 9250): lookups not visible.
    NotVisibleDoq => "names.not_visible.doq",
    /// SIP over TLS that no key log opens: its calls are not visible.
    NotVisibleSips => "names.not_visible.sips",
    /// `WireGuard` tunnels.
    NotVisibleWireGuard => "names.not_visible.wireguard",
    /// `OpenVPN` tunnels.
    NotVisibleOpenVpn => "names.not_visible.openvpn",
    /// Internet Protocol security: IKE (RFC 7296) and ESP in UDP (RFC 3948).
    NotVisibleIke => "names.not_visible.ike",
    /// Relays of TURN (RFC 8656).
    NotVisibleTurn => "names.not_visible.turn",
    /// TCP connections of no protocol that shows a name.
    NotVisibleOther => "names.not_visible.other",
    /// Messages read that say who holds which address (RADIUS, DHCP, GTP-C, Diameter).
    IdentityMessages => "identity.messages",
    /// Such messages that came again.
    IdentityRepeated => "identity.repeated",
    /// Assignments of an address to a subscriber begun.
    Bindings => "identity.bindings",
    /// Assignments that ended because the address was given to another, without being given back.
    BindingsTakenOver => "identity.taken_over",
    /// Assignments older than the one that stands, or of a prefix too wide for one subscriber: not believed.
    BindingsRefused => "identity.refused",
    /// Assignments that ended because nothing renewed them: the end was lost, or the lease ran out.
    BindingsExpired => "identity.expired",
    /// Assignments forgotten because the table was full.
    BindingsEvicted => "drop.bindings_evicted",
    /// Requests forgotten before their answer came, because too many waited.
    IdentityPendingDropped => "drop.identity_pending",
    /// IP packets of an address that a task selects.
    AccessPackets => "access.packets",
    /// Mail messages seen, whole or in part.
    MailMessages => "mail.messages",
    /// Mail messages of which octets are missing: not seen, not asked for, or over the limit.
    MailPartial => "mail.partial",
    /// Mail messages longer than what is kept of one.
    MailCut => "mail.cut",
    /// Mail headers longer than what is read of one.
    MailHeaderCut => "mail.header_cut",
    /// Parts of mail messages that IMAP clients fetched by themselves: not read.
    MailParts => "mail.parts",
    /// Mail sessions that went on hidden, by STARTTLS or COMPRESS.
    MailHidden => "mail.hidden",
    /// Mail commands too long to be read.
    MailMalformed => "mail.malformed",
    /// Addresses that a mail message had no room for.
    MailAddressesDropped => "drop.mail_addresses",
    /// Mail sessions given up: memory ran out, or octets of a counted part were not seen.
    MailGivenUp => "drop.mail_given_up",
    /// Mail messages that no task selects: dropped in the core.
    MailUnselected => "drop.mail_unselected",
    /// UDP datagrams of no protocol that we read.
    UdpOther => "drop.udp_other",
    /// Directions of TLS connections that were opened with a logged secret.
    TlsOpened => "tls.opened",
    /// Directions of TLS connections given up: no secret is logged, the cipher is none that we open, or octets are missing.
    TlsUnopened => "tls.unopened",
    /// WebSocket messages that an extension has changed (permessage-deflate): not read.
    WebSocketCompressed => "drop.websocket_extended",
    /// WebSocket messages longer than any SIP message: not read.
    WebSocketTooLong => "drop.websocket_too_long",
    /// HEP packets read: messages that agents report.
    Hep => "hep.packets",
    /// HEP packets that could not be read, or whose compressed payload is damaged or too large.
    HepMalformed => "hep.malformed",
    /// HEP packets refused: HEP is turned off, or their source is not on the list.
    HepSourceRefused => "drop.hep_source",
    /// HEP packets refused: the authentication key is missing or wrong.
    HepKeyRefused => "drop.hep_key",
    /// HEP packets within HEP packets, deeper than we look.
    HepTooDeep => "drop.hep_depth",
    /// HEP packets that give no believable time: that of the capture was taken.
    HepTimeReplaced => "hep.time_replaced",
    /// Packets and message bodies with digits that a warrant doesn't permit: left out, or blanked.
    DigitsWithheld => "drop.digits",
    /// Selected datagrams that the tap saw twice: released once.
    Copies => "copies",
    /// Datagrams forgotten too early to know a copy of them.
    CopiesForgotten => "copies.forgotten",
    /// IRI released.
    Iri => "product.iri",
    /// CC released.
    Cc => "product.cc",
    /// Call records released, to be sealed.
    CallRecords => "product.call_records",
    /// Sessions that a criterion left out of an otherwise matching task.
    CriterionUnmet => "match.criterion_unmet",
    /// Sessions outside the task's window.
    OutsideWindow => "match.outside_window",
    /// Sessions of a task that its ceiling has suspended.
    Suspended => "match.suspended",
    /// A bug: the packet that met it was dropped, the run went on.
    Contained => "bug.contained",
}

/// A value for each [`Counter`].
#[derive(Clone, Debug)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Counter::ALL.len()])
    }
}

impl Counters {
    /// Adds one.
    #[inline]
    pub fn count(&mut self, what: Counter) {
        self.add(what, 1);
    }

    /// Adds `n`.
    #[inline]
    pub fn add(&mut self, what: Counter, n: u64) {
        self.0[what as usize] = self.0[what as usize].saturating_add(n);
    }

    /// The value so far.
    pub fn get(&self, what: Counter) -> u64 {
        self.0[what as usize]
    }

    /// Names and values of all that are not zero, in the order of the pipeline.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL.iter().map(|c| (c.name(), self.get(*c))).filter(|(_, n)| *n > 0)
    }
}
