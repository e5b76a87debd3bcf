//! A snapshot, from accepted to final.

use crate::{ClusterId, Extra, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The state of a snapshot as `GET _snapshot/REPO/SNAP` spells it, and the two ends that no server names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Running.
    #[default]
    InProgress,
    /// All shards are in the repository.
    Success,
    /// Some shards are missing.
    Partial,
    /// Nothing usable.
    Failed,
    /// Written by a version this cluster cannot read.
    Incompatible,
    /// Accepted, and then gone: the server answers 404 for it.
    Missing,
    /// A word that this version does not know. Never success.
    #[serde(untagged)]
    Other(String),
}

impl State {
    /// Whether the server will not change it any more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        *self != Self::InProgress
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Success => "SUCCESS",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::Incompatible => "INCOMPATIBLE",
            Self::Missing => "MISSING",
            Self::Other(word) => word,
        })
    }
}

/// Shard counts of a snapshot or a restore.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shards {
    /// Shards that belong to it.
    pub total: u64,
    /// Shards that failed.
    pub failed: u64,
    /// Shards that are done.
    pub successful: u64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Shards {
    /// Whether there are any, and every one is done.
    #[must_use]
    pub fn are_all_there(&self) -> bool {
        self.total > 0 && self.total == self.successful && self.failed == 0
    }
}

/// Why a shard is not in the snapshot, in the server's words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ShardFailure {
    /// The index.
    #[serde(default)]
    pub index: String,
    /// The shard's number; some servers leave it out.
    #[serde(default)]
    pub shard_id: Option<i64>,
    /// The reason.
    #[serde(default)]
    pub reason: String,
    /// The server's other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is remembered of an index on the source, so that it can be put back and recognised on the target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IndexSettings {
    /// `index.number_of_shards`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of_shards: Option<u64>,
    /// `index.number_of_replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of_replicas: Option<u64>,
    /// `index.refresh_interval`; none where the index leaves it to the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<String>,
    /// `index.creation_date` in milliseconds: a restored index keeps it, which is how it is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_date: Option<String>,
    /// Aliases of the index on the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A snapshot as the server shows it, and what was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The repository's name on `cluster`.
    pub repository: String,
    /// The snapshot's name.
    pub snapshot: String,
    /// The server's `uuid` of it, once known: another one under the same name is another snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub state: State,
    /// The cluster that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// Indices asked for, by their concrete names, sorted.
    #[serde(default)]
    pub indices: Vec<String>,
    /// What of each index is to be remembered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub index_settings: BTreeMap<String, IndexSettings>,
    /// Whether cluster settings and templates are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_global_state: Option<bool>,
    /// Whether missing primaries were allowed.
    #[serde(default)]
    pub partial: bool,
    /// Whether it existed before this run.
    #[serde(default)]
    pub adopted: bool,
    /// The server's version that wrote it, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Shard counts; zero until it is final.
    #[serde(default)]
    pub shards: Shards,
    /// Failures in the server's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<ShardFailure>,
    /// Indices that were asked for and are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_indices: Vec<String>,
    /// Begin, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time_in_millis: Option<i64>,
    /// End, milliseconds since 1970; none while it runs (servers then say 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time_in_millis: Option<i64>,
    /// The server's own duration, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_in_millis: Option<i64>,
    /// `metadata` as asked for (7.3 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// What each tool did for this record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Snapshot {
    /// Whether everything that was asked for is in it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == State::Success
            && self.missing_indices.is_empty()
            && self.failures.is_empty()
            && self.shards.are_all_there()
            && self.shards.total >= self.fewest_shards()
            && !self.indices.is_empty()
    }

    /// How many shards it has at least, by what is remembered of its indices: each has one, whatever is known of it.
    #[must_use]
    pub fn fewest_shards(&self) -> u64 {
        let named: BTreeSet<&String> = self.indices.iter().collect();
        let shards = |name| self.index_settings.get(name).and_then(|own| own.number_of_shards).unwrap_or(1);
        named.into_iter().map(shards).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_nobody_knows_is_kept_and_never_success() {
        let state: State = serde_json::from_str("\"HALF_DONE\"").unwrap();
        assert_eq!(state, State::Other("HALF_DONE".into()));
        assert_eq!(serde_json::to_string(&state).unwrap(), "\"HALF_DONE\"");
        assert!(state.is_final());
    }

    #[test]
    fn fields_of_a_later_version_pass_through() {
        let line = r#"{"repository":"r","snapshot":"s","state":"IN_PROGRESS","novel":{"a":[1]}}"#;
        let snapshot: Snapshot = serde_json::from_str(line).unwrap();
        let again = serde_json::to_value(&snapshot).unwrap();
        assert_eq!(again["novel"]["a"][0], 1);
    }

    #[test]
    fn a_snapshot_of_nothing_is_not_whole() {
        let nothing = Snapshot { state: State::Success, ..Snapshot::default() };
        assert!(!nothing.is_whole());
    }

    #[test]
    fn a_snapshot_with_a_failure_or_without_a_shard_is_not_whole() {
        let shards = Shards { total: 1, successful: 1, ..Shards::default() };
        let whole = Snapshot { state: State::Success, indices: vec!["a".into()], shards, ..Snapshot::default() };
        assert!(whole.is_whole());
        assert!(!Snapshot { failures: vec![ShardFailure::default()], ..whole.clone() }.is_whole());
        assert!(!Snapshot { indices: vec!["a".into(), "b".into()], ..whole.clone() }.is_whole());
        assert!(Snapshot { indices: vec!["a".into(), "a".into()], ..whole.clone() }.is_whole());
        assert!(!Snapshot { shards: Shards::default(), ..whole }.is_whole());
    }
}
