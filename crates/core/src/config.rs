//! What a point is told at its start: whose signatures count, what policy allows, how numbers are written here.

use serde::Deserialize;

use crate::error::Refusal;
use crate::identifier::NumberingPlans;
use crate::proof::{Checkpoint, NoteKey};
use crate::session::hep::{Trust, TrustText};
use crate::session::message::centres::{CentreText, Centres};
use crate::task::Kind;

/// Approvers that one site may have.
const MAX_APPROVERS: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    log: Log,
    approvers: Vec<Approver>,
    policy: PolicyDocument,
    numbering: NumberingPlans,
    /// Whose HEP packets are read; absent: anybody's.
    hep: Option<TrustText>,
    /// Signed checkpoint that the point accepted last; absent at its first start.
    head: Option<String>,
    /// SIP header that the site's switches keep the same on all legs of a conversation, such as `X-CID`.
    leg_header: Option<String>,
    /// Message centres whose default alphabet is known.
    #[serde(default)]
    smpp: Vec<CentreText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    origin: String,
    vkey: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approver {
    name: String,
    vkey: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyDocument {
    kinds: Vec<String>,
    approvals: Approvals,
    screening_product: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approvals {
    intercept: usize,
    retention: usize,
    disclosure: usize,
    screening: usize,
}

/// The point's configuration, checked.
pub struct Config {
    pub(crate) origin: String,
    pub(crate) log: NoteKey,
    pub(crate) approvers: Vec<(String, NoteKey)>,
    pub(crate) policy: Policy,
    pub(crate) numbering: NumberingPlans,
    pub(crate) agents: Trust,
    pub(crate) head: Option<Checkpoint>,
    pub(crate) leg_header: Option<Box<str>>,
    pub(crate) centres: Centres,
}

/// What the site's policy allows.
pub(crate) struct Policy {
    kinds: Vec<String>,
    approvals: Approvals,
    pub(crate) screening_content: bool,
}

impl Policy {
    pub(crate) fn allows(&self, kind: Kind) -> bool {
        self.kinds.iter().any(|k| k == kind.name())
    }

    /// Approvals by distinct people that a warrant of this kind needs.
    pub(crate) fn approvals(&self, kind: Kind) -> usize {
        let asked = match kind {
            Kind::Intercept => self.approvals.intercept,
            Kind::Retention => self.approvals.retention,
            Kind::Disclosure => self.approvals.disclosure,
            // Screening names no target, so no policy lowers its two approvers.
            Kind::ScreeningKeyword | Kind::ScreeningDomain => self.approvals.screening.max(2),
        };
        // A policy of zero approvals is no policy.
        asked.max(1)
    }
}

impl Config {
    /// Reads the configuration (JSON; shape in `docs/interfaces.md`).
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let document: Document = serde_json::from_slice(json).map_err(|e| Refusal::Config(e.to_string()))?;
        let key = |what: &str, vkey: &str| {
            NoteKey::parse(vkey).ok_or_else(|| Refusal::Config(format!("{what} is not an Ed25519 vkey")))
        };
        let log = key("log.vkey", &document.log.vkey)?;
        if document.approvers.len() > MAX_APPROVERS {
            return Err(Refusal::Config(format!("more than {MAX_APPROVERS} approvers")));
        }
        let approvers = document
            .approvers
            .into_iter()
            .map(|a| Ok((a.name, key("approvers[].vkey", &a.vkey)?)))
            .collect::<Result<Vec<_>, Refusal>>()?;
        let head = match document.head {
            None => None,
            Some(note) => {
                Some(Checkpoint::open(&note, &document.log.origin, &log).ok_or(Refusal::CheckpointInvalid)?)
            }
        };
        Ok(Self {
            origin: document.log.origin,
            log,
            approvers,
            policy: Policy {
                kinds: document.policy.kinds,
                approvals: document.policy.approvals,
                screening_content: document.policy.screening_product.iter().any(|p| p == "IRIandCC"),
            },
            numbering: document.numbering,
            agents: document
                .hep
                .map_or_else(|| Ok(Trust::default()), Trust::try_from)
                .map_err(Refusal::Config)?,
            head,
            leg_header: document.leg_header.map(Into::into),
            centres: document.smpp.try_into().map_err(Refusal::Config)?,
        })
    }
}

impl Config {
    /// The normal form of a number (E.164 without `+`) or URI under the site's own numbering plan.
    pub fn normalise(&self, uri: &str) -> Option<String> {
        self.numbering.site().identity(uri).map(|identity| identity.text().into())
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("origin", &self.origin).finish_non_exhaustive()
    }
}
