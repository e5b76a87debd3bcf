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
