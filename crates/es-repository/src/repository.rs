//! A repository: from its URL to the files of a shard.

use std::collections::HashSet;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use url::Url;

use crate::blobs::{Blobs, check_name, directory_hint};
use crate::checksum_blob_store_format::unframe;
use crate::error::{Error, ErrorKind, Result};
use crate::index_metadata::IndexMetadata;
use crate::object::{self, ObjectOptions};
use crate::repository_data::{IndexEntry, RepositoryData, SnapshotEntry};
use crate::secrets::without_secrets;
use crate::shard_files::ShardFiles;
use crate::shard_path;
use crate::shard_snapshot::ShardSnapshot;
use crate::snapshot_info::SnapshotInfo;
use crate::tree::from_slice;

/// So long is waited for what would only explain a failure.
const SOON: Duration = Duration::from_secs(5);

fn parsed(url: &str) -> Result<Url> {
    let no_url = |path: &str| {
        // What comes after a '?' may be a secret, if it is no directory.
        let shown = |text: &str| if Path::new(path).is_dir() { text.to_owned() } else { without_secrets(text) };
        Error::new(ErrorKind::Usage, format!("{:?} is no URL", shown(url))).with_hint(directory_hint(&shown(path)))
    };
    // What is no path from the root on would be taken for one.
    match url.strip_prefix("file:").filter(|path| !path.starts_with('/')) {
        Some(path) => Err(no_url(path)),
        None => Url::parse(url).map_err(|_| no_url(url)),
    }
}

/// How to open a repository.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How to reach an object store.
    pub object: ObjectOptions,
    /// Which `index-N` to read, where the newest is in doubt.
    pub generation: Option<u64>,
}

/// An open repository.
pub struct Repository {
    blobs: Arc<Blobs>,
    data: RepositoryData,
    /// Whether the list of snapshots is one that was asked for, whatever `index.latest` says.
    is_chosen: bool,
    /// A list of snapshots that was written since then.
    newer: Mutex<Option<RepositoryData>>,
    /// Held while metadata of an index are in memory.
    parsing: Mutex<()>,
}

impl Repository {
    /// Opens the repository at `url`: `file:///path`, `s3://bucket/base_path` and so on.
    pub fn open(url: &str, options: &Options) -> Result<Self> {
        let parsed = parsed(url)?;
        let blobs = Arc::new(Blobs::open(&parsed, &options.object)?);
        let data = if let Some(asked) = options.generation {
            let Some(data) = find_data(&blobs, asked)? else {
                // Some stores say only of a listing that there is no such bucket.
                blobs.list("index-")?;
                let what = format!("index-{asked}: no such list of snapshots in the repository");
                return Err(Error::new(ErrorKind::Absent, what).with_hint("without --generation the newest is read"));
            };
            data
        } else {
            let newest = newest_generation(&blobs)?.ok_or_else(|| {
                Error::new(ErrorKind::Failed, "no index-N: this is not the base of a snapshot repository")
                    .with_hint("give the repository's location, or bucket and base_path")
            })?;
            read_data(&blobs, newest)?
        };
        let is_chosen = options.generation.is_some();
        Ok(Self { blobs, data, is_chosen, newer: Mutex::default(), parsing: Mutex::default() })
    }

    /// Fails on a URL that can be no repository's, without asking anyone.
    pub fn check_url(url: &str) -> Result<()> {
        object::check_url(&parsed(url)?)
    }

    /// What the repository holds.
    #[must_use]
    pub fn data(&self) -> &RepositoryData {
        &self.data
    }

    /// Bytes fetched so far.
    #[must_use]
    pub fn bytes_fetched(&self) -> u64 {
        self.blobs.fetched()
    }

    /// What the repository says about a snapshot.
    pub fn snapshot_info(&self, snapshot: &SnapshotEntry) -> Result<SnapshotInfo> {
        check_name(&snapshot.uuid)?;
        let blob = format!("snap-{}.dat", snapshot.uuid);
        let content = unframe(&blob, &self.blobs.get(&blob)?, "snapshot")?;
        let info = SnapshotInfo::parse(&blob, &content)?;
        if info.name != snapshot.name {
            return Err(Error::corrupt(&blob, format!("is of snapshot {:?}, not of {:?}", info.name, snapshot.name)));
        }
        let other = |what: &str, own: &dyn Display| {
            Err(Error::corrupt(&blob, format!("its {what} is {own}, index-{} says another", self.data.generation)))
        };
        // The list of snapshots has no checksum.
        if let Some(uuid) = info.uuid.as_ref().filter(|uuid| **uuid != snapshot.uuid) {
            return other("uuid", uuid);
        }
        if snapshot.state.is_some_and(|state| state != info.state) {
            return other("state", &info.state);
        }
        if let Some(id) = info.version_id.filter(|id| !snapshot.may_have_version(*id)) {
            return other("version", &id);
        }
        Ok(info)
    }

    /// The indices of a snapshot, checked against its own list.
    pub fn indices<'a>(&'a self, snapshot: &'a SnapshotEntry, info: &SnapshotInfo) -> Result<Vec<&'a IndexEntry>> {
        let indices: Vec<_> = self.data.indices_of(snapshot).collect();
        let blob = format!("index-{}", self.data.generation);
        // There may be tens of thousands.
        let own: HashSet<&str> = info.indices.iter().map(String::as_str).collect();
        let listed: HashSet<&str> = indices.iter().map(|index| index.name.as_str()).collect();
        for index in &indices {
            if !own.contains(index.name.as_str()) {
                return Err(Error::corrupt(
                    &blob,
                    format!("index {:?} is not in snapshot {:?}", index.name, info.name),
                ));
            }
        }
        for name in &info.indices {
            if !listed.contains(name.as_str()) {
                return Err(Error::corrupt(&blob, format!("index {name:?} of snapshot {:?} is missing", info.name)));
            }
        }
        Ok(indices)
    }

    /// Settings, mappings and aliases of an index in a snapshot.
    pub fn index_metadata(&self, snapshot: &SnapshotEntry, index: &IndexEntry) -> Result<IndexMetadata> {
        self.with_index_metadata(snapshot, index, |metadata| metadata)
    }

    /// What `take` makes of them. Where several threads ask, one at a time has them in memory: they are many times larger than the
    /// blob.
    pub fn with_index_metadata<R>(
        &self,
        snapshot: &SnapshotEntry,
        index: &IndexEntry,
        take: impl FnOnce(IndexMetadata) -> R,
    ) -> Result<R> {
        let (name, identifier) = self.data.metadata_blob(snapshot, index)?;
        check_name(name)?;
        check_name(&index.id)?;
        let blob = format!("indices/{}/meta-{name}.dat", index.id);
        let framed = self.blobs.get(&blob)?;
        let _alone = self.parsing.lock().unwrap_or_else(PoisonError::into_inner);
        let content = unframe(&blob, &framed, "index-metadata")?;
        let metadata = IndexMetadata::parse(&blob, &content, &index.name)?;
        if identifier.is_some_and(|identifier| !metadata.is_known_by(identifier)) {
            let list = self.data.generation;
            return Err(Error::corrupt(&blob, format!("is of index {:?}, not as index-{list} says", index.name)));
        }
        Ok(take(metadata))
    }

    /// The files of a shard.
    pub fn shard(&self, snapshot: &SnapshotEntry, index: &IndexEntry, shard: u32) -> Result<ShardFiles> {
        check_name(&snapshot.uuid)?;
        check_name(&index.id)?;
        let directory = self.shard_directory(index, shard)?;
        let blob = format!("{directory}/snap-{}.dat", snapshot.uuid);
        let Some(bytes) = self.blobs.find(&blob)? else {
            let shallow = format!("{directory}/shallow-snap-{}.dat", snapshot.uuid);
            if self.blobs.find(&shallow)?.is_some() {
                return Err(Error::unsupported(
                    &shallow,
                    "a shallow snapshot: the files are in a remote store, not in this repository",
                ));
            }
            return Err(self.blobs.failed(&blob, &io::ErrorKind::NotFound.into()));
        };
        let content = unframe(&blob, &bytes, "snapshot")?;
        let files: ShardSnapshot = from_slice(&blob, &content)?;
        if files.name != snapshot.name && files.name != snapshot.uuid {
            return Err(Error::corrupt(&blob, format!("is of snapshot {:?}, not of {:?}", files.name, snapshot.name)));
        }
        if files.files.is_empty() {
            return Err(Error::unsupported(&blob, "the shard has no files: its documents are in another snapshot"));
        }
        ShardFiles::new(&self.blobs, &directory, &blob, files)
    }

    /// Where the blobs of a shard are.
    fn shard_directory(&self, index: &IndexEntry, shard: u32) -> Result<String> {
        let plain = format!("indices/{}/{shard}", index.id);
        match index.path_type {
            0 => Ok(plain),
            path_type => {
                let hash = shard_path::hash(shard, &index.id);
                if path_type == 1 { self.blobs.before_base_path(&hash, &plain) } else { Ok(format!("{hash}/{plain}")) }
            }
        }
    }

    /// Whether a blob was missing, and a list that was written since this repository was opened has others than this snapshot. Where
    /// no list comes, or it cannot be read, nothing is known: the store is asked once and not waited for. Of the list that was asked
    /// for by its number nobody knows what came next.
    pub fn was_deleted(&self, snapshot: &SnapshotEntry) -> bool {
        if self.is_chosen || !self.blobs.has_missed_any() {
            return false;
        }
        let lacks = |data: &RepositoryData| !data.holds(snapshot);
        let mut newer = self.newer.lock().unwrap_or_else(PoisonError::into_inner);
        if !newer.as_ref().is_some_and(lacks) {
            *newer = self.newer_data();
        }
        newer.as_ref().is_some_and(lacks)
    }

    fn newer_data(&self) -> Option<RepositoryData> {
        let (blobs, own) = (Arc::clone(&self.blobs), self.data.generation);
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            let newest = newest_generation(&blobs).ok().flatten().filter(|newest| *newest > own);
            let data = newest.and_then(|newest| read_data(&blobs, newest).ok());
            // Nobody may listen any more.
            sender.send(data).unwrap_or(());
        });
        answer.recv_timeout(SOON).ok().flatten()
    }

    /// Fails if the snapshot is no longer in the repository: something deleted it meanwhile.
    pub fn still_holds(&self, snapshot: &SnapshotEntry) -> Result<()> {
        let gone =
            || Error::new(ErrorKind::Corrupt, format!("snapshot {:?} was deleted while it was read", snapshot.name));
        let own_blob_decides = || match self.blobs.find(&format!("snap-{}.dat", snapshot.uuid))? {
            Some(_) => Ok(()),
            None => Err(gone()),
        };
        if self.is_chosen {
            return own_blob_decides();
        }
        match self.newest_holds(snapshot) {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(gone()),
            Ok(None) => own_blob_decides(),
            // Being written to just now.
            Err(error) if error.kind() == ErrorKind::Retry => own_blob_decides(),
            Err(error) => Err(error),
        }
    }

    /// `None` where there is no list any more.
    fn newest_holds(&self, snapshot: &SnapshotEntry) -> Result<Option<bool>> {
        Ok(match newest_generation(&self.blobs)? {
            Some(newest) if newest == self.data.generation => Some(true),
            Some(newest) => Some(read_data(&self.blobs, newest)?.holds(snapshot)),
            None => None,
        })
    }
}

fn find_data(blobs: &Blobs, generation: u64) -> Result<Option<RepositoryData>> {
    let blob = format!("index-{generation}");
    blobs.find(&blob)?.map(|bytes| RepositoryData::parse(&blob, generation, &bytes)).transpose()
}

/// What the repository itself names must be there, unless the next list took its place meanwhile.
fn read_data(blobs: &Blobs, generation: u64) -> Result<RepositoryData> {
    let blob = format!("index-{generation}");
    if let Some(data) = find_data(blobs, generation)? {
        return Ok(data);
    }
    match newest_generation(blobs)? {
        Some(newest) if newest > generation && find_data(blobs, newest)?.is_some() => Err(Error::new(
            ErrorKind::Retry,
            format!("{blob}: index-{newest} took its place: the repository is being written to"),
        )),
        _ => Err(Error::blob(&blob, &io::ErrorKind::NotFound.into())),
    }
}

/// A list of snapshots that is not there.
fn unlisted(latest: u64) -> Error {
    Error::corrupt(
        &format!("index-{latest}"),
        "no such blob in the repository, and index.latest names it as the list of snapshots",
    )
}

/// The greatest N of all `index-N`, which `index.latest` must agree with. `None` where there is neither.
fn newest_generation(blobs: &Blobs) -> Result<Option<u64>> {
    let latest = match blobs.find("index.latest")? {
        None => None,
        Some(bytes) => match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Some(u64::from_be_bytes(bytes)),
            Err(_) => {
                return Err(Error::corrupt("index.latest", format!("{} bytes in place of eight", bytes.len()))
                    .with_hint("--generation N reads index-N, whatever this says"));
            }
        },
    };
    // Only as servers write it: index-007 is of somebody else.
    let number = |name: &String| {
        let digits = name.strip_prefix("index-")?;
        digits.parse::<u64>().ok().filter(|number| number.to_string() == digits)
    };
    let listed = match blobs.list("index-")? {
        Some(names) => names.iter().filter_map(number).max(),
        // What cannot be listed can be asked for by its name.
        None => match latest.and_then(|latest| latest.checked_add(1)) {
            Some(next) => blobs.find(&format!("index-{next}"))?.map(|_| next).or(latest),
            None => None,
        },
    };
    match (listed, latest) {
        // Servers write the list first, and what names it then.
        (Some(listed), Some(latest)) if listed < latest => {
            Err(unlisted(latest).with_hint(format!("--generation {listed} reads the newest that is there")))
        }
        (Some(listed), Some(latest)) if listed > latest => Err(Error::new(
            ErrorKind::Retry,
            format!("index.latest says {latest}, but there is index-{listed}: the repository is being written to"),
        )
        .with_hint(format!("try again when no snapshot is running; if none is, give --generation {listed}"))),
        (Some(newest), _) => Ok(Some(newest)),
        (None, Some(latest)) => Err(unlisted(latest)),
        (None, None) => Ok(None),
    }
}
