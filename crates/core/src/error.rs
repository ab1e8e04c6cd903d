//! Refusals: typed, each with its reason and what to do. No refusal holds an identity or a keyword.

/// Why a task was not admitted, or a configuration not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The point's configuration is wrong.
    #[error("the point's configuration is not readable: {0}")]
    Config(String),
    /// The admission bundle is not what the interface says.
    #[error("the admission bundle is not readable: {0}")]
    Bundle(String),
    /// The warrant document is not readable or breaks a rule.
    #[error("the warrant can't be honoured exactly as written: {0}")]
    Warrant(String),
    /// The site's policy doesn't allow this kind of warrant.
    #[error("warrants of kind {0} are not allowed by this site's policy")]
    KindNotAllowed(String),
    /// Too few valid approvals.
    #[error("the warrant bears {found} of the {needed} approvals that its kind needs")]
    ApprovalsMissing {
        /// Valid approvals by distinct people.
        found: usize,
        /// What policy asks for.
        needed: usize,
    },
    /// An approval by somebody whom the point doesn't know as an approver.
    #[error("approval {0} is by somebody who is no approver of this site")]
    ApproverUnknown(usize),
    /// An approval by the requester.
    #[error("approval {0} is by the warrant's own requester")]
    ApproverIsRequester(usize),
    /// An approval's signature is not over this document.
    #[error("approval {0} does not verify: its signature is not over this document, or not by that key")]
    ApprovalInvalid(usize),
    /// The checkpoint is malformed, of another log, or wrongly signed.
    #[error("the checkpoint is not one that this site's log has signed")]
    CheckpointInvalid,
    /// The log is not an extension of the one that the point saw last.
    #[error("the log is shorter than, or not an extension of, the one that this point saw last")]
    LogForked,
    /// The entry is not in the log.
    #[error("the log does not hold the entry that would activate this warrant")]
    NotInLog,
    /// The commitment doesn't open.
    #[error("the disclosures are not what the log entry commits to")]
    CommitmentInvalid,
    /// The entry is about something else: another warrant, another act, or the document was altered since.
    #[error("the log entry does not activate this document: its {0} differs")]
    EntryMismatch(&'static str),
    /// The window hasn't begun.
    #[error("the warrant's window has not begun")]
    WindowNotBegun,
    /// The window is over.
    #[error("the warrant's window is over")]
    WindowOver,
    /// Two tasks under one LIID.
    #[error("a task with this LIID is already admitted")]
    LiidTaken,
    /// The point's table is full.
    #[error("this point holds {0} tasks, its limit")]
    TooManyTasks(usize),
}

impl Refusal {
    /// Stable identifier for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "config_unreadable",
            Self::Bundle(_) => "bundle_unreadable",
            Self::Warrant(_) => "warrant_not_honourable",
            Self::KindNotAllowed(_) => "kind_not_allowed",
            Self::ApprovalsMissing { .. } => "approvals_missing",
            Self::ApproverUnknown(_) => "approver_unknown",
            Self::ApproverIsRequester(_) => "approver_is_requester",
            Self::ApprovalInvalid(_) => "approval_invalid",
            Self::CheckpointInvalid => "checkpoint_invalid",
            Self::LogForked => "log_forked",
            Self::NotInLog => "not_in_log",
            Self::CommitmentInvalid => "commitment_invalid",
            Self::EntryMismatch(_) => "entry_mismatch",
            Self::WindowNotBegun => "window_not_begun",
            Self::WindowOver => "window_over",
            Self::LiidTaken => "liid_taken",
            Self::TooManyTasks(_) => "too_many_tasks",
        }
    }

    /// What the reader can do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Config(_) => "check site.json; `mandat doctor` names the field",
            Self::Bundle(_) | Self::CommitmentInvalid | Self::EntryMismatch(_) => {
                "add and activate the warrant again from the signed original; if it comes back, call the overseer"
            }
            Self::Warrant(_) => {
                "have the warrant issued again without what the point can't honour; nothing is narrowed or widened"
            }
            Self::KindNotAllowed(_) => "a change of policy needs its own approval; see `policy` in site.json",
            Self::ApprovalsMissing { .. } => {
                "have the remaining approvers sign with `mandat warrant approve`"
            }
            Self::ApproverUnknown(_) | Self::ApproverIsRequester(_) | Self::ApprovalInvalid(_) => {
                "have an approver of this site, other than the requester, sign the final document"
            }
            Self::CheckpointInvalid | Self::LogForked | Self::NotInLog => {
                "run `mandat log verify`; do not continue before the log's state is explained"
            }
            Self::WindowNotBegun => "wait for the window's start",
            Self::WindowOver => "have a new warrant issued if the need goes on",
            Self::LiidTaken => "give each warrant a LIID of its own",
            Self::TooManyTasks(_) => "revoke what is over, or add a point",
        }
    }
}
