//! The records that travel between the tools, and the verdicts they end with: plain data, no I/O.
//!
//! Every record is one JSON object on one line. `type` comes first, keys are spelled as the server spells
//! them, and a field that a tool does not know passes through it untouched (`extra`). docs/records.md has an
//! example of each, which the tests read.

mod cluster;
mod count;
mod fault;
mod repository;
mod restore;
mod snapshot;
mod step;

pub use cluster::{ClusterId, Role};
pub use count::{Count, CountVerdict};
pub use fault::{Exit, Fault};
pub use repository::Repository;
pub use restore::{Restore, RestoreState, RestoredIndex};
pub use snapshot::{IndexSettings, ShardFailure, Shards, Snapshot, State};
pub use step::Step;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fields of a record that this version does not know.
pub type Extra = Map<String, Value>;

/// A record of any type that the tools exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record {
    /// A repository that is registered as asked.
    Repository(Repository),
    /// A snapshot, running or final.
    Snapshot(Snapshot),
    /// A restore, running or final.
    Restore(Restore),
    /// A wish to see indices in a certain health.
    Health(Health),
    /// The document counts of one pair of indices.
    Count(Count),
}

impl Record {
    /// The word in `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Repository(_) => "repository",
            Self::Snapshot(_) => "snapshot",
            Self::Restore(_) => "restore",
            Self::Health(_) => "health",
            Self::Count(_) => "count",
        }
    }
}

/// The health of some indices of a cluster, as wanted or as reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Health {
    /// The cluster that was or is to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// The indices meant; none means the whole cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indices: Vec<String>,
    /// `green`, `yellow` or `red`, as `_cluster/health` spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What each tool did for this record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}
