//! Snapshots that are read over S3 with the credentials of the AWS command line, and what is in them beside plain indices:
//! data streams and names that begin with a dot.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use es_testkit::bed::{self, Options, S3, Server};
use es_testkit::golden;
use es_testkit::tool::{Output, Tool, tool};
use es_tests::ask;
use serde_json::{Value, json};

const BUCKET: &str = "reading";

/// How often each document comes: index, id and source.
type Documents = BTreeMap<(String, String, String), usize>;

fn bulk(server: &Server, lines: &str) {
    let (status, answer) = server.text("POST", "/_bulk?refresh=true", "application/x-ndjson", lines.as_bytes());
    assert!(status == 200 && answer.contains("\"errors\":false"), "_bulk: {status} {answer:.2000}");
}

/// A stream of two indices, an index whose name begins with a dot, and one of some size.
fn fill(server: &Server) {
    let settings = json!({"number_of_shards": 2, "number_of_replicas": 0});
    let template = json!({"index_patterns": ["logs-*"], "data_stream": {}, "template": {"settings": settings}});
    ask(server, "PUT", "/_index_template/logs", Some(&template));
    ask(server, "PUT", "/_data_stream/logs-app", None);
    for index in [".dotted", "plain"] {
        ask(server, "PUT", &format!("/{index}"), Some(&json!({"settings": settings})));
    }
    for half in 0..2 {
        let mut lines = String::new();
        for number in 0..100 {
            let action = json!({"create": {"_index": "logs-app", "_id": format!("{half}-{number}")}});
            let _ = writeln!(lines, "{action}\n{{\"@timestamp\":\"2018-11-23T00:00:00Z\",\"n\":{number}}}");
        }
        for number in 0..2000 {
            let (index, text) = (if number % 10 == 0 { ".dotted" } else { "plain" }, "text ".repeat(number % 90));
            let action = json!({"index": {"_index": index, "_id": format!("{half}-{number}")}});
            let _ = writeln!(lines, "{action}\n{}", json!({"n": number, "text": text}));
        }
        bulk(server, &lines);
        if half == 0 {
            ask(server, "POST", "/logs-app/_rollover", None);
        }
    }
}

/// Registers a repository, and takes the snapshot `one` in it.
fn snapshot_to(server: &Server, repository: &str, registered: &Value, indices: &str) {
    ask(server, "PUT", &format!("/_snapshot/{repository}"), Some(registered));
    let what = json!({"indices": indices, "include_global_state": false});
    let taken = ask(server, "PUT", &format!("/_snapshot/{repository}/one?wait_for_completion=true"), Some(&what));
    assert_eq!(taken["snapshot"]["state"], "SUCCESS", "{taken}");
}

/// What the server shows.
fn shown(server: &Server, indices: &str) -> Documents {
    let path = format!("/{indices}/_search?size=10000&expand_wildcards=all");
    let answer = ask(server, "POST", &path, Some(&json!({"sort": ["_doc"]})));
    let hits = answer["hits"]["hits"].as_array().expect("hits");
    assert_eq!(answer["hits"]["total"]["value"], hits.len());
    counted(hits.iter())
}

fn counted<'a>(hits: impl Iterator<Item = &'a Value>) -> Documents {
    let mut documents = Documents::new();
    for hit in hits {
        let text = |key: &str| hit[key].as_str().expect("a name").to_owned();
        *documents.entry((text("_index"), text("_id"), hit["_source"].to_string())).or_insert(0) += 1;
    }
    documents
}

fn read(url: &str, arguments: &[&str]) -> Tool {
    tool("es-read-snapshot").args(["--repository", url, "--snapshot", "one", "--quiet"]).args(arguments)
}

fn documents(output: &Output) -> Documents {
    output.exit(0).stderr("");
    counted(output.json_lines().iter())
}

/// The profile `reader` with these keys in the files of the AWS command line.
fn profile(tool: Tool, access_key: &str, secret_key: &str) -> Tool {
    let folder = tool.home().join(".aws");
    fs::create_dir_all(&folder).expect("a folder");
    let keys = format!("[reader]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n");
    fs::write(folder.join("credentials"), keys).expect("a file of keys");
    fs::write(folder.join("config"), "[profile reader]\nregion = ap-northeast-2\n").expect("a file of profiles");
    tool.secret(secret_key).arg("--profile").arg("reader")
}

fn over_s3(store: &S3, base_path: &str) -> Tool {
    let url = format!("s3://{BUCKET}/{base_path}");
    read(&url, &["--endpoint", &store.url, "--path-style"]).env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Bulk lines of a data stream bring it back, under its own name, and fill an index where that is asked for.
fn streams_come_back(server: &Server, url: &str) {
    let sources = |documents: &Documents| {
        let mut sources: Vec<_> = documents.keys().map(|(_, id, source)| (id.clone(), source.clone())).collect();
        sources.sort();
        sources
    };
    let wanted = sources(&shown(server, "logs-app"));
    assert_eq!(wanted.len(), 200);
    let arguments = ["--indices", ".ds-*", "--format", "bulk"];
    let created = read(url, &arguments).run();
    created.exit(0).stderr("");
    assert!(created.out().lines().step_by(2).all(|line| line.starts_with(r#"{"create":{"_index":"logs-app","_id":"#)));
    ask(server, "DELETE", "/_data_stream/logs-app", None);
    ask(server, "PUT", "/_data_stream/logs-app", None);
    bulk(server, created.out());
    assert_eq!(sources(&shown(server, "logs-app")), wanted);

    let flat = read(url, &[&arguments[..], &["--op", "index", "--target-index", "flat"]].concat()).run();
    flat.exit(0).stderr("");
    bulk(server, flat.out());
    assert_eq!(sources(&shown(server, "flat")), wanted);
    // Without another name, what the index is called is kept.
    let own = read(url, &[&arguments[..], &["--op", "index"]].concat()).run();
    assert!(own.out().lines().step_by(2).all(|line| line.starts_with(r#"{"index":{"_index":".ds-logs-app-00000"#)));
}

/// A base path with characters that URLs and paths of objects write in their own ways.
const PLACE: &str = "of/fil es~ü[1]";

#[test]
fn what_is_read_over_s3_is_what_lies_in_the_files() {
    let store = bed::s3("reading-s3", BUCKET);
    let options =
        Options { repository_root: Some(store.root.clone()), s3: Some(store.name.clone()), ..Options::default() };
    let server = bed::with("opensearch-3.8.0", "reading-opensearch-3.8.0", &options);
    fill(&server);
    let files = store.root.join(BUCKET).join(PLACE);
    fs::create_dir_all(&files).expect("a folder in the bucket");
    let hashed = json!({"bucket": BUCKET, "base_path": "of/hashes", "shard_path_type": "hashed_prefix"});
    for (name, kind, settings) in [("files", "fs", json!({"location": files})), ("hashed", "s3", hashed)] {
        snapshot_to(&server, name, &json!({"type": kind, "settings": settings}), "logs-app,.dotted,plain");
    }
    let wanted = shown(&server, "*");
    for index in [".ds-logs-app-000001", ".ds-logs-app-000002", ".dotted", "plain"] {
        assert!(wanted.keys().any(|(own, ..)| own == index), "{index}");
    }

    let url = format!("file://{}", files.display()).replace(' ', "%20");
    let from_files = read(&url, &[]).run();
    assert_eq!(documents(&from_files), wanted);
    let sorted = |output: &Output| {
        let mut lines: Vec<String> = output.out().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for base_path in [PLACE, "of/hashes"] {
        let output = profile(over_s3(&store, base_path), &store.access_key, &store.secret_key).run();
        output.exit(0).stderr("");
        assert_eq!(sorted(&output), sorted(&from_files), "{base_path}");
    }
    // Keys and region of the environment do as well.
    let output = over_s3(&store, PLACE)
        .env("AWS_ACCESS_KEY_ID", &store.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &store.secret_key)
        .args(["--region", &store.region])
        .run();
    assert_eq!(sorted(&output), sorted(&from_files), "{}", output.err());

    // What the store has said of an object is not what it says of one that was cut.
    let blobs = golden::files(&files).into_iter().map(|name| files.join(name));
    let is_data = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("__"));
    let size = |path: &PathBuf| fs::metadata(path).expect("a blob").len();
    let largest = blobs.filter(is_data).max_by_key(size).expect("a blob of data");
    let whole = fs::read(&largest).expect("a blob");
    fs::write(&largest, &whole[..whole.len() / 2]).expect("half of it");
    let cut = profile(over_s3(&store, PLACE), &store.access_key, &store.secret_key).run();
    cut.exit(3).stderr_contains(largest.file_name().expect("its name").to_string_lossy());
    fs::write(&largest, whole).expect("all of it");

    let wrong = profile(over_s3(&store, PLACE), &store.access_key, "not-the-secret-that-goes-with-it").run();
    wrong.exit(4).stdout("");
    let none = over_s3(&store, PLACE).run();
    none.exit(4).stdout("").stderr_contains("hint: ");
    let nowhere = profile(over_s3(&store, "of/nothing"), &store.access_key, &store.secret_key).run();
    assert!(nowhere.code() != 0 && nowhere.out().is_empty() && !nowhere.err().is_empty(), "{}", nowhere.err());

    streams_come_back(&server, &url);
}

/// Documents that lie in a remote store, or in another snapshot, are not taken for none.
#[test]
fn what_lies_elsewhere_is_refused() {
    let place = tempfile::tempdir().expect("a folder for repositories");
    let folder = |name: &str| {
        let folder = place.path().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        folder.display().to_string()
    };
    let mut settings: Vec<(String, String)> = ["segment", "translog", "state"]
        .iter()
        .map(|kind| (format!("node.attr.remote_store.{kind}.repository"), "store".to_owned()))
        .collect();
    for (key, value) in [("type", "fs"), ("settings.location", &folder("store"))] {
        settings.push((format!("node.attr.remote_store.repository.store.{key}"), value.to_owned()));
    }
    settings.push(("node.roles".into(), "cluster_manager,data,ingest,warm".into()));
    settings.push(("node.search.cache.size".into(), "100mb".into()));
    settings.push(("cluster.remote_store.pinned_timestamps.enabled".into(), "true".into()));
    let options = Options { repository_root: Some(place.path().to_owned()), settings, ..Options::default() };
    let server = bed::with("opensearch-3.8.0", "remote-opensearch-3.8.0", &options);
    let settings = json!({"number_of_shards": 1, "number_of_replicas": 0});
    ask(&server, "PUT", "/plain", Some(&json!({"settings": settings})));
    bulk(&server, "{\"index\":{\"_index\":\"plain\",\"_id\":\"1\"}}\n{\"n\":1}\n");
    let wanted = shown(&server, "plain");

    let snapshot = |repository: &str, indices: &str, settings: Value| {
        snapshot_to(&server, repository, &json!({"type": "fs", "settings": settings}), indices);
    };
    let refused = |repository: &str, why: &str| {
        let output = read(&format!("file://{}", folder(repository)), &[]).run();
        output.exit(3).stdout("").stderr_contains(why);
    };
    snapshot("whole", "plain", json!({"location": folder("whole")}));
    assert_eq!(documents(&read(&format!("file://{}", folder("whole")), &[]).run()), wanted);
    for (repository, more) in [("shallow", "remote_store_index_shallow_copy"), ("pinned", "shallow_snapshot_v2")] {
        let mut settings = json!({"location": folder(repository), "remote_store_index_shallow_copy": true});
        settings[more] = json!(true);
        // A snapshot that is pinned to a moment is always of everything.
        snapshot(repository, if more == "shallow_snapshot_v2" { "*" } else { "plain" }, settings);
        refused(repository, "snapshot \"one\" is shallow: its documents are in a remote store, not in this repository");
    }

    let mount = json!({"indices": "plain", "storage_type": "remote_snapshot", "include_global_state": false,
        "rename_pattern": "(.+)", "rename_replacement": "mounted"});
    ask(&server, "POST", "/_snapshot/whole/one/_restore?wait_for_completion=true", Some(&mount));
    assert_eq!(shown(&server, "mounted").len(), 1);
    snapshot("mounts", "mounted", json!({"location": folder("mounts")}));
    refused("mounts", "index \"mounted\": it is a searchable snapshot: another snapshot holds the documents");
}

/// A repository of type `source` hides mappings; vectors that are not in `_source` are missed all the same, in what is restored
/// from it too.
#[test]
fn a_snapshot_of_sources_only_is_read_by_the_mapping_that_it_hides() {
    for version in ["7.17.29", "9.5.3"] {
        let place = tempfile::tempdir().expect("a folder for repositories");
        let location = |name: &str| place.path().join(name).display().to_string();
        let options = Options { repository_root: Some(place.path().to_owned()), ..Options::default() };
        let server = bed::with(&format!("elasticsearch-xpack-{version}"), &format!("sources-{version}"), &options);
        let index = |name: &str, properties: Value| {
            let settings = json!({"number_of_shards": 2, "number_of_replicas": 0});
            let body = json!({"settings": settings, "mappings": {"properties": properties}});
            ask(&server, "PUT", &format!("/{name}"), Some(&body));
        };
        index("plain", json!({"children": {"type": "nested"}}));
        // The vectors of 7.17 are a module of their own.
        let vector =
            if version == "9.5.3" { json!({"type": "dense_vector", "dims": 3}) } else { json!({"type": "float"}) };
        index("vectors", json!({ "v": vector }));
        let mut lines = String::new();
        for number in 0..100 {
            // Half of them are replaced, and some deleted.
            let id = number % 50;
            let action = json!({"index": {"_index": "plain", "_id": id.to_string(), "routing": "r"}});
            let _ = writeln!(lines, "{action}\n{}", json!({"n": number, "children": [{"a": 1}, {"a": number}]}));
            let action = json!({"index": {"_index": "vectors", "_id": id.to_string()}});
            let _ = writeln!(lines, "{action}\n{}", json!({"n": number, "v": [1, 2, number]}));
        }
        for id in 0..10 {
            let _ =
                writeln!(lines, "{}", json!({"delete": {"_index": "plain", "_id": id.to_string(), "routing": "r"}}));
        }
        bulk(&server, &lines);
        ask(&server, "POST", "/_flush", None);
        let sources = json!({"type": "source", "settings": {"delegate_type": "fs", "location": location("sources")}});
        snapshot_to(&server, "sources", &sources, "plain,vectors");
        let of = |repository: &str, more: &[&str]| read(&format!("file://{}", location(repository)), more).run();
        let wanted = shown(&server, "plain");
        assert_eq!(wanted.len(), 40);
        assert_eq!(documents(&of("sources", &["--indices", "plain"])), wanted, "{version}");

        let restore = json!({"indices": "vectors", "rename_pattern": "(.+)", "rename_replacement": "restored"});
        ask(&server, "POST", "/_snapshot/sources/one/_restore?wait_for_completion=true", Some(&restore));
        snapshot_to(&server, "again", &json!({"type": "fs", "settings": {"location": location("again")}}), "restored");
        for (repository, index) in [("sources", "vectors"), ("again", "restored")] {
            let output = of(repository, &["--indices", index]);
            if version == "9.5.3" {
                output.exit(3).stdout("").stderr_contains("vectors are excluded from _source");
                let rest = of(repository, &["--indices", index, "--without-vectors"]);
                assert_eq!(rest.exit(0).json_lines().len(), 50);
            } else {
                let read = documents(&output);
                assert!(read.len() == 50 && read.keys().all(|(_, _, source)| source.contains("\"v\":[")), "{version}");
            }
        }
        // Nobody can tell any more what the documents were written with.
        ask(&server, "PUT", "/restored/_mapping", Some(&json!({"_meta": {"owner": "somebody"}})));
        let replaced = json!({"type": "fs", "settings": {"location": location("replaced")}});
        snapshot_to(&server, "replaced", &replaced, "restored");
        of("replaced", &[]).exit(3).stdout("").stderr_contains("another mapping is in place of that which");
        assert_eq!(of("replaced", &["--without-vectors"]).exit(0).json_lines().len(), 50);
        server.kill();
    }
}
