//! A repository that someone damaged: each kind of file gone, cut or changed. A move out of it says so, or every document is there.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::fs;
use std::path::{Path, PathBuf};

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_tests::{End, ask, moved, must_be, put_documents, sh, told};
use serde_json::{Value, json};

const VERSIONS: [&str; 6] = [
    "elasticsearch-5.5.2",
    "elasticsearch-6.1.2",
    "elasticsearch-7.10.2",
    "elasticsearch-8.19.21",
    "elasticsearch-9.5.3",
    "opensearch-3.8.0",
];

/// Kinds of files, as paths below the repository whose last part begins and ends so.
const KINDS: [(&str, usize, &str); 7] = [
    ("list of snapshots", 0, "index-"),
    ("snapshot", 0, "snap-"),
    ("global metadata", 0, "meta-"),
    ("index metadata", 2, "meta-"),
    ("list of the shard's files", 3, "index-"),
    ("snapshot of the shard", 3, "snap-"),
    ("data", 3, "__"),
];

const HARMS: [&str; 3] = ["gone", "cut", "changed"];

#[test]
fn a_damaged_repository_is_told_or_every_document_is_there() {
    let mut score = Score::new("damage");
    let mut random = Random::new(seed(), &[5]);
    let versions = if whole() { &VERSIONS[..] } else { &VERSIONS[..1] };
    for version in versions {
        let server = bed::named(version, &format!("damage-{version}"));
        put_documents(&server, "one", 20);
        let documents = documents(&server, "one");
        let sound = server.repository_root.join(format!("damage-{version}")).join("sound");
        register(&server, "sound", &sound);
        let asked = json!({"indices": "one", "include_global_state": false});
        let answer = ask(&server, "PUT", "/_snapshot/sound/s?wait_for_completion=true", Some(&asked));
        assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer}");
        // The record is made while all is well: the damage comes after.
        let record = sh(&server, "es-snapshot --repository sound --snapshot s --indices one | es-wait");
        record.exit(0);
        for (number, (kind, depth, begin)) in KINDS.iter().enumerate() {
            for (place, harm) in HARMS.iter().enumerate() {
                // A third of the cells, another third each seed, is the short part.
                if !whole() && (number + place) as u64 % 3 != seed() % 3 {
                    continue;
                }
                let name = format!("d{number}-{place}");
                let location = sound.with_file_name(&name);
                copy(&sound, &location);
                let files = files(&location, *depth, begin);
                assert!(!files.is_empty() || version.contains("opensearch"), "{version}: no {kind}");
                for file in files {
                    damage(&file, harm, &mut random);
                }
                register(&server, &name, &location);
                let end = move_out(&server, record.out(), &name, &documents);
                score.cell(version, &format!("{kind} {harm}"), end);
                drop(server.call("DELETE", &format!("/back-{name}"), None));
                drop(server.call("DELETE", &format!("/_snapshot/{name}"), None));
            }
        }
        server.kill();
    }
    score.finish();
}

fn register(server: &Server, name: &str, location: &Path) {
    // A repository whose list cannot be read is registered all the same, or the server tells at once: both are answers.
    drop(server.call(
        "PUT",
        &format!("/_snapshot/{name}"),
        Some(&json!({"type": "fs", "settings": {"location": location}})),
    ));
}

/// Moves the index out of the repository of this name: told, or complete.
fn move_out(server: &Server, record: &str, name: &str, documents: &[Value]) -> End {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    fs::write(&file, record.replace("\"repository\":\"sound\"", &format!("\"repository\":\"{name}\""))).unwrap();
    let output = moved(server, "one", &format!("cat {}", file.display()), &format!("back-{name}"));
    if output.code() == 0 {
        let back = self::documents(server, &format!("back-{name}"));
        return must_be(back == documents, &format!("exit 0 with {} of {} documents", back.len(), documents.len()));
    }
    told(&output)?;
    // A pipe ends with the code of its last tool, which got no record; es-restore or es-wait has said why before it.
    let why = output.err().lines().any(|line| line.starts_with("es-restore: ") || line.starts_with("es-wait: restore"));
    must_be(why && matches!(output.code(), 1..=3), &format!("exit {}: {}", output.code(), output.err()))
}

/// Every document, by id.
fn documents(server: &Server, index: &str) -> Vec<Value> {
    drop(server.call("POST", &format!("/{index}/_refresh"), None));
    let (_, answer) = server.call("GET", &format!("/{index}/_search?size=1000"), None);
    let mut hits: Vec<Value> = answer["hits"]["hits"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|hit| json!([hit["_id"], hit["_source"]]))
        .collect();
    hits.sort_by_key(ToString::to_string);
    hits
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &there);
        } else {
            fs::copy(entry.path(), there).unwrap();
        }
    }
}

/// The files at this depth below a repository whose names begin so.
fn files(location: &Path, depth: usize, begin: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![(location.to_path_buf(), 0)];
    while let Some((directory, at)) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                left.push((entry.path(), at + 1));
            } else if at == depth && name.starts_with(begin) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn damage(file: &Path, harm: &str, random: &mut Random) {
    let mut bytes = fs::read(file).unwrap();
    match harm {
        "gone" => return fs::remove_file(file).unwrap(),
        "cut" => bytes.truncate(bytes.len() * 2 / 3),
        _ => {
            let at = random.index(bytes.len());
            bytes[at] ^= 1 << random.index(8);
        }
    }
    fs::write(file, bytes).unwrap();
}
