//! Repositories of real servers, damaged: whatever happens to a byte, what comes out is right or nothing does.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use es_lucene::{Directory, Mapping, Segment, SegmentInfos, Source};
use es_repository::{Options, Repository, Verdict};
use es_testkit::golden::{self, repositories};
use es_testkit::score;

/// All repositories, and one whose documents are compressed as no other's.
fn all_formats() -> Vec<PathBuf> {
    let mut paths = repositories();
    paths.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/zstandard/opensearch-2.9.0"));
    paths
}

/// A copy of a repository, and the names of its files.
fn copy(from: &Path) -> (tempfile::TempDir, Vec<PathBuf>) {
    (golden::copy(from), golden::files(from))
}

fn segments(files: &dyn Directory, mapping: &Mapping, list: &mut Vec<String>) -> Result<(), es_lucene::Error> {
    for commit in SegmentInfos::read(files)?.segments {
        let segment = Segment::open(files, &commit, mapping)?;
        segment.read(|document| -> Result<(), es_lucene::Error> {
            let source = document.source.map(crc32fast::hash);
            list.push(format!(
                "{} {:?} {:?} {:?} {source:?}",
                document.id, document.doc_type, document.routing, document.parent
            ));
            Ok(())
        })?;
    }
    Ok(())
}

/// Everything that can be read, in a fixed order.
fn read(root: &Path) -> Result<Vec<String>, es_repository::Error> {
    let repository = Repository::open(&format!("file://{}", root.display()), &Options::default())?;
    let mut list = Vec::new();
    for snapshot in &repository.data().snapshots {
        let info = repository.snapshot_info(snapshot)?;
        for index in repository.indices(snapshot, &info)? {
            let metadata = repository.index_metadata(snapshot, index)?;
            if matches!(metadata.verdict(), Verdict::Unreadable(_)) {
                continue;
            }
            for shard in 0..metadata.shards {
                let printed = crc32fast::hash(metadata.as_server_prints(true, None).to_string().as_bytes());
                list.push(format!("{} {} {shard} {printed:x}", snapshot.name, index.name));
                if info.failures.iter().any(|failure| failure.index == index.name && failure.shard_id == shard) {
                    continue;
                }
                let files = repository.shard(snapshot, index, shard)?;
                segments(&files, &metadata.mapping(), &mut list)?;
            }
        }
    }
    Ok(list)
}

/// The same numbers on every run.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

/// Flips one bit of a blob, again and again: each time nothing but what is in the whole repository is read. How often it is refused.
fn flip(repository: &Path, copy: &Path, name: &Path, flips: usize, state: &mut u64, whole: &[String]) -> usize {
    let path = copy.join(name);
    let good = fs::read(&path).unwrap();
    let mut refused = 0;
    for _ in 0..flips {
        let bit = random(state) % (good.len() * 8);
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bad).unwrap();
        match read(copy) {
            Err(_) => refused += 1,
            Ok(list) => assert!(list == whole, "{}: bit {bit} of {}", repository.display(), name.display()),
        }
    }
    fs::write(&path, good).unwrap();
    refused
}

#[test]
fn every_flipped_bit_is_refused_or_changes_nothing() {
    let mut state = 1;
    let flips = if score::whole() { 8 } else { 1 };
    for repository in all_formats() {
        let whole = read(&repository).unwrap();
        let (copy, list) = copy(&repository);
        let mut refused = 0;
        for name in &list {
            let path = copy.path().join(name);
            let good = fs::read(&path).unwrap();
            refused += flip(&repository, copy.path(), name, flips, &mut state, &whole);
            // Cut short, too.
            fs::write(&path, &good[..random(&mut state) % good.len()]).unwrap();
            if let Ok(list) = read(copy.path()) {
                assert!(list == whole, "{}: {} cut short", repository.display(), name.display());
            }
            fs::write(&path, good).unwrap();
        }
        let tried = flips * list.len();
        assert!(refused > tried / 3, "{}: {refused} of {tried} flips noticed", repository.display());
    }
}

/// The one blob without a checksum: what can be compared with others is.
#[test]
fn a_flipped_bit_in_the_list_of_snapshots_is_refused_or_changes_nothing() {
    let mut state = 3;
    let flips = if score::whole() { 2000 } else { 20 };
    for repository in repositories() {
        let whole = read(&repository).unwrap();
        let (copy, list) = copy(&repository);
        let newest = list.iter().rfind(|name| name.to_string_lossy().starts_with("index-")).unwrap();
        let refused = flip(&repository, copy.path(), newest, flips, &mut state, &whole);
        assert!(refused > flips / 2, "{}: {refused} of {flips} flips noticed", repository.display());
    }
}

#[test]
fn every_byte_of_the_metadata_counts() {
    for repository in repositories() {
        let (copy, list) = copy(&repository);
        let dat = list.iter().find(|name| name.to_string_lossy().contains("snap-")).unwrap();
        let path = copy.path().join(dat);
        let good = fs::read(&path).unwrap();
        for byte in (0..good.len()).step_by(29) {
            let mut bad = good.clone();
            bad[byte] ^= 0x10;
            fs::write(&path, bad).unwrap();
            assert!(read(copy.path()).is_err(), "{}: byte {byte}", dat.display());
        }
    }
}

#[test]
fn every_missing_blob_is_named_or_not_needed() {
    for repository in all_formats() {
        let whole = read(&repository).unwrap();
        let (copy, list) = copy(&repository);
        let mut needed = 0;
        for name in &list {
            let path = copy.path().join(name);
            let good = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            match read(copy.path()) {
                Ok(list) => assert!(list == whole, "{}: without {}", repository.display(), name.display()),
                Err(error) => {
                    needed += 1;
                    let text = error.to_string();
                    let name = name.to_string_lossy();
                    // Without the newest index-N there is no telling what it was called.
                    assert!(text.contains(&*name) || name.starts_with("index-"), "{name}: {text}");
                }
            }
            fs::write(&path, good).unwrap();
        }
        assert!(needed > list.len() / 4, "{}: {needed} of {}", repository.display(), list.len());
    }
}

/// What lies under its name is whole, and of another snapshot.
#[test]
fn the_list_of_files_of_another_snapshot_is_refused() {
    for repository in repositories() {
        let (copy, list) = copy(&repository);
        let lists: Vec<_> =
            list.iter().filter(|name| name.components().count() > 1 && is_list_of_files(name)).collect();
        let mut tried = 0;
        for pair in lists.windows(2).filter(|pair| pair[0].parent() == pair[1].parent()) {
            let path = copy.path().join(pair[0]);
            let good = fs::read(&path).unwrap();
            fs::copy(copy.path().join(pair[1]), &path).unwrap();
            let error = read(copy.path()).unwrap_err().to_string();
            assert!(error.contains(&*pair[0].to_string_lossy()) && error.contains("is of snapshot"), "{error}");
            fs::write(&path, good).unwrap();
            tried += 1;
        }
        assert!(tried > 0, "{}", repository.display());
    }
}

fn is_list_of_files(name: &Path) -> bool {
    name.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap-"))
}

/// A shard with one byte of one file changed, and that file's checksum made right again.
struct Forged<'a> {
    inner: &'a dyn Directory,
    file: String,
    place: usize,
    value: u8,
}

impl Directory for Forged<'_> {
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
        let end = bytes.len() - 8;
        let place = self.place % end;
        bytes[place] = self.value;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&u64::from(checksum).to_be_bytes());
        Some(Arc::new(bytes))
    }
}

#[test]
fn no_forged_file_panics() {
    let mut state = 2;
    for path in repositories() {
        let repository = Repository::open(&format!("file://{}", path.display()), &Options::default()).unwrap();
        let snapshot = repository.data().snapshots.first().unwrap();
        let info = repository.snapshot_info(snapshot).unwrap();
        for index in repository.indices(snapshot, &info).unwrap() {
            let metadata = repository.index_metadata(snapshot, index).unwrap();
            let Ok(files) = repository.shard(snapshot, index, 0) else {
                continue; // not in a PARTIAL snapshot
            };
            for file in files.names() {
                for _ in 0..12 {
                    let (place, value) = (random(&mut state), u8::try_from(random(&mut state) % 256).unwrap());
                    let forged = Forged { inner: &files, file: file.clone(), place, value };
                    let _ = segments(&forged, &metadata.mapping(), &mut Vec::new());
                }
            }
        }
    }
}

/// A shard in which some file's header names another format, with its checksum right.
struct Renamed<'a>(&'a dyn Directory, &'static str);

impl Directory for Renamed<'_> {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        let source = self.0.open(name)?;
        if !name.contains(self.1) {
            return Some(source);
        }
        let mut bytes = vec![0; usize::try_from(source.size()).unwrap()];
        source.read_at(0, &mut bytes).unwrap();
        bytes[5..9].copy_from_slice(b"Nova"); // after magic and length: "Luce" of "Lucene..."
        let end = bytes.len() - 8;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&u64::from(checksum).to_be_bytes());
        Some(Arc::new(bytes))
    }
}

/// Reads all shards of all snapshots `one`, with one kind of their files spoilt at a time, and looks at what is said.
fn with_each_kind_spoilt(
    kinds: &[&'static str],
    at_least: usize,
    spoil: impl for<'a> Fn(&'a dyn Directory, &'static str) -> Box<dyn Directory + 'a>,
    look: impl Fn(&es_lucene::Error, &str),
) {
    for path in repositories() {
        let repository = Repository::open(&format!("file://{}", path.display()), &Options::default()).unwrap();
        let snapshot = repository.data().snapshot("one").unwrap();
        let info = repository.snapshot_info(snapshot).unwrap();
        let mut spoilt = 0;
        for index in repository.indices(snapshot, &info).unwrap() {
            let mapping = repository.index_metadata(snapshot, index).unwrap().mapping();
            let files = repository.shard(snapshot, index, 0).unwrap();
            for kind in kinds {
                if files.names().iter().any(|name| name.contains(kind)) {
                    spoilt += 1;
                    look(&segments(spoil(&files, kind).as_ref(), &mapping, &mut Vec::new()).unwrap_err(), kind);
                }
            }
        }
        assert!(spoilt > at_least, "{}: {spoilt}", path.display());
    }
}

#[test]
fn an_unknown_format_is_named_never_passed_over() {
    let kinds = [".si", ".cfe", ".fnm", ".fdt", ".liv"];
    with_each_kind_spoilt(
        &kinds,
        8,
        |files, kind| Box::new(Renamed(files, kind)),
        |error, kind| {
            let text = error.to_string();
            assert!(text.contains(kind) && text.contains("\"Nova"), "{text}");
            assert_eq!(error.kind(), es_lucene::ErrorKind::Unknown, "{text}");
        },
    );
}

/// A file that is whole, and not the one that the list of files means.
struct Unlisted(Arc<dyn Source>);

impl Source for Unlisted {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn expected_checksum(&self) -> Option<u32> {
        self.0.expected_checksum().map(|checksum| !checksum)
    }
}

/// A shard with such files of one kind.
struct Swapped<'a>(&'a dyn Directory, &'static str);

impl Directory for Swapped<'_> {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        let source = self.0.open(name)?;
        Some(if name.contains(self.1) { Arc::new(Unlisted(source)) } else { source })
    }
}

#[test]
fn a_file_that_is_not_the_one_of_the_list_is_refused() {
    // Of compound files only what is needed is fetched, and each file in them has a checksum of its own.
    let kinds = ["segments_", ".si", ".cfe", ".fnm", ".fdt", ".liv"];
    with_each_kind_spoilt(
        &kinds,
        12,
        |files, kind| Box::new(Swapped(files, kind)),
        |error, _| {
            assert!(error.to_string().contains("another file's bytes"), "{error}");
        },
    );
}

#[test]
fn a_repository_that_is_being_written_to_is_refused() {
    let repository = repositories().pop().unwrap();
    let (copy, _) = copy(&repository);
    fs::write(copy.path().join("index.latest"), 0_u64.to_be_bytes()).unwrap();
    let error = read(copy.path()).unwrap_err();
    assert_eq!(error.kind(), es_repository::ErrorKind::Retry);
    assert!(error.hint().unwrap().contains("--generation"));
}

#[test]
fn a_snapshot_that_is_deleted_while_it_is_read_is_missed_at_the_end() {
    let (copy, _) = copy(&repositories().pop().unwrap());
    let repository = Repository::open(&format!("file://{}", copy.path().display()), &Options::default()).unwrap();
    let snapshot = repository.data().snapshot("one").unwrap();
    repository.still_holds(snapshot).unwrap();
    let next = repository.data().generation + 1;
    // Other snapshots may come and go.
    let list = fs::read_to_string(copy.path().join(format!("index-{}", next - 1))).unwrap();
    fs::write(copy.path().join(format!("index-{next}")), &list).unwrap();
    fs::write(copy.path().join("index.latest"), next.to_be_bytes()).unwrap();
    repository.still_holds(snapshot).unwrap();
    fs::write(copy.path().join(format!("index-{next}")), b"{\"snapshots\":[],\"indices\":{}}").unwrap();
    let is_gone = |repository: &Repository| {
        let error = repository.still_holds(snapshot).unwrap_err();
        assert_eq!(error.to_string(), "snapshot \"one\" was deleted while it was read");
    };
    is_gone(&repository);
    // Where a list was asked for, the others do not count.
    let options = Options { generation: Some(next - 1), ..Options::default() };
    let chosen = Repository::open(&format!("file://{}", copy.path().display()), &options).unwrap();
    fs::write(copy.path().join("index.latest"), "cut").unwrap();
    chosen.still_holds(snapshot).unwrap();
    for entry in fs::read_dir(copy.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    is_gone(&chosen);
    is_gone(&repository);
}

#[test]
fn an_older_index_n_that_lingers_is_passed_over() {
    let repository = repositories().pop().unwrap();
    let (copy, _) = copy(&repository);
    fs::write(copy.path().join("index-0"), b"{\"snapshots\":[]}").unwrap();
    assert_eq!(read(copy.path()).unwrap(), read(&repository).unwrap());
}

#[test]
fn a_repository_newer_than_known_is_refused() {
    let (copy, _) = copy(&repositories().pop().unwrap());
    fs::write(copy.path().join("index-2"), b"{\"min_version\":\"9.9.0\",\"snapshots\":[]}").unwrap();
    let error = read(copy.path()).unwrap_err();
    assert_eq!(error.kind(), es_repository::ErrorKind::Unsupported);
    assert!(error.to_string().contains("9.9.0"), "{error}");
}
