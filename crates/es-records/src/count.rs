//! The document counts of a pair of indices.

use crate::{ClusterId, Extra, Step};
use serde::{Deserialize, Serialize};

/// What the counts of the two sides say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountVerdict {
    /// The same number on both sides.
    Equal,
    /// Different numbers, and both stood still.
    Differs,
    /// Different numbers, and a side moved between two looks.
    StillChanging,
    /// No such index on the source.
    MissingOnSource,
    /// No such index on the target.
    MissingOnTarget,
    /// The index is closed on a side, so it cannot be counted.
    Closed,
    /// A side has shards that did not answer: any number would be too low.
    NotCountable,
}

impl CountVerdict {
    /// As it is spelled in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Differs => "differs",
            Self::StillChanging => "still_changing",
            Self::MissingOnSource => "missing_on_source",
            Self::MissingOnTarget => "missing_on_target",
            Self::Closed => "closed",
            Self::NotCountable => "not_countable",
        }
    }
}

/// The counts of one pair of indices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// The index on the source.
    pub index: String,
    /// The index on the target.
    pub target_index: String,
    /// `_count` on the source; none where it cannot be counted.
    pub source_count: Option<u64>,
    /// `_count` on the target; none where it cannot be counted.
    pub target_count: Option<u64>,
    /// What they say.
    pub verdict: CountVerdict,
    /// Why there is no number, in the server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cluster counted as source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ClusterId>,
    /// The cluster counted as target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// What each tool did for this record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}
