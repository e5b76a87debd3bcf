//! What es-read-snapshot fetches, against what it has to: counts of bytes, on repositories of real servers.
#![allow(clippy::expect_used)] // helpers of tests panic as tests do

use es_testkit::bed::{self, Server};
use es_testkit::generator::Plan;
use es_testkit::tool::tool;
use es_tests::{Original, ask, original};
use serde_json::{Value, json};

/// The record of reading an index of 50,000 normal documents out of a snapshot of this server.
fn record(server: &Server, prefix: &str) -> Value {
    let plan = Plan { documents: 50_000, indices: 1, plain: true, prefix: prefix.into(), ..Plan::default() };
    let index = plan.load(&server.url).expect("the server takes the documents").remove(0).index;
    ask(server, "POST", &format!("/{index}/_flush?wait_if_ongoing=true"), None);
    let location = server.repository_root.join(prefix);
    let settings = json!({"type": "fs", "settings": {"location": location}});
    ask(server, "PUT", &format!("/_snapshot/{prefix}"), Some(&settings));
    let body = json!({"indices": index, "include_global_state": false});
    let path = format!("/_snapshot/{prefix}/one?wait_for_completion=true");
    assert_eq!(ask(server, "PUT", &path, Some(&body))["snapshot"]["state"], "SUCCESS");
    let scratch = tempfile::tempdir().expect("a directory");
    let record = scratch.path().join("record");
    let url = format!("file://{}", location.display());
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
