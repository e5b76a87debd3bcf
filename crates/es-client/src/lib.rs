//! One cluster over HTTP: connections, TLS, authentication, time limits, retries, and what its answers mean.
//!
//! Every request has a time limit. Only reads are sent again. HTTP status is never the verdict: [`ServerError`]
//! is looked up by `error.type` and reason in the [`catalogue`]. What differs between server versions sits here, behind a name.

mod answer;
mod auth;
pub mod catalogue;
mod cluster;
mod config;
mod datemath;
mod error;
mod indices;
mod path;
mod restored;
mod secrets;

pub use answer::{excerpt, snapshot_named};
pub use catalogue::Class;
pub use cluster::{Cluster, Method};
pub use config::{ClusterArgs, Config, ENVIRONMENT, PairArgs, UrlFlag};
pub use datemath::date_math;
pub use error::{CallError, ServerError};
pub use indices::{IndexInfo, Indices, Pattern, born_after, flat, index_settings};
pub use path::{Path, batches, check_snapshot_name};
pub use restored::{Origin, Standing, standings};

/// Parsers of what comes from outside, for fuzzing.
#[doc(hidden)]
pub mod parsers {
    use crate::{Indices, Origin};
    use serde_json::Value;

    /// Reads the three lists of a cluster's indices: settings, aliases, states.
    #[must_use]
    pub fn indices(settings: &Value, aliases: &Value, states: &Value) -> Indices {
        Indices::from_answers(settings, aliases, states)
    }

    /// Reads answers of `_recovery` and of the routing table: the indices that they show something of, and whether each was restored
    /// from this very snapshot, under its own name.
    #[must_use]
    pub fn restored(recoveries: &Value, routes: &Value, origin: &Origin<'_>) -> Vec<(String, bool)> {
        crate::restored::read(recoveries, routes, origin)
    }
}
