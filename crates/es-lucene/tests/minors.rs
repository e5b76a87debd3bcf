//! Indices that Lucene's minor versions wrote, against what the same versions read of them: see `tests/golden/lucene/make`.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use es_lucene::{Directory, Error, Mapping, Segment, SegmentInfos, Source};

/// The files of one index.
struct Folder(PathBuf);

impl Directory for Folder {
    fn names(&self) -> Vec<String> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        fs::read(self.0.join(name)).ok().map(|bytes| Arc::new(bytes) as Arc<dyn Source>)
    }
}

fn indices() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lucene");
    let mut indices: Vec<PathBuf> = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    indices.retain(|path| path.is_dir());
    assert_eq!(indices.len(), 20);
    indices
}

#[test]
fn documents_are_those_that_lucene_reads() {
    let indices = indices();
    let (mut deleted, mut soft_deleted, mut children) = (0, 0, 0);
    for index in indices {
        let name = index.file_name().unwrap().to_str().unwrap();
        let files = Folder(index.clone());
        let mapping = Mapping { primary_terms: true, ..Mapping::default() };
        let mut lines = Vec::new();
        for commit in SegmentInfos::read(&files).unwrap().segments {
            let segment = Segment::open(&files, &commit, &mapping).unwrap();
            let (major, minor, _) = segment.lucene_version();
            assert!(name.starts_with(&format!("{major}.{minor}.")), "{name} was written by {major}.{minor}");
            let read = segment.read(|document| -> Result<(), Error> {
                let source = document.source.unwrap();
                lines.push(format!("{} {} {:x}", document.id, source.len(), crc32fast::hash(source)));
                Ok(())
            });
            let counts = read.unwrap_or_else(|error| panic!("{name}: {error}"));
            // By the index of chunks, too.
            let parts = segment.parts(1).unwrap_or_else(|error| panic!("{name}: {error}"));
            let parts = parts.iter().map(|part| segment.read_part(part, |_| (), |_| -> Result<(), Error> { Ok(()) }));
            let whole = segment.finish(parts.collect::<Result<_, _>>().unwrap()).unwrap();
            assert_eq!(whole.documents, counts.documents, "{name}");
            deleted += counts.deleted;
            soft_deleted += counts.soft_deleted;
            children += counts.children;
        }
        let mut expected: Vec<_> =
            fs::read_to_string(index.join("expected.txt")).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        expected.sort();
        assert!(lines == expected, "{name}: other documents");
    }
    assert!(deleted > 0 && soft_deleted > 0 && children > 0);
}

/// An index with one byte of one file changed, and that file's checksum made right again.
struct Forged<'a> {
    inner: &'a Folder,
    file: &'a str,
    place: usize,
}

impl Directory for Forged<'_> {
    fn names(&self) -> Vec<String> {
        self.inner.names()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        if name != self.file {
            return self.inner.open(name);
        }
        let mut bytes = fs::read(self.inner.0.join(name)).ok()?;
        bytes[self.place] ^= 1;
        let end = bytes.len() - 8;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&u64::from(checksum).to_be_bytes());
        Some(Arc::new(bytes))
    }
}

fn read(files: &dyn Directory) -> Result<(), Error> {
    for commit in SegmentInfos::read(files)?.segments {
        let mapping = Mapping { primary_terms: true, ..Mapping::default() };
        Segment::open(files, &commit, &mapping)?.read(|_| -> Result<(), Error> { Ok(()) })?;
    }
    Ok(())
}

/// Whatever its checksum: a list of deletions of another segment, or of another time, deletes other documents.
#[test]
fn a_file_of_another_segment_or_generation_is_refused() {
    let (mut of_segments, mut of_generations) = (0, 0);
    for index in indices() {
        let files = Folder(index);
        read(&files).unwrap();
        for name in files.names() {
            // Of compound files the list of what is in them is looked at, and each file in them for itself.
            let kind = name.rsplit('.').next().unwrap_or_default();
            if !["si", "fnm", "liv", "dvm", "dvd", "cfe"].contains(&kind) {
                continue;
            }
            // Magic, the codec's name, a version.
            let bytes = fs::read(files.0.join(&name)).unwrap();
            let id = 4 + 1 + usize::from(bytes[4]) + 4;
            let suffix = usize::from(bytes[id + 16]);
            let mut places = vec![(id, "belongs to another segment")];
            if suffix > 0 {
                places.push((id + 16 + suffix, "its suffix is "));
            }
            for (place, why) in places {
                let Err(error) = read(&Forged { inner: &files, file: &name, place }) else {
                    // Of values only those are read that say what is soft-deleted.
                    if kind == "dvd" {
                        continue;
                    }
                    panic!("{}: {name} of another: {why}", files.0.display());
                };
                let error = error.to_string();
                assert!(error.contains(&name) && error.contains(why), "{}: {name}: {error}", files.0.display());
                if place == id {
                    of_segments += 1;
                } else {
                    of_generations += 1;
                }
            }
        }
    }
    assert!(of_segments > 200 && of_generations > 100, "{of_segments} {of_generations}");
}

/// An index with its commit under another name, too.
struct Twice(Folder);

impl Directory for Twice {
    fn names(&self) -> Vec<String> {
        [self.0.names(), vec!["segments_z".to_owned()]].concat()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        self.0.open(name)
    }
}

/// Which of two is meant, nobody can say.
#[test]
fn two_commits_in_one_place_are_refused() {
    for index in indices() {
        let error = SegmentInfos::read(&Twice(Folder(index))).unwrap_err().to_string();
        assert!(error.contains("segments_z") && error.contains("two commits in one shard"), "{error}");
    }
}
