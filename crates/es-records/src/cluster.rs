//! Which cluster a record speaks of.

use crate::Extra;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The part a cluster plays in a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Where the data is; configured by `ES_SOURCE_*`.
    #[default]
    Source,
    /// Where the data goes; configured by `ES_TARGET_*`.
    Target,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// A cluster as `GET /` presents it. A tool that meets another `cluster_uuid` refuses the record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterId {
    /// The part it plays.
    pub role: Role,
    /// Where it was reached, without user or password.
    pub url: String,
    /// `cluster_name` of `GET /`.
    #[serde(default)]
    pub cluster_name: String,
    /// `cluster_uuid` of `GET /`.
    #[serde(default)]
    pub cluster_uuid: String,
    /// `version.number` of `GET /`.
    #[serde(default)]
    pub version: String,
    /// `elasticsearch` or `opensearch`.
    #[serde(default)]
    pub distribution: String,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}
