//! Segments of real servers read in parts: the same documents as in one go, whatever the index of chunks says.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use es_lucene::{Counts, Directory, Error, Mapping, PartRead, Segment, SegmentCommitInfo, SegmentInfos, Source};
use es_repository::{Options, Repository, ShardFiles, Verdict};

/// Repositories with an index of one segment of many chunks, and another of few that are compressed better, for each way in
/// which Lucene has written the index of chunks; no compound files.
fn repositories() -> Vec<PathBuf> {
    let chunks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/chunks");
    let mut paths: Vec<_> = fs::read_dir(chunks).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Calls `visit` with every segment of a repository that can be read, and whether its documents have primary terms.
fn each_segment(root: &Path, mut visit: impl FnMut(&ShardFiles, &SegmentCommitInfo, &Mapping)) {
    let repository = Repository::open(&format!("file://{}", root.display()), &Options::default()).unwrap();
    for snapshot in &repository.data().snapshots {
        let info = repository.snapshot_info(snapshot).unwrap();
        for index in repository.indices(snapshot, &info).unwrap() {
            let metadata = repository.index_metadata(snapshot, index).unwrap();
            for shard in 0..metadata.shards {
                let failed =
                    |failure: &es_repository::ShardFailure| failure.index == index.name && failure.shard_id == shard;
                if info.failures.iter().any(failed) || matches!(metadata.verdict(), Verdict::Unreadable(_)) {
                    continue;
                }
                let files = repository.shard(snapshot, index, shard).unwrap();
                for commit in SegmentInfos::read(&files).unwrap().segments {
                    visit(&files, &commit, &metadata.mapping());
                }
            }
        }
    }
}

type Documents = BTreeMap<u32, String>;

/// Reads a segment in parts of so many bytes, the last part first. How many parts, what was in them, and what they add up to.
fn in_parts(segment: &Segment, step: u64) -> Result<(usize, Documents, Counts), Error> {
    let mut documents = Documents::new();
    let mut read: Vec<PartRead> = Vec::new();
    let parts = segment.parts(step)?;
    for part in parts.iter().rev() {
        read.push(segment.read_part(
            part,
            |_| (),
            |document| -> Result<(), Error> {
                let source = document.source.map(crc32fast::hash);
                let text = format!("{} {:?} {:?} {source:?}", document.id, document.doc_type, document.routing);
                assert!(documents.insert(document.number, text).is_none());
                Ok(())
            },
        )?);
    }
    Ok((parts.len(), documents, segment.finish(read)?))
}

#[test]
fn parts_of_a_segment_are_the_whole_in_any_order() {
    for path in repositories() {
        let mut parted = 0;
        each_segment(&path, |files, commit, mapping| {
            let segment = Segment::open(files, commit, mapping).unwrap();
            let (count, whole, counts) = in_parts(&segment, u64::MAX).unwrap();
            assert_eq!(count, 1);
            for step in [1, 1000, 100_000] {
                let (count, documents, counted) = in_parts(&segment, step).unwrap();
                assert!(documents == whole && counted == counts, "{}: {count} parts", path.display());
                parted += usize::from(count > 1);
            }
        });
        assert!(parted > 0, "{}: no segment has two chunks", path.display());
    }
}

#[test]
fn a_part_that_is_missing_or_comes_twice_is_missed() {
    let mut tried = 0;
    for path in repositories() {
        each_segment(&path, |files, commit, mapping| {
            let segment = Segment::open(files, commit, mapping).unwrap();
            let parts = segment.parts(1).unwrap();
            let read = |part| segment.read_part(part, |_| (), |_| -> Result<(), Error> { Ok(()) }).unwrap();
            for without in 0..parts.len() {
                let others = parts.iter().enumerate().filter(|(number, _)| *number != without);
                let error = segment.finish(others.map(|(_, part)| read(part)).collect()).unwrap_err();
                assert!(error.to_string().contains("was not read as a whole"), "{error}");
                let twice = parts.iter().chain(&parts[without..=without]).map(read).collect();
                assert!(segment.finish(twice).unwrap_err().to_string().contains("was not read as a whole"));
                tried += 1;
            }
        });
    }
    assert!(tried > 50, "{tried}");
}

/// A shard with one byte of one file changed, that file's checksum made right again or not.
struct Changed<'a> {
    inner: &'a dyn Directory,
    file: &'a str,
    place: usize,
    mask: u8,
    right: bool,
}

impl Directory for Changed<'_> {
    fn names(&self) -> Vec<String> {
        self.inner.names()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        let source = self.inner.open(name)?;
        if name != self.file {
            return Some(source);
        }
        let mut bytes = vec![0; usize::try_from(source.size()).unwrap()];
        source.read_at(0, &mut bytes).unwrap();
        bytes[self.place] ^= self.mask;
        if self.right {
            let end = bytes.len() - 8;
            let checksum = crc32fast::hash(&bytes[..end]);
            bytes[end..].copy_from_slice(&u64::from(checksum).to_be_bytes());
        }
        Some(Arc::new(bytes))
    }
}

#[test]
fn an_index_of_chunks_that_lies_is_refused_or_changes_nothing() {
    for path in repositories() {
        let (mut tried, mut refused) = (0, 0);
        each_segment(&path, |files, commit, mapping| {
            let segment = Segment::open(files, commit, mapping).unwrap();
            let (count, whole, _) = in_parts(&segment, 1).unwrap();
            let name = format!("{}.fdx", commit.name);
            let index = files.open(&name).unwrap();
            assert!(count > 1);
            let size = usize::try_from(index.size()).unwrap();
            for place in (0..size).step_by(size.div_ceil(60)) {
                for (mask, right) in [(1, true), (0xFF, true), (1, false)] {
                    let files = Changed { inner: files, file: &name, place, mask, right };
                    let read = Segment::open(&files, commit, mapping).and_then(|segment| in_parts(&segment, 1));
                    tried += 1;
                    match read {
                        Ok((_, documents, _)) => {
                            assert!(right && documents == whole, "{}: byte {place}", path.display());
                        }
                        Err(_) => refused += 1,
                    }
                }
            }
        });
        // A checksum is wrong in every third.
        assert!(tried > 20 && refused * 3 > tried, "{}: {refused} of {tried}", path.display());
    }
}

/// Through Lucene 8.6 a file says at its end how many chunks were written.
#[test]
fn one_chunk_more_than_was_read_is_missed() {
    let mut tried = 0;
    for path in repositories() {
        each_segment(&path, |files, commit, mapping| {
            let name = format!("{}.fdt", commit.name);
            let source = files.open(&name).unwrap();
            let mut bytes = vec![0; usize::try_from(source.size()).unwrap()];
            source.read_at(0, &mut bytes).unwrap();
            if !bytes.windows(20).any(|bytes| bytes == b"Lucene50StoredFields") {
                return;
            }
            let chunks = Segment::open(files, commit, mapping).unwrap().parts(1).unwrap().len();
            // Another counter and the footer follow.
            let place = bytes.len() - 18;
            assert_eq!(usize::from(bytes[place]), chunks);
            let mask = bytes[place] ^ (bytes[place] + 1);
            let files = Changed { inner: files, file: &name, place, mask, right: true };
            for step in [1, u64::MAX] {
                let read = Segment::open(&files, commit, mapping).and_then(|segment| in_parts(&segment, step));
                let error = read.map(|_| ()).unwrap_err().to_string();
                assert!(error.contains(&format!("{chunks} chunks were read, {} were written", chunks + 1)), "{error}");
                tried += 1;
            }
        });
    }
    assert!(tried >= 8, "{tried}");
}
