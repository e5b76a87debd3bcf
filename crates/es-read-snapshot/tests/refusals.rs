//! What cannot be read as it was is refused before anything is printed, with the thing and the reason.
//!
//! Repositories are those of real servers, with single blobs made anew where no server of the bed writes such: the frame is
//! as theirs, the content is JSON in place of SMILE.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use es_testkit::golden;
use es_testkit::tool::program_at;
use serde_json::{Value, json};

/// A copy of a repository that may be spoilt.
struct Spoilt {
    root: tempfile::TempDir,
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

impl Spoilt {
    fn of(server: &str) -> Self {
        let root = golden::copy(&golden::place().join(server));
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_es-read-snapshot"))
            .env_clear()
            .args(["--repository", &format!("file://{}", self.root.path().canonicalize().unwrap().display())])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Ends with this code and this text, and without a document.
    fn refuses(&self, arguments: &[&str], code: i32, why: &str) {
        let output = self.run(arguments);
        let ended = (output.status.code(), output.stdout.len());
        assert_eq!(ended, (Some(code), 0), "{why}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{why}: {}", text(&output.stderr));
    }

    /// A blob of this content, framed.
    fn frame(&self, name: &str, codec: &str, content: &Value) {
        let mut bytes = vec![0x3F, 0xD7, 0x6C, 0x17, u8::try_from(codec.len()).unwrap()];
        bytes.extend(codec.bytes());
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(content.to_string().bytes());
        bytes.extend([0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0]);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(u64::from(checksum).to_be_bytes());
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Directory of an index of snapshot `one`.
    fn directory(&self, index: &str) -> String {
        let output = self.run(&["--snapshot", "one", "--indices", index, "--list", "indices"]);
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        format!("indices/{}", record["id"].as_str().unwrap())
    }

    /// Replaces the metadata of an index of one shard.
    fn metadata(&self, index: &str, settings: &Value, mapping: &Value) {
        self.typed_metadata(index, settings, &json!({"_doc": mapping}));
    }

    /// The same, with types.
    fn typed_metadata(&self, index: &str, settings: &Value, mappings: &Value) {
        let mut settings = settings.clone();
        settings["index.number_of_shards"] = json!("1");
        let fields = json!({"state": "open", "settings": settings, "mappings": [mappings], "aliases": {}});
        self.all_metadata(&self.directory(index), index, &fields);
    }

    /// Replaces all metadata in the directory of an index.
    fn all_metadata(&self, directory: &str, index: &str, fields: &Value) {
        let mut identifiers = json!({});
        self.list(|list| identifiers = list["index_metadata_identifiers"].clone());
        for entry in fs::read_dir(self.path(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(blob) = name.strip_prefix("meta-").and_then(|name| name.strip_suffix(".dat")) else {
                continue;
            };
            let mut fields = fields.clone();
            // What index-N knows it by is in it: uuid, history and three numbers.
            let known = identifiers.as_object().and_then(|known| known.iter().find(|(_, name)| **name == blob));
            if let Some((identifier, _)) = known {
                fields["settings"]["index.uuid"] = json!(identifier[..22]);
                for (key, number) in ["aliases", "mapping", "settings"].iter().zip(identifier.rsplit('-')) {
                    fields[format!("{key}_version")] = json!(number.parse::<u64>().unwrap());
                }
            }
            self.frame(&format!("{directory}/{name}"), "index-metadata", &json!({ index: fields }));
        }
    }

    /// The newest `index-N`, changed.
    fn list(&self, change: impl FnOnce(&mut Value)) {
        let path = self.newest();
        let mut list = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut list);
        fs::write(path, list.to_string()).unwrap();
    }

    /// Where the newest `index-N` is.
    fn newest(&self) -> PathBuf {
        let newest = fs::read(self.path("index.latest")).unwrap();
        self.path(&format!("index-{}", u64::from_be_bytes(newest.try_into().unwrap())))
    }

    fn uuid(&self, snapshot: &str) -> String {
        let output = self.run(&["--list", "snapshots"]);
        let records = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = records.into_iter().find(|record| record["snapshot"] == snapshot).unwrap();
        found["uuid"].as_str().unwrap().to_owned()
    }
}

const LARGE: [&str; 4] = ["--snapshot", "one", "--indices", "large"];

#[test]
fn an_index_that_keeps_no_source_is_refused_by_its_metadata() {
    let repository = Spoilt::of("elasticsearch-9.5.3");
    let none = json!({});
    let vectors = json!({"properties": {"a": {"properties": {"v": {"type": "dense_vector", "dims": 3}}}}});
    let knn = json!({"properties": {"v": {"type": "knn_vector", "dimension": 3}}});
    let opensearch = "137237827";
    for (settings, mapping, why) in [
        (json!({"index.store.type": "snapshot"}), &none, "it is mounted from another snapshot"),
        (json!({"index.store.snapshot.snapshot_name": "s"}), &none, "it is mounted from another snapshot"),
        (json!({"index.store.type": "remote_snapshot"}), &none, "it is a searchable snapshot"),
        (json!({"index.mode": "logsdb"}), &none, "index.mode is logsdb: _source is synthetic"),
        (json!({"index.mode": "time_series"}), &none, "index.mode is time_series: _source is synthetic"),
        (
            json!({"index.mode": "time_series", "index.mapping.source.mode": "stored"}),
            &none,
            "index.mode is time_series: ids are made of dimensions and times",
        ),
        (json!({"index.mode": "columnar"}), &none, "index.mode is columnar: documents are kept in columns"),
        (
            json!({"index.mode": "logsdb_columnar"}),
            &none,
            "index.mode is logsdb_columnar: documents are kept in columns",
        ),
        (json!({"index.mapping.source.mode": "columnar_stored"}), &none, "_source is kept in columns"),
        (json!({}), &json!({"_id": {"mode": "columnar"}}), "ids are kept in columns"),
        (json!({"index.mapping.use_columnar_id_mode_by_default": "true"}), &none, "ids are kept in columns"),
        (json!({"index.mapping.source.mode": "SYNTHETIC"}), &none, "_source is synthetic"),
        (json!({"index.mapping.source.mode": "disabled"}), &none, "_source is disabled"),
        (json!({}), &json!({"_source": {"mode": "synthetic"}}), "_source of _doc is synthetic"),
        (json!({}), &json!({"_source": {"enabled": false}}), "_source of _doc is disabled"),
        (json!({"index.derived_source.enabled": "true"}), &none, "_source is derived"),
        (
            json!({"index.version.created": opensearch, "index.knn.derived_source.enabled": "true"}),
            &knn,
            "index.knn.derived_source.enabled is true",
        ),
        (json!({"index.mapping.exclude_source_vectors": "true"}), &vectors, "vectors are excluded from _source"),
        (json!({"index.version.created": "9111000"}), &vectors, "vectors are excluded from _source"),
    ] {
        repository.metadata("large", &settings, mapping);
        repository.refuses(&LARGE, 3, &format!("es-read-snapshot: index \"large\": {why}"));
    }
    // Asked for, documents come without their vectors, and with a word about it.
    let output = repository.run(&[&LARGE[..], &["--without-vectors"]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stdout.is_empty());
    let warning =
        "es-read-snapshot: warning: index \"large\": vectors are excluded from _source: documents come without them\n";
    assert_eq!(text(&output.stderr), warning);
}

#[test]
fn a_source_without_some_fields_is_read_with_a_warning() {
    let output = Spoilt::of("opensearch-2.19.6").run(&["--snapshot", "one", "--indices", "filtered"]);
    assert_eq!(output.status.code(), Some(0));
    let warning = "es-read-snapshot: warning: index \"filtered\": _source of _doc leaves fields out: documents come as the server shows them\n";
    assert_eq!(text(&output.stderr), warning);
}

#[test]
fn derived_source_of_a_real_server_is_refused() {
    let why = "index \"derived\": _source is derived: no document was kept as it was sent";
    Spoilt::of("opensearch-3.8.0").refuses(&["--snapshot", "one", "--indices", "derived"], 3, why);
}

#[test]
fn a_document_without_source_that_the_mapping_did_not_announce_is_refused() {
    let repository = Spoilt::of("elasticsearch-8.19.21");
    repository.metadata("nosource", &json!({}), &json!({}));
    let output = repository.run(&["--snapshot", "one", "--indices", "nosource"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("nosource[0]: document "), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(" has no _source"), "{}", text(&output.stderr));
}

#[test]
fn shallow_snapshots_are_refused() {
    for mark in [json!({"remote_store_index_shallow_copy": true}), json!({"pinned_timestamp": 1_700_000_000_000_u64})] {
        let repository = Spoilt::of("opensearch-3.8.0");
        let mut info = json!({"name": "two", "state": "SUCCESS", "indices": []});
        info.as_object_mut().unwrap().extend(mark.as_object().unwrap().clone());
        repository.frame(&format!("snap-{}.dat", repository.uuid("two")), "snapshot", &json!({"snapshot": info}));
        repository.refuses(
            &["--snapshot", "two"],
            3,
            "snapshot \"two\" is shallow: its documents are in a remote store",
        );
    }
    let repository = Spoilt::of("opensearch-2.19.6");
    let shard = format!("{}/0", repository.directory("large"));
    let uuid = repository.uuid("one");
    fs::rename(
        repository.path(&format!("{shard}/snap-{uuid}.dat")),
        repository.path(&format!("{shard}/shallow-snap-{uuid}.dat")),
    )
    .unwrap();
    repository.refuses(&LARGE, 3, "large[0]: ");
    repository.refuses(&LARGE, 3, "a shallow snapshot: the files are in a remote store, not in this repository");
}

#[test]
fn a_shard_without_files_is_not_an_empty_shard() {
    let repository = Spoilt::of("elasticsearch-7.17.29");
    let blob = format!("{}/0/snap-{}.dat", repository.directory("large"), repository.uuid("one"));
    repository.frame(&blob, "snapshot", &json!({"name": "one", "files": []}));
    repository.refuses(&LARGE, 3, "the shard has no files: its documents are in another snapshot");
}

#[test]
fn unfinished_snapshots_are_for_later_and_too_old_ones_for_never() {
    for (state, code, why) in [
        (0, 75, "snapshot \"one\" is still being written"),
        (4, 3, "snapshot \"one\" is too old for the server that last wrote here"),
        (9, 3, "snapshot \"one\": state 9 is not known"),
    ] {
        let repository = Spoilt::of("elasticsearch-7.10.2");
        repository.list(|list| {
            let snapshots = list["snapshots"].as_array_mut().unwrap();
            snapshots.iter_mut().find(|snapshot| snapshot["name"] == "one").unwrap()["state"] = json!(state);
        });
        repository.refuses(&LARGE, code, why);
    }
}

#[test]
fn a_repository_that_is_being_written_to_is_for_later() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    fs::write(repository.path("index.latest"), 0_u64.to_be_bytes()).unwrap();
    repository.refuses(&LARGE, 75, "the repository is being written to");
}

#[test]
fn a_damaged_snapshot_hides_no_other_from_the_list() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    let shard = format!("{}/0/snap-{}.dat", repository.directory("large"), repository.uuid("one"));
    let own = format!("snap-{}.dat", repository.uuid("two"));
    let names = |output: &Output| {
        let records = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.map(|record| record["snapshot"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let whole = repository.run(&["--list", "snapshots"]);
    fs::remove_file(repository.path(&shard)).unwrap();
    fs::write(repository.path(&own), "cut").unwrap();
    let output = repository.run(&["--list", "snapshots"]);
    assert_eq!((output.status.code(), names(&output)), (Some(3), names(&whole)));
    for said in [
        format!("es-read-snapshot: snapshot \"one\": large[0]: {shard}: no such blob in the repository\n"),
        format!("es-read-snapshot: snapshot \"two\": {own}: too short for a metadata blob\n"),
    ] {
        assert!(text(&output.stderr).contains(&said), "{}", text(&output.stderr));
    }
    let without = repository.run(&["--list", "snapshots", "--snapshot", "one", "--without-sizes"]);
    assert_eq!((without.status.code(), names(&without)), (Some(0), vec!["one".to_owned()]));
}

#[test]
fn metadata_that_are_gone_name_their_index_and_hide_no_other() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    let two = |more: &[&'static str]| repository.run(&[&["--snapshot", "two", "--jobs", "2"], more].concat());
    let asked = [&["--list", "indices"][..], &["--list", "shards"], &["--metadata"]];
    let whole = asked.map(|arguments| two(arguments).stdout);
    let listed: Vec<Value> = text(&whole[0]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let gone = &listed[listed.len() / 2];
    let (name, id) = (gone["index"].as_str().unwrap(), gone["id"].as_str().unwrap());
    for entry in fs::read_dir(repository.path(&format!("indices/{id}"))).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    let said = [format!("index {name:?}: indices/{id}/meta-"), format!("hint: leave it out: --indices '*,-{name}'")];
    let is_of_it =
        |line: &&str| [format!("\"index\":\"{name}\""), format!("{{\"{name}\":")].iter().any(|of| line.contains(of));
    for (arguments, whole) in asked.into_iter().zip(&whole) {
        let output = two(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        let (of_it, others): (Vec<_>, Vec<_>) = text(&output.stdout).lines().partition(is_of_it);
        let (was_of_it, were_others): (Vec<_>, Vec<_>) = text(whole).lines().partition(is_of_it);
        assert!(!was_of_it.is_empty() && others == were_others && !others.is_empty(), "{arguments:?}: {others:?}");
        assert!(said.iter().all(|said| text(&output.stderr).contains(said)), "{}", text(&output.stderr));
        // A list of indices has it, with what else there is to know of it.
        let of_it: Vec<Value> = of_it.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        match &of_it[..] {
            [record] if arguments == ["--list", "indices"] => {
                assert_eq!(record["id"], gone["id"]);
                assert!(record["readable"]["no"].as_str().unwrap().starts_with(&said[0]), "{record}");
            }
            records => assert!(records.is_empty(), "{arguments:?}: {records:?}"),
        }
    }
    repository.refuses(&["--snapshot", "two"], 3, &said[0]);
}

#[test]
fn a_shard_that_is_damaged_hides_no_other_in_a_list() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    let shard = format!("{}/0/snap-{}.dat", repository.directory("large"), repository.uuid("one"));
    let listed = |what: &'static str| repository.run(&["--snapshot", "one", "--list", what]);
    let whole = ["indices", "shards"].map(|what| listed(what).stdout);
    fs::write(repository.path(&shard), "cut").unwrap();
    for (what, whole) in ["indices", "shards"].into_iter().zip(&whole) {
        let output = listed(what);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(3) && said.contains(&format!("large[0]: {shard}: ")), "{said}");
        let same = text(&output.stdout).lines().zip(text(whole).lines()).filter(|(line, was)| line == was).count();
        let lines = text(whole).lines().count();
        assert_eq!((text(&output.stdout).lines().count(), same), (lines, lines - 1), "{what}");
    }
}

#[test]
fn a_list_of_snapshots_that_is_gone_is_named() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    fs::remove_file(repository.path("index-2")).unwrap();
    repository.refuses(&LARGE, 3, "es-read-snapshot: index-2: no such blob in the repository");
}

#[test]
fn odd_things_in_a_repository_are_told_or_passed_over() {
    let listed = ["--list", "snapshots"];
    let repository = Spoilt::of("elasticsearch-7.10.2");
    let read = || repository.run(&["--snapshot", "two", "--indices", "docs", "--jobs", "1"]);
    let whole = read();
    assert_eq!(whole.status.code(), Some(0));
    // None of these is a list of snapshots.
    let list = fs::read(repository.path("index-2")).unwrap();
    for name in ["index-007", "index-+9", "index-99999999999999999999", "index-", "index-ü", "index-9.tmp", "pending-3"]
    {
        fs::write(repository.path(name), &list).unwrap();
    }
    fs::create_dir(repository.path("index-9")).unwrap();
    assert_eq!(text(&read().stdout), text(&whole.stdout));
    // Where there is no index.latest, the newest counts.
    fs::remove_file(repository.path("index.latest")).unwrap();
    assert_eq!(text(&read().stdout), text(&whole.stdout));
    fs::create_dir(repository.path("index.latest")).unwrap();
    repository.refuses(&listed, 3, "index.latest: not a regular file");
    fs::remove_dir(repository.path("index.latest")).unwrap();
    fs::write(repository.path("index.latest"), "").unwrap();
    repository.refuses(&listed, 3, "index.latest: 0 bytes in place of eight");
    repository.refuses(&listed, 3, "hint: --generation N reads index-N");
    let chosen = || repository.run(&["--snapshot", "two", "--quiet", "--generation", "2"]);
    let of_two = chosen();
    assert_eq!((of_two.status.code(), text(&of_two.stderr)), (Some(0), ""));
    // It names what is not there: no server is at work on that.
    fs::write(repository.path("index.latest"), 5_u64.to_be_bytes()).unwrap();
    repository.refuses(&listed, 3, "index-5: no such blob in the repository, and index.latest names it");
    repository.refuses(&listed, 3, "hint: --generation 2 reads the newest that is there");
    let again = chosen();
    assert_eq!((again.status.code(), again.stdout.len()), (Some(0), of_two.stdout.len()));
    fs::write(repository.path("index.latest"), 2_u64.to_be_bytes()).unwrap();
    for (content, why) in [
        (&list[..list.len() / 2], "index-2: damaged: EOF while parsing"),
        (b"", "index-2: it is empty"),
        (b"[]", "index-2: not JSON: damaged, or encrypted"),
        (b"{}", "index-2: missing field `snapshots`"),
    ] {
        fs::write(repository.path("index-2"), content).unwrap();
        repository.refuses(&listed, 3, why);
    }
    for (content, why) in [
        (json!({"snapshots": [{"name": "a", "uuid": "../../etc"}]}), "\"../../etc\" is no name of a blob"),
        (
            json!({"snapshots": [{"name": "a", "uuid": "x"}, {"name": "a", "uuid": "y"}]}),
            "index-2: snapshot \"a\" is listed twice",
        ),
        (json!({"snapshots": [], "indices": {"a": {"id": "i", "snapshots": ["x"]}}}), "index \"a\" is in snapshot x,"),
    ] {
        fs::write(repository.path("index-2"), content.to_string()).unwrap();
        let output = repository.run(&listed);
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[test]
fn what_is_no_repository_is_said_to_be_none() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().canonicalize().unwrap();
    fs::write(path.join("file"), "").unwrap();
    fs::create_dir(path.join("empty")).unwrap();
    for (name, why) in [
        ("file", "file: not a directory"),
        ("nothing", "nothing: no such directory"),
        ("file/below", "file/below: Not a directory"),
        ("empty", "no index-N: this is not the base of a snapshot repository"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_es-read-snapshot"))
            .env_clear()
            .args(["--list", "snapshots", "--repository", &format!("file://{}/{name}", path.display())])
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{name}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{name}: {}", text(&output.stderr));
    }
}

/// What can be asked of a repository with a snapshot `two`.
const ASKED: [&[&str]; 5] = [
    &["--list", "snapshots"],
    &["--snapshot", "two", "--list", "indices"],
    &["--snapshot", "two", "--list", "shards"],
    &["--snapshot", "two", "--metadata"],
    &["--snapshot", "two", "--quiet"],
];

/// Whether a record says nothing but what the whole one says, except whether documents can be read.
fn has_less(record: &str, whole: &str) -> bool {
    let [record, whole] = [record, whole].map(|line| serde_json::from_str::<Value>(line).unwrap());
    record.as_object().unwrap().iter().all(|(key, value)| key == "readable" || whole[key] == *value)
}

/// Spoils one file after the other, and asks everything: the answer is the same, or the file is named.
fn ask_without(server: &str, is_spoilt: fn(&str) -> bool, spoil: impl Fn(&Path)) {
    let repository = Spoilt::of(server);
    let sorted = |output: &Output| {
        let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let whole = ASKED.map(|arguments| sorted(&repository.run(arguments)));
    let mut refused = ASKED.map(|_| 0);
    let root = repository.root.path();
    for name in golden::files(root) {
        let (file, name) = (root.join(&name), name.to_str().unwrap());
        if !is_spoilt(name) {
            continue;
        }
        let good = fs::read(&file).unwrap();
        spoil(&file);
        for (place, arguments) in ASKED.iter().enumerate() {
            let output = repository.run(arguments);
            let (lines, said) = (sorted(&output), text(&output.stderr));
            if output.status.code() == Some(0) {
                assert_eq!(lines, whole[place], "{server} {name} {arguments:?}");
                continue;
            }
            refused[place] += 1;
            assert_eq!(output.status.code(), Some(3), "{server} {name} {arguments:?}: {said}");
            // What is there and damaged is named as Lucene does, beside its shard.
            let by_shard = file.exists() && said.contains("]: _");
            assert!(said.contains(name) || by_shard, "{server} {name} {arguments:?}: {said}");
            // What is listed may have lost what is not known of it any more; of a damaged file no other line comes.
            let is_whole_or_less = |line: &String| {
                let is_list = arguments.contains(&"--list");
                whole[place].contains(line) || is_list && whole[place].iter().any(|whole| has_less(line, whole))
            };
            assert!(lines.iter().all(is_whole_or_less), "{server} {name} {arguments:?}: {lines:?}");
        }
        fs::write(&file, good).unwrap();
    }
    for (count, arguments) in refused.iter().zip(ASKED) {
        assert!(*count >= 3, "{server} {arguments:?}: {count}");
    }
}

#[test]
fn a_missing_blob_is_named_whatever_is_asked() {
    for server in ["elasticsearch-5.5.2", "opensearch-3.8.0"] {
        ask_without(server, |_| true, |file| fs::remove_file(file).unwrap());
    }
}

#[test]
fn a_blob_that_is_not_whole_is_named_whatever_is_asked() {
    // One bit, in the middle. Lists of snapshots have no checksum: in a name or a date nobody sees it.
    let not_a_list = |name: &str| !name.starts_with("index");
    ask_without("elasticsearch-9.5.3", not_a_list, |file| {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(file, bytes).unwrap();
    });
    ask_without("elasticsearch-7.10.2", |_| true, |file| fs::write(file, "").unwrap());
}

#[test]
fn a_pipe_a_socket_or_a_device_in_place_of_a_blob_is_refused_and_not_waited_for() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    let root = repository.root.path().canonicalize().unwrap();
    let read = || {
        let url = format!("file://{}", root.display());
        program_at(env!("CARGO_BIN_EXE_es-read-snapshot")).args(["--repository", &url, "--snapshot", "two", "--quiet"])
    };
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let whole = sorted(read().run().exit(0).out());
    let mut refused = [0; 3];
    for (number, name) in golden::files(&root).iter().enumerate() {
        let (file, kind) = (root.join(name), number % 3);
        let good = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        match kind {
            0 => assert!(Command::new("mkfifo").arg(&file).status().unwrap().success()),
            1 => drop(UnixListener::bind(&file).unwrap()),
            _ => symlink("/dev/zero", &file).unwrap(),
        }
        let output = read().run();
        if output.code() == 0 {
            assert_eq!(sorted(output.out()), whole, "{}", name.display());
        } else {
            output.exit(3).stderr_contains(format!("{}: not a regular file", name.display()));
            refused[kind] += 1;
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, good).unwrap();
    }
    assert!(refused.iter().all(|count| *count > 3), "{refused:?}");
}

#[test]
fn what_is_newer_than_known_is_refused() {
    let repository = Spoilt::of("opensearch-3.8.0");
    repository.list(|list| list["min_version"] = json!("99.1.0"));
    repository.refuses(&LARGE, 3, "the repository needs a reader of version 99.1.0 or later");
    let repository = Spoilt::of("opensearch-3.8.0");
    repository.list(|list| list["indices"]["large"]["shard_path_type"] = json!(3));
    repository.refuses(&LARGE, 3, "index \"large\": path type 3 is not known");
}

#[test]
fn encrypted_repositories_are_told_from_damaged_ones() {
    let hint = "hint: a repository with client-side encryption cannot be read";
    let repository = Spoilt::of("opensearch-2.19.6");
    let noise: Vec<u8> = (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(repository.path(&format!("snap-{}.dat", repository.uuid("one"))), &noise).unwrap();
    repository.refuses(&LARGE, 3, "not a metadata blob: damaged, or encrypted");
    repository.refuses(&LARGE, 3, hint);
    fs::write(repository.path("index-2"), &noise).unwrap();
    repository.refuses(&LARGE, 3, "index-2: not JSON: damaged, or encrypted");
    repository.refuses(&LARGE, 3, hint);
}

#[test]
fn a_list_of_snapshots_that_the_blobs_contradict_is_refused() {
    let repository = Spoilt::of("elasticsearch-7.10.2");
    let [large, docs] = ["large", "docs"].map(|index| repository.directory(index).replace("indices/", ""));
    let good = fs::read(repository.newest()).unwrap();
    let refused = |why: &str, change: &dyn Fn(&mut Value, usize)| {
        fs::write(repository.newest(), &good).unwrap();
        repository.list(|list| {
            let one = list["snapshots"].as_array().unwrap().iter().position(|snapshot| snapshot["name"] == "one");
            change(list, one.unwrap());
        });
        repository.refuses(&LARGE, 3, why);
    };
    refused("its version is 7100299, index-2 says another", &|list, one| {
        list["snapshots"][one]["version"] = json!("7.17.2");
    });
    refused("its version is 7100299, index-2 says another", &|list, one| {
        list["snapshots"][one]["index_version"] = json!(7_100_298);
    });
    refused("is of index \"large\", not as index-2 says", &|list, one| {
        // The metadata of another moment, under the identifier of this one.
        let identifier = list["snapshots"][one]["index_metadata_lookup"][&large].as_str().unwrap().to_owned();
        let other = identifier.replace("-2-1", "-1-1");
        list["snapshots"][one]["index_metadata_lookup"][&large] = json!(other);
        list["index_metadata_identifiers"][other] = list["index_metadata_identifiers"][identifier].clone();
    });
    refused("index \"large\": its metadata x has no name", &|list, one| {
        list["snapshots"][one]["index_metadata_lookup"][&large] = json!("x");
    });
    refused("has the id of another", &|list, _| list["indices"]["sorted"]["id"] = json!(docs));
    refused("is listed twice", &|list, one| {
        let mut twin = list["snapshots"][one].clone();
        twin["name"] = json!("twin");
        list["snapshots"].as_array_mut().unwrap().push(twin);
    });
    // A key that comes twice: no one can say which is meant.
    let text = String::from_utf8(good.clone()).unwrap();
    for (from, to) in [
        ("\"indices\":{", "\"indices\":{\"docs\":{\"id\":\"x\",\"snapshots\":[]},"),
        ("{\"", "{\"uuid\":\"a\",\"uuid\":\"b\",\""),
    ] {
        fs::write(repository.newest(), text.replacen(from, to, 1)).unwrap();
        repository.refuses(&LARGE, 3, "\" comes twice at ");
    }
    // The record of another snapshot of this name.
    fs::write(repository.newest(), &good).unwrap();
    let info = json!({"name": "one", "uuid": "another", "state": "SUCCESS", "indices": ["large"]});
    repository.frame(&format!("snap-{}.dat", repository.uuid("one")), "snapshot", &json!({"snapshot": info}));
    repository.refuses(&LARGE, 3, "its uuid is another, index-2 says another");
}

/// Gives an index of a snapshot of these data streams another name, in every place that has it.
fn rename(repository: &Spoilt, from: &str, to: &str, streams: &[&str], created: &str) {
    repository.metadata(from, &json!({}), &json!({}));
    let directory = repository.directory(from);
    let uuid = repository.uuid("one");
    repository.list(|list| {
        let entry = list["indices"].as_object_mut().unwrap().remove(from).unwrap();
        list["indices"][to] = entry;
        list["snapshots"].as_array_mut().unwrap().retain(|snapshot| snapshot["name"] == "one");
        for index in list["indices"].as_object_mut().unwrap().values_mut() {
            index["snapshots"] = json!([uuid]);
        }
        list["indices"].as_object_mut().unwrap().retain(|name, _| name == to);
    });
    let info =
        json!({"name": "one", "state": "SUCCESS", "indices": [to], "data_streams": streams, "version_id": 8_000_099});
    repository.list(|list| list["snapshots"][0]["version"] = json!("8.0.0"));
    repository.frame(&format!("snap-{uuid}.dat"), "snapshot", &json!({"snapshot": info}));
    let settings = json!({"index.number_of_shards": "1", "index.version.created": created});
    let fields = json!({"settings": settings, "mappings": [{"_doc": {}}], "aliases": {}});
    repository.all_metadata(&directory, to, &fields);
}

#[test]
fn bulk_lines_name_the_data_stream_that_the_snapshot_names() {
    let opensearch = "137247827";
    for (index, created, streams, stream) in [
        (".ds-logs-2024.03.01-000001", opensearch, &["logs-2024.03.01"][..], "logs-2024.03.01"),
        (".ds-logs-2024.03.01-000001", opensearch, &[], "logs-2024.03.01"),
        (".ds-logs-2024.03.01-000001", "8500003", &["logs-2024.03.01"], "logs-2024.03.01"),
        (".ds-logs-2024.03.01-000001", "8500003", &["logs"], "logs"),
        (".ds-logs-2024.03.01-2024.03.02-000001", "8500003", &[], "logs-2024.03.01"),
    ] {
        let repository = Spoilt::of("elasticsearch-7.10.2");
        rename(&repository, "large", index, streams, created);
        let output = repository.run(&["--format", "bulk"]);
        let head = format!("{{\"create\":{{\"_index\":\"{stream}\",");
        assert!(text(&output.stdout).starts_with(&head), "{index} {created} {streams:?}: {}", text(&output.stderr));
    }
}
