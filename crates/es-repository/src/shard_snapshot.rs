//! `BlobStoreIndexShardSnapshot`: which files a shard has, and which blobs hold them.

use serde::Deserialize;

use crate::tree::Binary;

/// The file list of one shard in one snapshot.
#[derive(Debug, Deserialize)]
pub(crate) struct ShardSnapshot {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) files: Vec<FileInfo>,
}

/// One Lucene file.
#[derive(Debug, Deserialize)]
pub(crate) struct FileInfo {
    /// The blob's name.
    pub(crate) name: String,
    /// The file's name.
    pub(crate) physical_name: String,
    pub(crate) length: u64,
    pub(crate) checksum: Option<String>,
    pub(crate) part_size: Option<u64>,
    pub(crate) meta_hash: Option<Binary>,
}
