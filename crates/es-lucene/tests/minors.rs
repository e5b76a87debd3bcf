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

#[test]
fn documents_are_those_that_lucene_reads() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lucene");
    let mut indices: Vec<PathBuf> = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    indices.retain(|path| path.is_dir());
    assert_eq!(indices.len(), 20);
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
