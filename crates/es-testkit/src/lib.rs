//! What the tests of es-migrate stand on.
//!
//! - [`bed`]: real Elasticsearch, OpenSearch and S3 servers, kept by `es-testbed run`.
//! - [`generator`]: seeded data with everything that is easily lost.
//! - [`golden`]: the repositories in tests/golden.
//! - [`contract`]: what every tool does alike.
//! - [`proxy`]: spoils one answer of a real server and passes all else through.
//! - [`recorded`]: answers of real servers, for the stub.
//! - [`score`]: figures of the scorecard that `make chaos` prints.
//! - [`stub`]: a cluster that counts requests and answers what it is told.
//! - [`tls`]: a stand-in behind a certificate that only those trust who are told to.
//! - [`tool`]: runs a tool in a clean environment and checks what it says.
//!
//! Nothing here is published, and a test kit that cannot do its work panics: a test is never skipped in silence.

pub mod bed;
mod cache;
mod catalogue;
pub mod cli;
pub mod contract;
mod daemon;
pub mod generator;
pub mod golden;
mod http;
pub mod proxy;
pub mod recorded;
mod s3;
pub mod score;
mod secrets;
pub mod stub;
pub mod tls;
pub mod tool;
