//! The small repositories of real servers that are kept in tests/golden.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // helpers of tests panic as tests do

use std::fs;
use std::path::{Path, PathBuf};

/// Where they are: a directory for each server, and what it showed beside it.
#[must_use]
pub fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/repositories")
}

/// The directories of all repositories.
#[must_use]
pub fn repositories() -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(place()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The names of all files below a directory, in order.
#[must_use]
pub fn files(root: &Path) -> Vec<PathBuf> {
    fn walk(root: &Path, below: &Path, list: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(root.join(below)).unwrap() {
            let name = below.join(entry.unwrap().file_name());
            if root.join(&name).is_dir() { walk(root, &name, list) } else { list.push(name) }
        }
    }
    let mut list = Vec::new();
    walk(root, Path::new(""), &mut list);
    list.sort();
    list
}

/// A copy that may be spoilt.
#[must_use]
pub fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in files(from) {
        let target = to.path().join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(name), target).unwrap();
    }
    to
}
