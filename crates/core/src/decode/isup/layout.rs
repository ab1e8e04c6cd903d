//! Which message has which mandatory parameters (Q.763, 4, tables 21 to 52; T1.113.3).

use crate::decode::mtp3::Variant;

macro_rules! message_types {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// Message types (Q.763, table 4) of calls and of what ends them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub(crate) enum MessageType { $($(#[$doc])* $variant = $code,)* }

        impl MessageType {
            /// `None` for maintenance and national messages.
            pub(crate) const fn of(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

message_types! {
    /// IAM.
    InitialAddress = 0x01,
    /// SAM.
    SubsequentAddress = 0x02,
    /// INR.
    InformationRequest = 0x03,
    /// INF.
    Information = 0x04,
    /// COT.
    Continuity = 0x05,
    /// ACM.
    AddressComplete = 0x06,
    /// CON: answer without ACM.
    Connect = 0x07,
    /// FOT.
    ForwardTransfer = 0x08,
    /// ANM.
    Answer = 0x09,
    /// REL.
    Release = 0x0c,
    /// SUS.
    Suspend = 0x0d,
    /// RES.
    Resume = 0x0e,
    /// RLC.
    ReleaseComplete = 0x10,
    /// RSC.
    ResetCircuit = 0x12,
    /// GRS.
    GroupReset = 0x17,
    /// FAC.
    Facility = 0x33,
    /// CPG.
    CallProgress = 0x2c,
    /// CFN.
    Confusion = 0x2f,
    /// SGM: the optional parameters that its message had no room for.
    Segmentation = 0x38,
    /// APM.
    ApplicationTransport = 0x41,
    /// PRI.
    PreReleaseInformation = 0x42,
}

/// Mandatory parameters of variable length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variable {
    CalledPartyNumber,
    SubsequentNumber,
    CauseIndicators,
    RangeAndStatus,
    /// ANSI only.
    UserServiceInformation,
}

/// What a message is made of.
pub(super) struct Layout {
    /// Octets of the mandatory fixed part.
    pub(super) fixed: usize,
    pub(super) variable: &'static [Variable],
    pub(super) has_optional: bool,
}

impl Layout {
    pub(super) const fn of(kind: MessageType, variant: Variant) -> Self {
        use MessageType as M;
        const fn layout(fixed: usize, variable: &'static [Variable], has_optional: bool) -> Layout {
            Layout { fixed, variable, has_optional }
        }
        match (kind, variant) {
            // Nature of connection, forward call indicators, calling party's category, transmission medium requirement.
            (M::InitialAddress, Variant::Itu) => layout(5, &[Variable::CalledPartyNumber], true),
            // ANSI has user service information in the place of the transmission medium.
            (M::InitialAddress, Variant::Ansi) => {
                layout(4, &[Variable::UserServiceInformation, Variable::CalledPartyNumber], true)
            }
            (M::SubsequentAddress, _) => layout(0, &[Variable::SubsequentNumber], true),
            (M::InformationRequest | M::Information | M::AddressComplete | M::Connect, _) => {
                layout(2, &[], true)
            }
            (M::Continuity, _) => layout(1, &[], false),
            (M::Suspend | M::Resume | M::CallProgress, _) => layout(1, &[], true),
            (M::Release | M::Confusion, _) => layout(0, &[Variable::CauseIndicators], true),
            (M::ResetCircuit, _) => layout(0, &[], false),
            (M::GroupReset, _) => layout(0, &[Variable::RangeAndStatus], false),
            (
                M::ForwardTransfer
                | M::Answer
                | M::ReleaseComplete
                | M::Facility
                | M::Segmentation
                | M::ApplicationTransport
                | M::PreReleaseInformation,
                _,
            ) => layout(0, &[], true),
        }
    }
}
