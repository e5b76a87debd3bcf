//! What es-read-snapshot fetches and holds in memory, against what it has to, on repositories of real servers.
#![allow(clippy::expect_used)] // helpers of tests panic as tests do

use es_testkit::bed::{self, Server};
use es_testkit::generator::{Plan, Random};
use es_testkit::tool::tool;
use es_tests::{Original, ask, original};
use serde_json::{Value, json};

/// The URL of a repository of this name with a snapshot of the index.
fn snapshot(server: &Server, repository: &str, index: &str) -> String {
    ask(server, "POST", &format!("/{index}/_flush?wait_if_ongoing=true"), None);
    let location = server.repository_root.join(repository);
    let settings = json!({"type": "fs", "settings": {"location": location}});
    ask(server, "PUT", &format!("/_snapshot/{repository}"), Some(&settings));
    let body = json!({"indices": index, "include_global_state": false});
    let path = format!("/_snapshot/{repository}/one?wait_for_completion=true");
    assert_eq!(ask(server, "PUT", &path, Some(&body))["snapshot"]["state"], "SUCCESS");
    format!("file://{}", location.display())
}

/// The record of reading an index of 50,000 normal documents out of a snapshot of this server.
fn record(server: &Server, prefix: &str) -> Value {
    let plan = Plan { documents: 50_000, indices: 1, plain: true, prefix: prefix.into(), ..Plan::default() };
    let index = plan.load(&server.url).expect("the server takes the documents").remove(0).index;
    let url = snapshot(server, prefix, &index);
    let scratch = tempfile::tempdir().expect("a directory");
    let record = scratch.path().join("record");
    let output = tool("es-read-snapshot").args(["--repository", &url, "--record", &record.display().to_string()]).run();
    output.exit(0).stderr("");
    assert_eq!(output.out().lines().count(), 50_000);
    serde_json::from_str(&std::fs::read_to_string(record).expect("a record")).expect("a record")
}

#[test]
fn little_more_than_the_stored_fields_is_fetched() {
    let Original { source, .. } = &original();
    for server in [source, &bed::server("opensearch-3.8.0")] {
        // They share the place of their repositories.
        let record = record(server, &format!("fetched-{}", server.server));
        let number = |value: &Value| value.as_u64().expect("a number");
        let (fetched, stored) = (number(&record["bytes_fetched"]), number(&record["indices"][0]["stored_bytes"]));
        assert!(stored > 5_000_000 && fetched > stored, "{record}");
        assert!(fetched * 100 <= stored * 105, "{}: {fetched} of {stored} bytes: {record}", server.version);
    }
}

/// JSON of many lines and so many bytes, which does not compress well.
fn pretty(bytes: usize) -> String {
    let mut random = Random::new(1, &[]);
    let mut text = String::from("{\n  \"lines\": [\n    \"");
    while text.len() < bytes {
        for _ in 0..8 {
            text += &format!("{:016x}", random.bits());
        }
        text += "\",\n    \"";
    }
    text + "end\"\n  ]\n}\n"
}

#[test]
fn a_document_of_90_megabytes_takes_less_than_128_megabytes() {
    let (index, large) = ("of-any-size", pretty(90_000_000));
    let Original { source: server, .. } = &original();
    let mapping = json!({"doc": {"properties": {"lines": {"type": "object", "enabled": false}}}});
    let settings = json!({"number_of_shards": 1, "number_of_replicas": 0});
    ask(server, "PUT", &format!("/{index}"), Some(&json!({"settings": settings, "mappings": mapping})));
    for (id, body) in [("before", "{\n}"), ("large", &large), ("after", "{\n}")] {
        let (status, answer) = server.text("PUT", &format!("/{index}/doc/{id}"), "application/json", body.as_bytes());
        assert_eq!(status, 201, "{answer}");
    }
    let url = snapshot(server, index, index);
    ask(server, "DELETE", &format!("/{index}"), None);
    let line = large.replace('\n', "");
    for (format, begin, end) in [
        ("source", "", ""),
        ("jsonl", "{\"_index\":\"of-any-size\",\"_type\":\"doc\",\"_id\":\"large\",\"_source\":", "}"),
    ] {
        let output = tool("es-read-snapshot").args(["--repository", &url, "--jobs", "2", "--format", format]).run();
        output.exit(0).stderr("");
        let printed = output.out();
        assert_eq!(printed.lines().count(), 3);
        let found = printed
            .lines()
            .any(|own| own.strip_prefix(begin).and_then(|own| own.strip_suffix(end)).is_some_and(|own| own == line));
        assert!(found, "--format {format}: another line");
        // All of the document is in memory; no second copy of it is.
        let peak = output.peak_bytes();
        assert!((90_000_000..128_000_000).contains(&peak), "--format {format}: {peak} bytes");
    }
}
