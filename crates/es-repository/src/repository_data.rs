//! `index-N`: which snapshots and indices a repository holds.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::snapshot_info::OPENSEARCH;
use crate::tree::{Tree, damaged};

/// The repository format this reader knows; servers raise `min_version` when they change it.
const NEWEST_KNOWN: (u32, u32) = (7, 12);

/// What all later versions are listed as.
const STANDS_FOR_LATER: &str = "8.11.0";

/// The content of `index-N`.
#[derive(Debug, Clone)]
pub struct RepositoryData {
    /// N.
    pub generation: u64,
    /// All snapshots, in the order of the repository.
    pub snapshots: Vec<SnapshotEntry>,
    /// All indices, by name and then by id: an index that was deleted and made again has two ids.
    pub indices: Vec<IndexEntry>,
    /// Names of index metadata blobs.
    pub(crate) metadata_identifiers: HashMap<String, String>,
    /// Id of the repository, from 7.12 on.
    pub uuid: Option<String>,
}

/// A snapshot as `index-N` lists it.
#[derive(Debug, Clone)]
pub struct SnapshotEntry {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uuid: String,
    /// Its state, where the list has it.
    pub state: Option<&'static str>,
    /// The version the list gives; 8.11.0 stands for "that or later".
    pub version: Option<String>,
    /// The number beside a version that stands for others.
    index_version: Option<i64>,
    metadata_lookup: HashMap<String, String>,
}

impl SnapshotEntry {
    /// Whether this can be the version of a snapshot whose own record gives it this number.
    pub(crate) fn may_have_version(&self, id: i64) -> bool {
        if let Some(number) = self.index_version {
            return number == id;
        }
        let Some(version) = &self.version else {
            return true;
        };
        let id = id & !OPENSEARCH;
        // Not the third number: from 8.9 on, some have that of another.
        version == STANDS_FOR_LATER || version.starts_with(&format!("{}.{}.", id / 1_000_000, id / 10_000 % 100))
    }
}

/// An index as `index-N` lists it.
#[derive(Debug, Clone)]
pub struct IndexEntry {
    /// Its name.
    pub name: String,
    /// Its id within the repository.
    pub id: String,
    /// Ids of the snapshots it is in.
    pub snapshots: Vec<String>,
    pub(crate) path_type: u8,
}

#[derive(Deserialize)]
struct Raw {
    snapshots: Vec<RawSnapshot>,
    #[serde(default)]
    indices: serde_json::Map<String, serde_json::Value>,
    min_version: Option<String>,
    #[serde(default)]
    index_metadata_identifiers: HashMap<String, String>,
    uuid: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawSnapshot {
    /// Before 5.0.
    Name(String),
    Entry {
        name: String,
        uuid: String,
        state: Option<u8>,
        version: Option<String>,
        index_version: Option<i64>,
        #[serde(default)]
        index_metadata_lookup: HashMap<String, String>,
    },
}

#[derive(Deserialize)]
struct RawIndex {
    id: String,
    snapshots: Vec<RawReference>,
    #[serde(default)]
    shard_path_type: u8,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawReference {
    Uuid(String),
    /// Before 5.4.1.
    Named {
        uuid: String,
    },
}

impl RepositoryData {
    pub(crate) fn parse(blob: &str, generation: u64, bytes: &[u8]) -> Result<Self> {
        // No key of a tree comes twice: which of two is meant, nobody can say.
        let tree = match serde_json::from_slice(bytes) {
            Ok(Tree(tree @ Value::Object(_))) => tree,
            Err(error) if bytes.trim_ascii_start().starts_with(b"{") => {
                return Err(Error::corrupt(blob, damaged(&error)));
            }
            _ if bytes.is_empty() => return Err(Error::corrupt(blob, "it is empty")),
            // Servers encrypt this file too.
            _ => {
                return Err(Error::corrupt(blob, "not JSON: damaged, or encrypted")
                    .with_hint("a repository with client-side encryption cannot be read"));
            }
        };
        let raw: Raw = serde_json::from_value(tree).map_err(|error| Error::corrupt(blob, error))?;
        if let Some(version) = &raw.min_version {
            check_version(blob, version)?;
        }
        let mut snapshots = Vec::new();
        for snapshot in raw.snapshots {
            snapshots.push(entry(blob, snapshot)?);
        }
        let mut indices = Vec::new();
        for (name, value) in raw.indices {
            let index: RawIndex = serde_json::from_value(value)
                .map_err(|error| Error::corrupt(blob, format!("index {name:?}: {error}")))?;
            if index.shard_path_type > 2 {
                return Err(Error::unsupported(
                    blob,
                    format!("index {name:?}: path type {} is not known", index.shard_path_type),
                ));
            }
            let references = index.snapshots.into_iter().map(|reference| match reference {
                RawReference::Uuid(uuid) | RawReference::Named { uuid } => uuid,
            });
            indices.push(IndexEntry {
                snapshots: references.collect(),
                name,
                id: index.id,
                path_type: index.shard_path_type,
            });
        }
        let data = Self {
            generation,
            snapshots,
            indices,
            metadata_identifiers: raw.index_metadata_identifiers,
            uuid: raw.uuid,
        };
        data.check(blob)?;
        Ok(data)
    }

    fn check(&self, blob: &str) -> Result<()> {
        let (mut names, mut uuids, mut ids) = (HashSet::new(), HashSet::new(), HashSet::new());
        for snapshot in &self.snapshots {
            if !names.insert(&snapshot.name) || !uuids.insert(&snapshot.uuid) {
                return Err(Error::corrupt(blob, format!("snapshot {:?} is listed twice", snapshot.name)));
            }
        }
        for index in &self.indices {
            if !ids.insert(&index.id) {
                return Err(Error::corrupt(blob, format!("index {:?} has the id of another", index.name)));
            }
            for uuid in &index.snapshots {
                if !uuids.contains(uuid) {
                    return Err(Error::corrupt(
                        blob,
                        format!("index {:?} is in snapshot {uuid}, which does not exist", index.name),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether it has this very snapshot, not another of the same name.
    #[must_use]
    pub fn holds(&self, snapshot: &SnapshotEntry) -> bool {
        self.snapshots.iter().any(|held| held.uuid == snapshot.uuid)
    }

    /// The snapshot of this name.
    #[must_use]
    pub fn snapshot(&self, name: &str) -> Option<&SnapshotEntry> {
        self.snapshots.iter().find(|snapshot| snapshot.name == name)
    }

    /// The indices in a snapshot.
    pub fn indices_of<'a>(&'a self, snapshot: &'a SnapshotEntry) -> impl Iterator<Item = &'a IndexEntry> {
        self.indices.iter().filter(|index| index.snapshots.contains(&snapshot.uuid))
    }

    /// Name of the metadata blob of an index in a snapshot, without directory and extension, and what it is known by if that is
    /// told.
    pub(crate) fn metadata_blob<'a>(
        &'a self,
        snapshot: &'a SnapshotEntry,
        index: &IndexEntry,
    ) -> Result<(&'a str, Option<&'a str>)> {
        let Some(identifier) = snapshot.metadata_lookup.get(&index.id) else {
            return Ok((&snapshot.uuid, None));
        };
        match self.metadata_identifiers.get(identifier) {
            Some(name) => Ok((name, Some(identifier))),
            None => Err(Error::corrupt(
                &format!("index-{}", self.generation),
                format!("index {:?}: its metadata {identifier} has no name", index.name),
            )),
        }
    }
}

fn entry(blob: &str, raw: RawSnapshot) -> Result<SnapshotEntry> {
    match raw {
        RawSnapshot::Name(name) => {
            let (uuid, metadata_lookup) = (name.clone(), HashMap::new());
            Ok(SnapshotEntry { name, uuid, state: None, version: None, index_version: None, metadata_lookup })
        }
        RawSnapshot::Entry { name, uuid, state, version, index_version, index_metadata_lookup } => {
            let state = match state {
                None => None,
                Some(0) => Some("IN_PROGRESS"),
                Some(1) => Some("SUCCESS"),
                Some(2) => Some("FAILED"),
                Some(3) => Some("PARTIAL"),
                Some(4) => Some("INCOMPATIBLE"),
                Some(other) => {
                    return Err(Error::unsupported(blob, format!("snapshot {name:?}: state {other} is not known")));
                }
            };
            Ok(SnapshotEntry { name, uuid, state, version, index_version, metadata_lookup: index_metadata_lookup })
        }
    }
}

fn check_version(blob: &str, version: &str) -> Result<()> {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        return Err(Error::corrupt(blob, format!("{version:?} is no version")));
    };
    if (major, minor) > NEWEST_KNOWN {
        return Err(Error::unsupported(blob, format!("the repository needs a reader of version {version} or later")));
    }
    Ok(())
}
