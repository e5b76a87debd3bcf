//! A restore, from accepted to settled.

use crate::{ClusterId, Extra, IndexSettings, Shards, Step};
use serde::{Deserialize, Serialize};

/// Where a restore stands. Servers have no word for it: these are ours.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RestoreState {
    /// Accepted; shards are being copied.
    #[default]
    InProgress,
    /// Every index is there and every primary started.
    Success,
    /// An index is missing, or a primary will never start.
    Failed,
    /// A word of a later version. Never success.
    #[serde(untagged)]
    Other(String),
}

/// One index of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestoredIndex {
    /// Its name in the snapshot.
    pub index: String,
    /// Its name on the target.
    pub target_index: String,
    /// Its own settings, to be put back when the restore is done; none where nobody knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<IndexSettings>,
    /// Whether it had been restored before this run.
    #[serde(default)]
    pub adopted: bool,
    /// Whether its own settings are in force again.
    #[serde(default)]
    pub finished: bool,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A restore of one snapshot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Restore {
    /// The repository's name on `cluster`.
    pub repository: String,
    /// The snapshot's name.
    pub snapshot: String,
    /// The snapshot's `uuid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub state: RestoreState,
    /// The cluster it is restored on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// The cluster the snapshot was taken of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ClusterId>,
    /// The indices, sorted by their name in the snapshot.
    #[serde(default)]
    pub indices: Vec<RestoredIndex>,
    /// Primary shards.
    #[serde(default)]
    pub shards: Shards,
    /// `green`, `yellow` or `red`, once the wait has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Why it failed, in the server's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// What each tool did for this record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Restore {
    /// Why it is not to be built on, where it is not: what failed, or what its state is.
    #[must_use]
    pub fn trouble(&self) -> String {
        match &self.state {
            _ if !self.failures.is_empty() => self.failures.join("; "),
            RestoreState::InProgress => "it is not final".into(),
            RestoreState::Other(word) => format!("its state is {word:?}, which this version does not know"),
            _ if self.indices.is_empty() => "it names no index: nothing was restored".into(),
            _ => "its record does not say why".into(),
        }
    }
}
