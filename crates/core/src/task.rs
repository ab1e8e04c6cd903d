//! May this task run? [`Task::admit`] answers in numbered steps. A [`Task`] has private fields and no other
//! constructor: without signatures, a log entry and an open window there is none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::error::Refusal;
use crate::identifier::{Domain, Identity, Prefix, Target};
use crate::packet::Time;
use crate::proof::{Checkpoint, Hash, open_entry};

/// TS 102 232-1, 5.2.2.
const MAX_LIID: usize = 25;

/// Octets of a warrant document; a warrant with a thousand targets has some 80,000.
const MAX_WARRANT: usize = 1 << 20;

/// Targets, criteria and recipients of one warrant, each. A longer list is not a warrant against named people.
const MAX_LIST: usize = 10_000;

/// Characters of one keyword.
const MAX_KEYWORD: usize = 200;

/// What is signed: this, then the canonical warrant.
const APPROVAL_CONTEXT: &[u8] = b"mandat/approval/v1\n";

/// Kinds of warrant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Named targets; IRI, or IRI and CC.
    Intercept,
    /// Call records of a whole network; never CC; sealed.
    Retention,
    /// Opens sealed records of one identity and period. Never runs on traffic.
    Disclosure,
    /// Keywords, no named target.
    ScreeningKeyword,
    /// Domains, no named target.
    ScreeningDomain,
}

impl Kind {
    /// Name in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intercept => "intercept",
            Self::Retention => "retention",
            Self::Disclosure => "disclosure",
            Self::ScreeningKeyword => "screening.keyword",
            Self::ScreeningDomain => "screening.domain",
        }
    }
}

/// Criteria of a task, by their index in the warrant. One type a warrant.
#[derive(Clone, Debug)]
pub(crate) enum Criteria {
    None,
    /// Keyword, and whether it must stand as a word of its own.
    Keywords(Vec<(String, bool)>),
    /// Domain, and whether its subdomains count.
    Domains(Vec<(Domain, bool)>),
}

/// One technical act under one warrant, admitted to this point.
pub struct Task {
    liid: String,
    kind: Kind,
    content: bool,
    post_dial_digits: bool,
    start: Time,
    end: Time,
    targets: Vec<Target>,
    criteria: Criteria,
    ceiling: Option<u64>,
    recipients: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    warrant: String,
    approvals: Vec<Approval>,
    entry: String,
    opening: String,
    disclosures: Vec<String>,
    index: u64,
    proof: Vec<String>,
    checkpoint: String,
    /// From the point's head to `checkpoint`; empty when they are the same or there is no head yet.
    #[serde(default)]
    consistency: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    approver: String,
    signature: String,
    /// For people; the point goes by the name and its own pinned keys.
    #[serde(rename = "key")]
    _key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Warrant {
    version: u32,
    reference: String,
    liid: String,
    kind: String,
    #[serde(rename = "legal_basis")]
    _legal_basis: String,
    #[serde(rename = "issuing_authority")]
    _issuing_authority: String,
    requester: String,
    targets: Vec<TargetDocument>,
    criteria: Vec<CriterionDocument>,
    product: String,
    /// Absent is no: digits after the answer may be a PIN or a card, and need words of their own in a warrant.
    #[serde(default)]
    post_dial_digits: bool,
    window: Window,
    recipients: Vec<String>,
    ceiling: Option<Ceiling>,
    retention: Option<Retention>,
    disclosure: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetDocument {
    r#type: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum CriterionDocument {
    Keyword { value: String, whole_word: bool },
    Domain { value: String, subdomains: bool },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    start: String,
    end: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceiling {
    sessions: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retention {
    #[serde(rename = "days")]
    _days: u32,
}

impl Task {
    /// Admits a task from its bundle (JSON; shape in `docs/interfaces.md`), or says why not. `now` is the caller's
    /// clock. `head` is the log's state as this point saw it last and moves forward with each admission.
    pub(crate) fn admit(
        config: &Config,
        head: &mut Option<Checkpoint>,
        bundle: &[u8],
        now: Time,
    ) -> Result<Self, Refusal> {
        // (1): the bundle is well-formed. Serde's messages may quote values, so only the place is passed on.
        let bundle: Bundle = serde_json::from_slice(bundle)
            .map_err(|e| Refusal::Bundle(format!("line {}, column {}", e.line(), e.column())))?;

        // (2): the checkpoint is this site's log's, and extends what this point saw before.
        let checkpoint = Checkpoint::open(&bundle.checkpoint, &config.origin, &config.log)
            .ok_or(Refusal::CheckpointInvalid)?;
        if let Some(old) = head {
            let consistency = hashes(&bundle.consistency).ok_or(Refusal::LogForked)?;
            if !checkpoint.extends(old, &consistency) {
                return Err(Refusal::LogForked);
            }
        }

        // (3): the entry stands in that log.
        let entry =
            STANDARD.decode(&bundle.entry).map_err(|_| Refusal::Bundle("entry is not base64".into()))?;
        let proof = hashes(&bundle.proof).ok_or(Refusal::NotInLog)?;
        if !checkpoint.includes(bundle.index, &entry, &proof) {
            return Err(Refusal::NotInLog);
        }

        // (4): the entry's commitment opens, and what it says is "activate exactly this document".
        let opening =
            STANDARD.decode(&bundle.opening).map_err(|_| Refusal::Bundle("opening is not base64".into()))?;
        let facts = open_entry(&entry, &opening, &bundle.disclosures).ok_or(Refusal::CommitmentInvalid)?;
        let fact = |name: &str| {
            let mut all = facts.iter().filter(|(n, _)| n == name);
            // A name that is disclosed twice says nothing.
            all.next().filter(|_| all.next().is_none()).and_then(|(_, v)| v.as_str()).unwrap_or_default()
        };
        let digest = hex(&Sha256::digest(bundle.warrant.as_bytes()));
        if fact("kind") != "activate" {
            return Err(Refusal::EntryMismatch("kind"));
        }
        if fact("authority_hash") != digest {
            return Err(Refusal::EntryMismatch("authority_hash"));
        }

        // (5): the document is a warrant that this point can honour exactly.
        let warrant = Warrant::parse(&bundle.warrant)?;
        if fact("liid") != warrant.liid {
            return Err(Refusal::EntryMismatch("liid"));
        }
        if fact("authority_id") != warrant.reference {
            return Err(Refusal::EntryMismatch("authority_id"));
        }
        // An overseer sees the log, not the document: the window that stands there is the one that runs.
        if fact("valid_from") != warrant.window.start || fact("valid_to") != warrant.window.end {
            return Err(Refusal::EntryMismatch("window"));
        }
        let requester = person(&warrant.requester);
        let task = warrant.into_task(config)?;

        // (6): policy allows its kind.
        if !config.policy.allows(task.kind) {
            return Err(Refusal::KindNotAllowed(task.kind.name().to_owned()));
        }

        // (7): enough distinct approvers, none of them the requester, have signed exactly these octets.
        let signed = [APPROVAL_CONTEXT, bundle.warrant.as_bytes()].concat();
        let mut people: Vec<[u8; 32]> = Vec::new();
        for (i, approval) in bundle.approvals.iter().enumerate() {
            if person(&approval.approver) == requester {
                return Err(Refusal::ApproverIsRequester(i));
            }
            let (_, key) = config
                .approvers
                .iter()
                .find(|(name, _)| *name == approval.approver)
                .ok_or(Refusal::ApproverUnknown(i))?;
            let signature = STANDARD.decode(&approval.signature).map_err(|_| Refusal::ApprovalInvalid(i))?;
            if !key.verify(&signed, &signature) {
                return Err(Refusal::ApprovalInvalid(i));
            }
            // Two names with one key are one person.
            if !people.contains(&key.octets()) {
                people.push(key.octets());
            }
        }
        let needed = config.policy.approvals(task.kind);
        if people.len() < needed {
            return Err(Refusal::ApprovalsMissing { found: people.len(), needed });
        }

        // (8): the window is open.
        if now < task.start {
            return Err(Refusal::WindowNotBegun);
        }
        if now >= task.end {
            return Err(Refusal::WindowOver);
        }

        *head = Some(checkpoint);
        Ok(task)
    }

    /// The task's label.
    pub fn liid(&self) -> &str {
        &self.liid
    }

    /// Kind of the warrant.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether content may be released, not only facts.
    pub fn content(&self) -> bool {
        self.content
    }

    /// Whether the digits dialled within a call may be released with its content.
    pub(crate) fn post_dial_digits(&self) -> bool {
        self.post_dial_digits
    }

    /// Age public keys to which product is encrypted.
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// First moment of the window.
    pub(crate) fn start(&self) -> Time {
        self.start
    }

    /// First moment after the window.
    pub(crate) fn end(&self) -> Time {
        self.end
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Targets that are addresses, with their index.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (u16, Prefix)> {
        let address = |(i, target): (usize, &Target)| match target.identity() {
            Identity::Address(prefix) => Some((u16::try_from(i).ok()?, *prefix)),
            _ => None,
        };
        self.targets.iter().enumerate().filter_map(address)
    }

    pub(crate) fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// Sessions after which the task is suspended.
    pub(crate) fn ceiling(&self) -> Option<u64> {
        self.ceiling
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("liid", &self.liid).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A name as it tells people apart. The requester's is free text: another case or another space is no second person.
fn person(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Warrant(reason.into()))
}

impl Warrant {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_WARRANT {
            return refuse(format!("the document is longer than {MAX_WARRANT} octets"));
        }
        serde_json::from_str(text).map_err(|e| {
            Refusal::Warrant(format!(
                "not a warrant of version 1 at line {}, column {}",
                e.line(),
                e.column()
            ))
        })
    }

    fn into_task(self, config: &Config) -> Result<Task, Refusal> {
        if self.version != 1 {
            return refuse("its version is not 1");
        }
        let liid_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        // The log names a warrant by its reference; one without would match an entry that names none.
        if self.reference.is_empty() {
            return refuse("its reference is empty");
        }
        if self.liid.is_empty()
            || self.liid.len() > MAX_LIID
            || !self.liid.chars().all(liid_ok)
            || self.liid.starts_with('.')
        {
            return refuse("liid is not 1 to 25 of A-Z a-z 0-9 . _ - (not beginning with a dot)");
        }
        let long = self.targets.len().max(self.criteria.len()).max(self.recipients.len());
        if long > MAX_LIST {
            return refuse(format!("a list has more than {MAX_LIST} members"));
        }
        let content = match self.product.as_str() {
            "IRI" => false,
            "IRIandCC" => true,
            _ => return refuse("product is neither IRI nor IRIandCC"),
        };
        let (Some(start), Some(end)) = (instant(&self.window.start), instant(&self.window.end)) else {
            return refuse(
                "window.start and window.end must be RFC 3339 times in UTC with whole seconds, such as 2026-01-01T00:00:00Z",
            );
        };
        if end <= start {
            return refuse("window.end is not after window.start");
        }
        let mut targets = Vec::with_capacity(self.targets.len());
        for (i, target) in self.targets.iter().enumerate() {
            match Target::parse(&target.r#type, &target.value) {
                Ok(target) => targets.push(target),
                Err(reason) => return refuse(format!("targets[{i}]: {reason}")),
            }
        }
        let criteria = Self::criteria(&self.criteria)?;
        let kind = match (self.kind.as_str(), &criteria) {
            ("intercept", _) => Kind::Intercept,
            ("retention", _) => Kind::Retention,
            ("disclosure", _) => Kind::Disclosure,
            ("screening", Criteria::Keywords(_)) => Kind::ScreeningKeyword,
            ("screening", Criteria::Domains(_)) => Kind::ScreeningDomain,
            ("screening", Criteria::None) => {
                return refuse("a screening warrant needs at least one criterion");
            }
            _ => return refuse("its kind is unknown"),
        };
        if self.post_dial_digits && (kind != Kind::Intercept || !content) {
            return refuse(
                "`post_dial_digits` belongs to intercept warrants with content: digits are content",
            );
        }
        let screening = matches!(kind, Kind::ScreeningKeyword | Kind::ScreeningDomain);
        // A part that its kind can't use would be ignored, and an ignored part is a warrant not honoured.
        if screening != self.ceiling.is_some() {
            return refuse("a ceiling belongs to screening warrants, and to each of them");
        }
        if (kind == Kind::Retention) != self.retention.is_some() {
            return refuse("`retention` belongs to retention orders, and to each of them");
        }
        if (kind == Kind::Disclosure) != self.disclosure.is_some() {
            return refuse("`disclosure` belongs to disclosure warrants, and to each of them");
        }
        match kind {
            Kind::Intercept => {
                if targets.is_empty() {
                    return refuse(
                        "an intercept warrant needs at least one target; without one it would select everybody",
                    );
                }
                if matches!(criteria, Criteria::Keywords(_)) && targets.iter().any(Target::is_mail) {
                    return refuse(
                        "a keyword beside a mail address: keywords are looked for in texts, so it would select nothing",
                    );
                }
                if matches!(criteria, Criteria::Domains(_)) {
                    return refuse(
                        "a domain criterion beside targets: a target's flows are all followed, and can't be narrowed to a domain yet",
                    );
                }
                if self.recipients.is_empty() {
                    return refuse("recipients is empty: nobody could read the product");
                }
            }
            Kind::Retention => {
                if !targets.is_empty() || !matches!(criteria, Criteria::None) || content {
                    return refuse("a retention order has no targets, no criteria and product IRI");
                }
            }
            Kind::Disclosure => {
                if targets.len() != 1 || !matches!(criteria, Criteria::None) || content {
                    return refuse("a disclosure warrant has one target, no criteria and product IRI");
                }
                if targets.iter().any(|t| !matches!(t.identity(), Identity::Number(_) | Identity::Uri(_))) {
                    return refuse("call records hold numbers and URIs: a disclosure names one of these");
                }
                if self.recipients.is_empty() {
                    return refuse("recipients is empty: nobody could read the answer");
                }
            }
            Kind::ScreeningKeyword | Kind::ScreeningDomain => {
                if !targets.is_empty() {
                    return refuse(
                        "a screening warrant names no target; use an intercept warrant with a criterion",
                    );
                }
                if content && !config.policy.screening_content {
                    return refuse("this site's policy lets screening warrants release IRI only");
                }
                if content && kind == Kind::ScreeningDomain {
                    return refuse("content of internet flows can't be released yet");
                }
                if self.recipients.is_empty() {
                    return refuse("recipients is empty: nobody could read the product");
                }
            }
        }
        let ceiling = self.ceiling.map(|c| c.sessions);
        if ceiling == Some(0) {
            return refuse("ceiling.sessions is 0");
        }
        Ok(Task {
            liid: self.liid,
            kind,
            content,
            post_dial_digits: self.post_dial_digits,
            start,
            end,
            targets,
            criteria,
            ceiling,
            recipients: self.recipients,
        })
    }

    fn criteria(documents: &[CriterionDocument]) -> Result<Criteria, Refusal> {
        let (mut keywords, mut domains) = (Vec::new(), Vec::new());
        for (i, criterion) in documents.iter().enumerate() {
            match criterion {
                CriterionDocument::Keyword { value, whole_word } => {
                    if value.chars().count() > MAX_KEYWORD {
                        return refuse(format!(
                            "criteria[{i}]: a keyword of more than {MAX_KEYWORD} characters"
                        ));
                    }
                    keywords.push((value.clone(), *whole_word));
                }
                CriterionDocument::Domain { value, subdomains } => match Domain::parse(value) {
                    Ok(domain) => domains.push((domain, *subdomains)),
                    Err(reason) => return refuse(format!("criteria[{i}]: {reason}")),
                },
            }
        }
        match (keywords.is_empty(), domains.is_empty()) {
            (true, true) => Ok(Criteria::None),
            (false, true) => Ok(Criteria::Keywords(keywords)),
            (true, false) => Ok(Criteria::Domains(domains)),
            (false, false) => refuse("criteria mix keywords and domains; issue one warrant for each"),
        }
    }
}

fn hex(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    octets.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|t| STANDARD.decode(t).ok()?.try_into().ok()).collect()
}

/// Reads `2026-01-01T00:00:00Z`, and nothing looser: a window has no room for interpretation.
pub(crate) fn instant(text: &str) -> Option<Time> {
    let b = text.as_bytes();
    if b.len() != 20
        || b[4] != b'-'
        || b[7] != b'-'
        || b[10] != b'T'
        || b[13] != b':'
        || b[16] != b':'
        || b[19] != b'Z'
    {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|c| c.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
        || !(1970..=2200).contains(&year)
    {
        return None;
    }
    // Days from the civil calendar, years counted from March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(Time(0).plus_seconds(days * 86_400 + hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests;
