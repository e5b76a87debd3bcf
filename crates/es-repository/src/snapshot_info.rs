//! `SnapshotInfo`: what `snap-UUID.dat` says about a snapshot as a whole.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::tree::{Tree, from_slice};

/// The bit that tells OpenSearch's numbers of versions from Elasticsearch's.
pub const OPENSEARCH: i64 = 0x0800_0000;

/// One snapshot.
#[derive(Debug, Clone, Deserialize)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: String,
    /// Its id; old snapshots have none.
    pub uuid: Option<String>,
    /// `SUCCESS`, `PARTIAL`, `FAILED`, `IN_PROGRESS`.
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Names of its indices.
    #[serde(default)]
    pub indices: Vec<String>,
    /// Names of its data streams.
    #[serde(default)]
    pub data_streams: Vec<String>,
    /// Whether cluster settings and templates are in it.
    pub include_global_state: Option<bool>,
    /// Milliseconds since 1970.
    pub start_time: Option<i64>,
    /// Milliseconds since 1970.
    pub end_time: Option<i64>,
    /// Shards that were to be in it.
    pub total_shards: Option<u64>,
    /// Shards that are.
    pub successful_shards: Option<u64>,
    /// Number of the version that took it.
    pub version_id: Option<i64>,
    /// Shards that are not in it.
    #[serde(default)]
    pub failures: Vec<ShardFailure>,
    /// OpenSearch: the shards are pointers into another repository.
    #[serde(default)]
    pub remote_store_index_shallow_copy: Option<bool>,
    /// OpenSearch: the same, without even pointers.
    #[serde(default)]
    pub pinned_timestamp: Option<i64>,
}

/// A shard that is not in its snapshot.
#[derive(Debug, Clone, Deserialize)]
pub struct ShardFailure {
    /// Index.
    pub index: String,
    /// Shard.
    #[serde(alias = "shard")]
    pub shard_id: u32,
    /// Why.
    pub reason: Option<String>,
}

impl SnapshotInfo {
    pub(crate) fn parse(blob: &str, bytes: &[u8]) -> Result<Self> {
        let Tree(root) = from_slice(blob, bytes)?;
        // One root key, `snapshot`, whose value are the fields; or the fields themselves.
        let fields = match root {
            Value::Object(mut map) if map.len() == 1 => {
                map.iter_mut().next().map(|(_, value)| value.take()).unwrap_or_default()
            }
            other => other,
        };
        serde_json::from_value(fields).map_err(|error| Error::corrupt(blob, error))
    }

    /// Why a shard is not in it.
    #[must_use]
    pub fn failure(&self, index: &str, shard: u32) -> Option<&ShardFailure> {
        self.failures.iter().find(|failure| failure.index == index && failure.shard_id == shard)
    }

    /// Whether the documents lie in a remote store, not in this repository.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.remote_store_index_shallow_copy == Some(true) || self.pinned_timestamp.is_some_and(|time| time > 0)
    }
}
