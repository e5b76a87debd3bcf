//! The audit trail that every record carries.

use crate::Extra;
use serde::{Deserialize, Serialize};

/// What one tool did for a record: the steps of a record are its log, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Step {
    /// The tool's name.
    pub tool: String,
    /// The tool's version.
    pub tool_version: String,
    /// When the tool began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took until this record was printed, in milliseconds.
    pub took_in_millis: u64,
    /// HTTP requests sent until then.
    pub requests: u64,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}
