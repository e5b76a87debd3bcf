//! The tool as its users see it: its help, its flags, and a cluster that does not answer.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::contract;
use es_testkit::stub::Stub;
use es_testkit::tool::tool;
use serde_json::Value;

const NAME: &str = "es-preflight";

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn nothing_to_look_at_is_a_usage_error() {
    tool(NAME).run().exit(2).stdout("").stderr_contains("--indices");
}

#[test]
fn a_misspelt_index_is_a_blocker_and_nothing_is_written() {
    let (source, target) = (Stub::start(), Stub::start());
    source.root("elasticsearch-5.5.2").indices("elasticsearch-5.5.2/indices");
    target.root("elasticsearch-6.1.2").indices("elasticsearch-6.1.2/indices-none");
    let refused = es_testkit::stub::Answer::text(403, "Forbidden").repeat();
    for stub in [&source, &target] {
        stub.on_prefix("GET", "/_nodes", refused.clone());
    }
    target.on_prefix("GET", "/_cluster", refused.clone());
    source.on_prefix("GET", "/_snapshot", refused);
    let output = tool(NAME)
        .args(["--indices", "javacafe_2018_01_O1"])
        .args(["--source-url", &source.url(), "--target-url", &target.url()])
        .run();
    output.exit(1).stderr_contains("no such index on the source: javacafe_2018_01_O1");
    let levels: Vec<Value> = output.json_lines().into_iter().map(|finding| finding["level"].clone()).collect();
    // What may not be read is no reason to stop, and no reason to call it well.
    assert!(levels.contains(&"blocker".into()) && levels.contains(&"warning".into()), "{levels:?}");
    for request in source.finish().iter().chain(&target.finish()) {
        assert_eq!(request.method, "GET", "{}", request.path);
    }
}

#[test]
fn what_is_asked_for_is_read_as_es_snapshot_reads_it() {
    let names = std::env::temp_dir().join(format!("es-preflight-names-{}", std::process::id()));
    std::fs::write(&names, "# of the first days\n<javacafe_{now/d{'2018_01_01'}}>\n").unwrap();
    let file = format!("@{}", names.display());
    let all = ["javacafe_2018_01_01", "javacafe_2018_01_02"];
    for (list, looked_at) in [
        ("<javacafe_{now/d{'2018_01_01'}}>", &all[..1]),
        (file.as_str(), &all[..1]),
        ("-<javacafe_{now/d{'2018_01_01'}}>", &all[1..]),
    ] {
        let (source, target) = (Stub::start(), Stub::start());
        source.root("elasticsearch-5.5.2").indices("elasticsearch-5.5.2/indices");
        target.root("elasticsearch-6.1.2").indices("elasticsearch-6.1.2/indices-none");
        let refused = es_testkit::stub::Answer::text(403, "Forbidden").repeat();
        source.on_prefix("GET", "/", refused);
        let output =
            tool(NAME).args(["--indices", list, "--source-url", &source.url(), "--target-url", &target.url()]).run();
        output.exit(4).stdout("");
        let settings = format!("/{}/_settings?expand_wildcards=all", looked_at[0]);
        assert!(source.finish().iter().any(|request| request.path == settings), "{list}");
    }
    std::fs::remove_file(names).unwrap();
    tool(NAME).args(["--indices", "<javacafe-{soon}>"]).run().exit(2).stdout("").stderr_contains("no date math");
}

#[test]
fn what_answers_with_something_else_is_no_proof_that_all_is_well() {
    let index = "javacafe_2018_01_02";
    let stubs = || {
        let (source, target) = (Stub::start(), Stub::start());
        source.root("elasticsearch-5.5.2").indices("elasticsearch-5.5.2/indices");
        target.root("elasticsearch-6.1.2").indices("elasticsearch-6.1.2/indices-none");
        (source, target)
    };
    let other = || es_testkit::stub::Answer::text(200, r#"{"message":"Hello"}"#).repeat();
    let look = |source: &Stub, target: &Stub| {
        tool(NAME)
            .args(["--indices", index, "--repository", "r", "--snapshot", "s", "--type", "s3", "--bucket", "b"])
            .args(["--source-url", &source.url(), "--target-url", &target.url()])
            .run()
    };
    let answers = |stub: &Stub, methods: &[&str]| {
        for method in methods {
            stub.on_prefix(method, "/", other());
        }
    };
    // The settings and the mappings of an index that is there cannot be missing.
    let (source, target) = stubs();
    answers(&source, &["GET"]);
    look(&source, &target).exit(3).stderr_contains("settings of the source's indices: an answer of another kind");
    // Beyond these whatever has not been looked at is said to be so.
    let (source, target) = stubs();
    let body = |part: &str, value: Value| {
        es_testkit::stub::Answer::json(200, &serde_json::json!({index: {part: value}})).repeat()
    };
    let settings = serde_json::json!({"index": {"number_of_shards": "1"}});
    source.on_prefix("GET", &format!("/{index}/_settings"), body("settings", settings));
    source.on_prefix("GET", &format!("/{index}/_mapping"), body("mappings", serde_json::json!({})));
    answers(&source, &["GET", "PUT"]);
    answers(&target, &["GET", "PUT", "POST"]);
    let output = look(&source, &target);
    let findings = output.json_lines();
    let level = |check: &str| -> Vec<&str> {
        findings.iter().filter(|one| one["check"] == check).filter_map(|one| one["level"].as_str()).collect()
    };
    for check in ["created_version", "snapshot_running", "repository", "plugins", "cluster_settings", "permissions"] {
        let levels = level(check);
        assert!(!levels.is_empty() && levels.iter().all(|level| *level == "warning"), "{check}: {}", output.out());
    }
    for check in ["mappings", "analysis", "codec", "allocation", "blocks", "disk", "clock", "snapshot_name"] {
        assert!(!level(check).contains(&"ok"), "{check}: {}", output.out());
    }
}

#[test]
fn numbers_beyond_all_measure_are_no_panic_and_no_ok() {
    let most = u64::MAX.to_string();
    let answer = |body: Value| es_testkit::stub::Answer::json(200, &body).repeat();
    let settings = serde_json::json!({"index": {
        "number_of_shards": most, "number_of_replicas": most, "creation_date": most,
        "routing": {"allocation": {"total_shards_per_node": "2"}}, "version": {"created": "8190099"},
    }});
    let all = |names: &[&str]| -> Value { names.iter().map(|name| ((*name).to_string(), settings.clone())).collect() };
    let with = |part: &str, names: &[&str]| -> Value {
        let whole = all(names);
        names.iter().map(|name| ((*name).to_string(), serde_json::json!({part: whole[*name]}))).collect()
    };
    let stub = |names: &[&str]| {
        let stub = Stub::start();
        let version = serde_json::json!({"number": "8.19.21"});
        stub.on(
            "GET",
            "/",
            answer(serde_json::json!({"cluster_name": "c", "cluster_uuid": names.join("-"), "version": version})),
        );
        stub.on_prefix("GET", "/_all/_settings/", answer(with("settings", names)));
        stub.on_prefix("GET", "/_alias", answer(serde_json::json!({})));
        let rows: Vec<Value> = names
            .iter()
            .map(|name| serde_json::json!({"index": name, "status": "open", "health": "green", "pri": most, "pri.store.size": most}))
            .collect();
        stub.on_prefix("GET", "/_cat/indices", answer(rows.into()));
        stub.on_prefix("GET", "/_data_stream", answer(serde_json::json!({"data_streams": []})));
        stub
    };
    let (source, target) = (stub(&["a", "b"]), stub(&["c", "d"]));
    source.on_prefix("GET", "/_snapshot", answer(serde_json::json!({"snapshots": []})));
    source.on_prefix("GET", "/a%2Cb/_settings", answer(with("settings", &["a", "b"])));
    let mappings = serde_json::json!({"a": {"mappings": {}}, "b": {"mappings": {}}});
    source.on_prefix("GET", "/a%2Cb/_mapping", answer(mappings));
    source.on_prefix("GET", "/a%2Cb/_count", answer(serde_json::json!({"count": u64::MAX})));
    target.on_prefix("GET", "/a%2Cb/_count", es_testkit::stub::Answer::json(404, &serde_json::json!({})).repeat());
    target.on_prefix("GET", "/_index_template", answer(serde_json::json!({})));
    target.on_prefix("GET", "/_cluster/health", answer(serde_json::json!({"active_shards": u64::MAX})));
    let limits = serde_json::json!({
        "cluster.routing.allocation.total_shards_per_node": most, "cluster.max_shards_per_node": "1000",
        "cluster.routing.allocation.disk.watermark.low": "16777215pb",
    });
    let levels = serde_json::json!({"defaults": limits, "persistent": {}, "transient": {}});
    target.on_prefix("GET", "/_cluster/settings", answer(levels));
    let data = serde_json::json!({"fs": {"data": [{"total_in_bytes": u64::MAX, "available_in_bytes": u64::MAX}]}, "timestamp": u64::MAX});
    for stub in [&source, &target] {
        let node = serde_json::json!({"name": "n", "roles": ["data"]});
        stub.on_prefix("GET", "/_nodes/plugins", answer(serde_json::json!({"nodes": {"x": node, "y": node}})));
        stub.on_prefix("GET", "/_nodes/stats", answer(serde_json::json!({"nodes": {"x": data, "y": data}})));
    }
    for method in ["PUT", "POST"] {
        let refused =
            serde_json::json!({"error": {"type": "illegal_argument_exception", "reason": "no"}, "status": 400});
        target.on_prefix(method, "/", es_testkit::stub::Answer::json(400, &refused).repeat());
    }
    let output =
        tool(NAME).args(["--indices", "a,b", "--source-url", &source.url(), "--target-url", &target.url()]).run();
    output.exit(1);
    for check in ["disk", "shards", "allocation"] {
        let of: Vec<Value> = output.json_lines().into_iter().filter(|one| one["check"] == check).collect();
        assert!(!of.is_empty() && of.iter().all(|one| one["level"] != "ok"), "{check}: {}", output.out());
    }
}

#[test]
fn no_connection_is_another_time() {
    tool(NAME)
        .args(["--indices", "a", "--source-url", "http://127.0.0.1:1", "--target-url", "http://127.0.0.1:1"])
        .run()
        .exit(75)
        .stdout("");
}
