//! es-preflight on real servers that are in the condition it looks for.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use es_testkit::bed::{self, Server};
use es_testkit::tool::Output;
use es_tests::{Original, ask, eventually, original, put_documents, run};
use serde_json::{Value, json};

/// The findings of this check, as `level message`.
fn of(output: &Output, check: &str) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let findings = output.json_lines();
    findings
        .iter()
        .filter(|finding| finding["check"] == check)
        .map(|finding| format!("{} {}", word(&finding["level"]), word(&finding["message"])))
        .collect()
}

#[track_caller]
fn found(output: &Output, check: &str, level: &str, words: &str) {
    let findings = of(output, check);
    let there = findings.iter().any(|finding| finding.starts_with(level) && finding.contains(words));
    assert!(there, "no {level} of {check} with {words:?}: {findings:?}\n{}{}", output.out(), output.err());
}

fn preflight(flags: &str, source: &Server, target: &Server) -> Output {
    run(&format!("es-preflight {flags}"), source, target)
}

#[test]
fn a_move_that_can_work_has_no_blocker_and_nothing_is_written() {
    let Original { source, target, .. } = &original();
    put_documents(source, "fit", 3);
    let before = [ask(source, "GET", "/_snapshot", None), ask(target, "GET", "/_snapshot", None)];
    let output = preflight("--indices fit --type fs --repository none-yet", source, target);
    output.exit(0).stderr("");
    for check in ["version", "created_version", "closed", "primaries", "names", "aliases", "plugins", "disk", "shards"]
    {
        found(&output, check, "ok", "");
    }
    assert_eq!([ask(source, "GET", "/_snapshot", None), ask(target, "GET", "/_snapshot", None)], before);
}

#[test]
fn what_stops_a_restore_later_stops_it_now() {
    let Original { source, target, .. } = &original();
    for index in ["pre-open", "pre-closed", "pre-taken", "pre-aliased", "pre-managed"] {
        put_documents(source, index, 1);
    }
    ask(source, "POST", "/pre-closed/_close", None);
    put_documents(target, "pre-taken", 1);
    put_documents(target, "pre-other", 1);
    let alias = |index: &str, alias: &str| json!({"actions": [{"add": {"index": index, "alias": alias}}]});
    ask(source, "POST", "/_aliases", Some(&alias("pre-aliased", "pre-other")));
    ask(target, "POST", "/_aliases", Some(&alias("pre-other", "pre-open")));
    let red = json!({"settings": {"index.routing.allocation.require.room": "none", "number_of_replicas": 0}});
    ask(source, "PUT", "/pre-red?wait_for_active_shards=0", Some(&red));
    let list = "--indices pre-open,pre-closed,pre-taken,pre-aliased,pre-red,pre-typo --type s3";
    let output = preflight(list, source, target);
    output.exit(1).stderr_contains("nothing was started");
    found(&output, "indices", "blocker", "pre-typo");
    found(&output, "closed", "blocker", "pre-closed");
    found(&output, "names", "blocker", "\"pre-taken\" exists");
    found(&output, "names", "blocker", "\"pre-open\" is an alias");
    found(&output, "aliases", "blocker", "\"pre-other\" of pre-aliased");
    found(&output, "primaries", "blocker", "pre-red is red");
    found(&output, "allocation", "blocker", "index.routing.allocation.require.room");
    found(&output, "plugins", "blocker", "has no repository-s3");
    // es-migrate stops there, before it has registered anything.
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository pre --type fs --location {}/pre --indices pre-taken --work-dir {}",
        source.repository_root.display(),
        work.path().display()
    );
    run(&command, source, target).exit(1).stderr_contains("es-preflight: names: an index \"pre-taken\" exists");
    assert_eq!(source.call("GET", "/_snapshot/pre", None).0, 404);
    // Renamed, or left behind, they are no longer in the way.
    let renamed =
        "--indices pre-open,pre-taken,pre-aliased --no-aliases --rename-pattern '(.+)' --rename-replacement 'new-$1'";
    preflight(renamed, source, target).exit(0);
    preflight("--indices pre-open,pre-taken --rename-pattern '.+' --rename-replacement One", source, target)
        .exit(1)
        .stderr_contains("names");
    ask(source, "DELETE", "/pre-red", None);
    ask(target, "DELETE", "/pre-other", None);
}

#[test]
fn repositories_that_would_do_harm_are_told() {
    let Original { source, target, .. } = &original();
    put_documents(source, "repo-index", 1);
    let location = source.repository_root.join("pre-repo");
    let body = |readonly: bool| json!({"type": "fs", "settings": {"location": location, "readonly": readonly}});
    ask(source, "PUT", "/_snapshot/pre-repo", Some(&body(false)));
    ask(target, "PUT", "/_snapshot/pre-repo", Some(&body(false)));
    let output = preflight("--indices repo-index --repository pre-repo", source, target);
    output.exit(0);
    found(&output, "repository", "warning", "may be written to by the target");
    found(&output, "repository", "ok", "the source reads \"pre-repo\": 0 snapshots");
    ask(source, "PUT", "/_snapshot/pre-repo", Some(&body(true)));
    ask(target, "PUT", "/_snapshot/pre-repo", Some(&body(true)));
    std::fs::create_dir_all(&location).expect("the repository");
    std::fs::write(location.join("index-0"), "{").expect("damage");
    let output = preflight("--indices repo-index --repository pre-repo", source, target);
    output.exit(1);
    found(&output, "repository", "blocker", "registered read-only on the source");
    found(&output, "repository", "blocker", "cannot read \"pre-repo\"");
    for server in [source, target] {
        ask(server, "DELETE", "/_snapshot/pre-repo", None);
    }
}

#[test]
fn a_snapshot_at_work_and_a_move_onto_itself_are_told() {
    let Original { source, .. } = &original();
    put_documents(source, "busy", 40);
    let slow = json!({"type": "fs", "settings": {"location": source.repository_root.join("pre-slow"), "max_snapshot_bytes_per_sec": "1kb"}});
    ask(source, "PUT", "/_snapshot/pre-slow", Some(&slow));
    ask(source, "PUT", "/_snapshot/pre-slow/running", Some(&json!({"indices": "busy"})));
    let output = preflight("--indices busy", source, source);
    ask(source, "DELETE", "/_snapshot/pre-slow/running", None);
    output.exit(1);
    found(&output, "snapshot_running", "warning", "pre-slow/running runs on the source");
    found(&output, "clusters", "blocker", "the same cluster");
    eventually("the end of the snapshot", || source.call("DELETE", "/_snapshot/pre-slow", None).0 < 300);
}

#[test]
fn an_index_that_the_target_cannot_read_is_told_although_the_snapshot_could_be_read() {
    let Original { target: old, .. } = &original();
    let new = bed::server("opensearch-3.8.0");
    put_documents(old, "too-old", 1);
    let output = preflight("--indices too-old", old, &new);
    output.exit(1);
    found(&output, "created_version", "blocker", "too-old was created by Elasticsearch 6.1");
    // The other way round.
    put_documents(&new, "too-new", 1);
    ask(&new, "PUT", "/_cluster/settings", Some(&json!({"transient": {"cluster.max_shards_per_node": 1}})));
    let output = preflight("--indices too-new", &new, old);
    output.exit(1);
    found(&output, "version", "blocker", "reads no repository of OpenSearch");
    found(&output, "created_version", "blocker", "reads no index of OpenSearch");
    let output = preflight("--indices too-old", old, &new);
    ask(&new, "PUT", "/_cluster/settings", Some(&json!({"transient": {"cluster.max_shards_per_node": null}})));
    found(&output, "shards", "blocker", "cluster.max_shards_per_node 1");
}
