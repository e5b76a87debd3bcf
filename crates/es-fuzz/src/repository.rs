//! Blobs of a repository, each changed in a copy of one that a real server wrote.

use std::fs;
use std::path::{Path, PathBuf};

use es_lucene::Directory as _;
use es_repository::Verdict;

use crate::Run;
use crate::golden::{files, mend, open, repositories, seed, split};

/// Where a kind of blob lies.
type Kind = fn(&Path) -> bool;

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_data(path: &Path) -> bool {
    path.components().count() == 1 && (name(path).starts_with("index-"))
}

fn is_snapshot(path: &Path) -> bool {
    path.components().count() == 1 && name(path).starts_with("snap-")
}

fn is_index(path: &Path) -> bool {
    path.components().count() == 3 && name(path).starts_with("meta-")
}

fn is_shard(path: &Path) -> bool {
    path.components().count() > 3 && name(path).starts_with("snap-")
}

/// Every blob of a kind: the repository and the name within.
fn places(kind: Kind) -> Vec<(PathBuf, PathBuf)> {
    let mut places = Vec::new();
    for root in repositories() {
        let blobs = files(&root);
        places.extend(blobs.into_iter().filter(|path| kind(path)).map(|path| (root.clone(), path)));
    }
    assert!(!places.is_empty());
    places
}

fn seeds(kind: Kind) -> Vec<Vec<u8>> {
    places(kind).iter().enumerate().map(|(n, (root, path))| seed(n, &fs::read(root.join(path)).unwrap())).collect()
}

/// What is read of a repository once a blob of it was changed.
type Read = fn(&Path, &Path) -> Result<(), es_repository::Error>;

fn run(kind: Kind, read: Read) -> Run {
    // Documents are not read here: their blobs stay behind.
    let scratch = tempfile::tempdir().unwrap();
    let mut copies = Vec::new();
    for root in repositories() {
        let name_of_copy = PathBuf::from(root.file_name().unwrap());
        let copy = scratch.path().join(&name_of_copy);
        for path in files(&root).iter().filter(|path| !name(path).starts_with("__")) {
            let to = copy.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root.join(path), to).unwrap();
        }
        copies.push((root, name_of_copy));
    }
    let copy_of = |root: &PathBuf| copies.iter().find(|(known, _)| known == root).unwrap().1.clone();
    let places: Vec<_> = places(kind)
        .iter()
        .map(|(root, path)| (copy_of(root), path.clone(), fs::read(root.join(path)).unwrap()))
        .collect();
    Box::new(move |data| {
        let Some((place, body)) = split(data, places.len()) else { return };
        let (copy, path, good) = &places[place];
        let mut body = body.to_vec();
        mend(&mut body);
        let at = scratch.path().join(copy).join(path);
        fs::write(&at, body).unwrap();
        // What it says is not the matter here: it must say something, in bounded time and memory.
        let _ = read(&scratch.path().join(copy), path);
        fs::write(&at, good).unwrap();
    })
}

fn is_below(path: &Path, folder: &str) -> bool {
    path.iter().any(|part| part == folder)
}

pub(crate) fn data() -> Run {
    run(is_data, |copy, _| {
        let repository = open(copy)?;
        for snapshot in &repository.data().snapshots {
            let _ = repository.data().snapshot(&snapshot.name);
            let _ = repository.data().indices_of(snapshot).count();
        }
        Ok(())
    })
}

pub(crate) fn snapshot() -> Run {
    run(is_snapshot, |copy, path| {
        let repository = open(copy)?;
        let own = |uuid: &str| name(path) == format!("snap-{uuid}.dat");
        for snapshot in repository.data().snapshots.iter().filter(|snapshot| own(&snapshot.uuid)) {
            let info = repository.snapshot_info(snapshot)?;
            let _ = info.is_shallow();
            repository.indices(snapshot, &info)?;
        }
        Ok(())
    })
}

pub(crate) fn index() -> Run {
    run(is_index, |copy, path| {
        let repository = open(copy)?;
        for snapshot in &repository.data().snapshots {
            for index in repository.data().indices_of(snapshot).filter(|index| is_below(path, &index.id)) {
                let metadata = repository.index_metadata(snapshot, index)?;
                assert!(metadata.shards > 0, "an index without shards");
                let unreadable = matches!(metadata.verdict(), Verdict::Unreadable(_));
                let _ = (unreadable, metadata.mapping(), metadata.doc_type());
            }
        }
        Ok(())
    })
}

pub(crate) fn shard() -> Run {
    run(is_shard, |copy, path| {
        let repository = open(copy)?;
        let own = |uuid: &str| name(path) == format!("snap-{uuid}.dat");
        for snapshot in repository.data().snapshots.iter().filter(|snapshot| own(&snapshot.uuid)) {
            for index in repository.data().indices_of(snapshot).filter(|index| is_below(path, &index.id)) {
                let number = path.iter().rev().nth(1).and_then(|part| part.to_str()?.parse().ok()).unwrap_or(0);
                let files = repository.shard(snapshot, index, number)?;
                for file in files.names() {
                    let _ = files.open(&file).map(|source| (source.size(), source.expected_checksum()));
                }
                let _ = (files.count(), files.bytes());
                // Its own files are not here: what is said of them must not lead out of the repository.
                let _ = es_lucene::SegmentInfos::read(&files);
            }
        }
        Ok(())
    })
}

pub(crate) fn data_seeds() -> Vec<Vec<u8>> {
    seeds(is_data)
}

pub(crate) fn snapshot_seeds() -> Vec<Vec<u8>> {
    seeds(is_snapshot)
}

pub(crate) fn index_seeds() -> Vec<Vec<u8>> {
    seeds(is_index)
}

pub(crate) fn shard_seeds() -> Vec<Vec<u8>> {
    seeds(is_shard)
}
