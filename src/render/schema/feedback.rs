//! The commands of the feedback topic as the contract has them, for their schema
//! alone; `decode` reads them.

use schemars::JsonSchema;

use super::event::Time;

/// What an analyst or a playbook tells the detector. Topic `sms.pumping.feedback.v1`.
#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Feedback {
    /// A judgement on a finding.
    Verdict(Verdict),
    /// Puts a prefix on the safe-list or takes it off.
    Safelist(Safelist),
}

/// A judgement on a finding.
#[derive(JsonSchema)]
pub struct Verdict {
    /// Unique id of the command: a repeat is a duplicate.
    #[schemars(length(min = 1))]
    pub id: String,
    /// When it was given.
    pub time: Time,
    /// `finding_info.uid` of the finding it judges.
    #[schemars(regex(pattern = r"^[0-9a-f]{32}$"))]
    pub finding_uid: String,
    /// The judgement.
    pub verdict: Judgement,
    /// Who says so.
    pub by: String,
}

/// A judgement.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The finding was wrong: its block is lifted and its entity safe-listed for a while.
    FalsePositive,
    /// The finding was right.
    TruePositive,
}

/// Puts a prefix on the safe-list or takes it off.
#[derive(JsonSchema)]
pub struct Safelist {
    /// Unique id of the command: a repeat is a duplicate.
    #[schemars(length(min = 1))]
    pub id: String,
    /// When it was given.
    pub time: Time,
    /// Whose safe-list.
    pub tenant: String,
    /// One of the tenant's applications, or `*` for all.
    pub app: String,
    /// Leading digits of the numbers that are safe, with the plus.
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{0,14}$"))]
    pub prefix: String,
    /// Put it on the list or take it off.
    pub op: Operation,
    /// When it lapses; without it, never.
    pub expires_at: Option<Time>,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// What to do with an entry.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Put it on the list.
    Put,
    /// Take it off.
    Delete,
}
