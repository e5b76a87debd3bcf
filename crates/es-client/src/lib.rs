//! One cluster over HTTP: connections, TLS, authentication, time limits, retries, and what its answers mean.
//!
//! Every request has a time limit. Only reads are sent again. HTTP status is never the verdict: [`ServerError`]
//! classes an answer by `error.type` and reason. What differs between server versions sits here, behind a name.

mod auth;
mod cluster;
mod config;
mod error;
mod indices;
mod path;

pub use cluster::{Cluster, Method};
pub use config::{ClusterArgs, Config, ENVIRONMENT, PairArgs, UrlFlag};
pub use error::{CallError, Class, ServerError};
pub use indices::{IndexInfo, Indices, Pattern, flat};
pub use path::{Path, batches};
