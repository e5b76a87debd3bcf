//! Snapshot repositories of Elasticsearch 5 to 9 and OpenSearch 1 to 3, read without a server.
//!
//! [`Repository`] finds snapshots, indices and shards, and gives each shard as the Lucene files that
//! `es_lucene` reads. Only what is needed is fetched, in ranges. What contradicts itself is refused.

mod blobs;
mod checksum_blob_store_format;
mod error;
mod health;
mod http;
mod index_metadata;
mod object;
mod object_error;
mod repository;
mod repository_data;
mod secrets;
mod shard_files;
mod shard_path;
mod shard_snapshot;
mod snapshot_info;
mod tree;

pub use error::{Error, ErrorKind, Result};
pub use index_metadata::{IndexMetadata, Verdict};
pub use object::{ObjectOptions, RequestListener, S3CredentialSource, S3Credentials};
pub use repository::{Options, Repository};
pub use repository_data::{IndexEntry, RepositoryData, SnapshotEntry};
pub use secrets::without_secrets;
pub use shard_files::ShardFiles;
pub use snapshot_info::{OPENSEARCH, ShardFailure, SnapshotInfo};
