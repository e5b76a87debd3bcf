//! A registered snapshot repository.

use crate::{ClusterId, Extra, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A repository as `GET _snapshot/NAME` shows it, and what verifying it said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Repository {
    /// Its name on the cluster.
    pub repository: String,
    /// `s3`, `fs`, `url` ...; spelled apart from the record's own `type`.
    pub repository_type: String,
    /// Settings as the server keeps them: secrets are never among them.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// The cluster it is registered on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// Whether this run changed the registration.
    #[serde(default)]
    pub changed: bool,
    /// Whether `_verify` was called and every node answered.
    #[serde(default)]
    pub verified: bool,
    /// Names of the nodes that verified it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// What each tool did for this record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}
