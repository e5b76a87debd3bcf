//! The tool as its users see it, on two stubs that count every request.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::contract;
use es_testkit::stub::{Answer, Stub};
use es_testkit::tool::{Tool, tool};
use serde_json::{Value, json};

const NAME: &str = "es-compare-counts";
const SOURCE: &str = "elasticsearch-5.5.2";
const TARGET: &str = "elasticsearch-6.1.2";
const A: &str = "javacafe_2018_01_01";
const B: &str = "javacafe_2018_01_02";
/// Who it is and three lists of indices.
const LOOKS: usize = 4;

/// Both sides, with the restored indices listed on the target.
fn pair() -> (Stub, Stub) {
    let (source, target) = (Stub::start(), Stub::start());
    source.root(SOURCE).indices("elasticsearch-5.5.2/indices");
    target.root(TARGET).indices("elasticsearch-6.1.2/indices-restored");
    (source, target)
}

/// What both are asked before the second look.
fn looked_at_again(source: &Stub, target: &Stub) {
    source.indices("elasticsearch-5.5.2/indices");
    target.indices("elasticsearch-6.1.2/indices-restored");
}

fn refresh(stub: &Stub, names: &str) {
    stub.replay(&format!("POST /{names}/_refresh?ignore_unavailable=true"), "elasticsearch-6.1.2/refresh");
}

fn count(stub: &Stub, name: &str, count: u64) {
    let shards = if name == A { 2 } else { 1 };
    let body = json!({"count": count, "_shards": {"total": shards, "successful": shards, "failed": 0}});
    stub.on("GET", &format!("/{name}/_count"), Answer::json(200, &body));
}

fn compare(source: &Stub, target: &Stub) -> Tool {
    tool(NAME).arg("--source-url").arg(source.url()).arg("--target-url").arg(target.url()).args(["--settle", "0"])
}

fn verdict(output: &es_testkit::tool::Output) -> Value {
    let [record] = output.json_lines().try_into().unwrap();
    json!([record["verdict"], record["source_count"], record["target_count"]])
}

/// What es-wait prints when a restore has ended.
fn restored(source: &str, target: &str) -> Value {
    json!({
        "type": "restore",
        "repository": "move",
        "snapshot": "day1",
        "state": "SUCCESS",
        "cluster": contract::cluster_id(TARGET, "target", target),
        "source": contract::cluster_id(SOURCE, "source", source),
        "indices": [{"index": A, "target_index": A}, {"index": B, "target_index": B}],
    })
}

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn input_that_is_no_record_sends_nothing() {
    contract::input(NAME, "--source-url", &restored("http://127.0.0.1:1", "http://127.0.0.1:1"));
}

#[test]
fn closed_doors_have_codes_and_keep_the_password() {
    contract::doors(NAME, "SOURCE", |tool, url| {
        tool.arg("--source-url").arg(url).args(["--target-url", "http://127.0.0.1:1", "--index", A])
    });
}

#[test]
fn equal_counts_of_every_shard_are_equal() {
    let (source, target) = pair();
    for (stub, server) in [(&source, SOURCE), (&target, TARGET)] {
        refresh(stub, &format!("{A}%2C{B}"));
        stub.replay(&format!("GET /{A}/_count"), &format!("{server}/count-{A}"))
            .replay(&format!("GET /{B}/_count"), &format!("{server}/count-{B}"));
    }
    let output = tool(NAME).stdin(restored(&source.url(), &target.url()).to_string()).run();
    output.exit(0).stderr("");
    let counts: Vec<Value> = output
        .json_lines()
        .iter()
        .map(|record| json!([record["index"], record["source_count"], record["target_count"], record["verdict"]]))
        .collect();
    assert_eq!(counts, [json!([A, 5, 5, "equal"]), json!([B, 3, 3, "equal"])]);
    assert_eq!((source.finish().len(), target.finish().len()), (LOOKS + 3, LOOKS + 3));
}

#[test]
fn a_refresh_that_did_not_reach_every_shard_proves_nothing() {
    let refused =
        json!({"_shards": {"total": 2, "successful": 1, "failed": 1, "failures": [{"index": A, "shard": 1}]}});
    for (answer, code, words) in [
        (&refused, 75, "refresh on the source: 1 of 2 shards failed: "),
        (&json!({"acknowledged": true}), 3, "refresh on the source: an answer of another kind: "),
    ] {
        let (source, target) = pair();
        source.on("POST", &format!("/{A}/_refresh?ignore_unavailable=true"), Answer::json(200, answer));
        compare(&source, &target).args(["--index", A]).run().exit(code).stdout("").stderr_contains(words);
    }
}

#[test]
fn a_missing_primary_is_not_countable_although_nothing_failed() {
    // As 5.5.2 answered with one of two shards corrupt: too low, and nothing failed.
    let low = json!({"count": 189, "_shards": {"total": 2, "successful": 1, "failed": 0}});
    let (source, target) = pair();
    for stub in [&source, &target] {
        refresh(stub, A);
    }
    source.on("GET", &format!("/{A}/_count"), Answer::json(200, &low));
    target.on("GET", &format!("/{A}/_count"), Answer::json(200, &low));
    let output = compare(&source, &target).args(["--index", A]).run();
    output.exit(1).stderr(format!(
        "es-compare-counts: {A}: not_countable (no count on the source, no count on the target): 1 of 2 shards answered \
         on the source\n"
    ));
    assert_eq!(verdict(&output), json!(["not_countable", null, null]));
    assert_eq!((source.finish().len(), target.finish().len()), (LOOKS + 2, LOOKS + 2));
}

#[test]
fn an_answer_for_fewer_shards_than_the_index_has_is_not_countable() {
    let fewer = json!({"count": 5, "_shards": {"total": 1, "successful": 1, "failed": 0}});
    let (source, target) = pair();
    for stub in [&source, &target] {
        refresh(stub, A);
    }
    count(&source, A, 5);
    target.on("GET", &format!("/{A}/_count"), Answer::json(200, &fewer));
    let output = compare(&source, &target).args(["--index", A]).run();
    output.exit(1).stderr_contains("1 of 2 shards answered on the target");
    assert_eq!(verdict(&output), json!(["not_countable", 5, null]));
    drop((source, target));
}

#[test]
fn no_shard_at_all_is_not_countable() {
    let (source, target) = pair();
    for stub in [&source, &target] {
        refresh(stub, A);
    }
    count(&source, A, 5);
    target.replay(&format!("GET /{A}/_count"), "elasticsearch-6.1.2/stuck-count");
    let output = compare(&source, &target).args(["--index", A]).run();
    output.exit(1).stderr_contains("search_phase_execution_exception: all shards failed");
    assert_eq!(verdict(&output), json!(["not_countable", 5, null]));
    drop((source, target));
}

#[test]
fn counts_that_stay_different_differ() {
    let (source, target) = pair();
    looked_at_again(&source, &target);
    for _ in 0..2 {
        for stub in [&source, &target] {
            refresh(stub, A);
        }
        count(&source, A, 5);
        count(&target, A, 4);
    }
    let output = compare(&source, &target).args(["--index", A]).run();
    output.exit(1).stderr(format!("es-compare-counts: {A}: differs (5 on the source, 4 on the target)\n"));
    assert_eq!(verdict(&output), json!(["differs", 5, 4]));
    assert_eq!((source.finish().len(), target.finish().len()), (LOOKS + 7, LOOKS + 7));
}

#[test]
fn counts_that_move_between_two_looks_are_still_changing() {
    let (source, target) = pair();
    looked_at_again(&source, &target);
    for now in [6, 7] {
        for stub in [&source, &target] {
            refresh(stub, A);
        }
        count(&source, A, now);
        count(&target, A, 5);
    }
    let output = compare(&source, &target).args(["--index", A]).run();
    output.exit(1).stderr(format!("es-compare-counts: {A}: still_changing (7 on the source, 5 on the target)\n"));
    assert_eq!(verdict(&output), json!(["still_changing", 7, 5]));
    drop((source, target));
}

#[test]
fn counts_that_meet_at_the_second_look_are_equal() {
    let (source, target) = pair();
    looked_at_again(&source, &target);
    for seen in [4, 5] {
        for stub in [&source, &target] {
            refresh(stub, A);
        }
        count(&source, A, 5);
        count(&target, A, seen);
    }
    let output = compare(&source, &target).args(["--index", A]).run();
    output.exit(0).stderr("");
    assert_eq!(verdict(&output), json!(["equal", 5, 5]));
    drop((source, target));
}

#[test]
fn indices_are_read_as_es_snapshot_reads_them() {
    let list = format!("# two of them\n{A}, {B}\n\n-{B}\n");
    let (source, target) = pair();
    for stub in [&source, &target] {
        refresh(stub, A);
        count(stub, A, 5);
    }
    let output = compare(&source, &target).args(["--indices", "@-"]).stdin(list).run();
    output.exit(0).stderr("");
    assert_eq!(verdict(&output), json!(["equal", 5, 5]));
    compare(&source, &target).args(["--indices", "<a-{tomorrow}>"]).run().exit(2).stdout("");
    drop((source, target));
}

#[test]
fn a_closed_index_is_closed_and_never_counted_as_nothing() {
    let (source, target) = pair();
    let target_name = B;
    refresh(&target, target_name);
    count(&target, target_name, 3);
    let output = compare(&source, &target).args(["--index", "javacafe_closed", "--target-index", target_name]).run();
    output
        .exit(1)
        .stderr_contains(format!("{target_name}: closed (no count on the source, 3 on the target)"))
        .stderr_contains("hint: no server counts a closed index: open it, and run the same command again");
    assert_eq!(verdict(&output), json!(["closed", null, 3]));
    assert_eq!(source.finish().len(), LOOKS, "what is closed is not asked for");
    drop(target);
}

#[test]
fn an_index_that_is_missing_is_named_with_its_side() {
    for (side, expected) in
        [("source", json!(["missing_on_source", null, 3])), ("target", json!(["missing_on_target", 3, null]))]
    {
        let (source, target) = pair();
        let (present, absent, server) =
            if side == "source" { (&target, &source, SOURCE) } else { (&source, &target, TARGET) };
        refresh(present, B);
        count(present, B, 3);
        absent.replay("GET /nosuch/_count", &format!("{server}/count-nosuch"));
        let (index, target_index) = if side == "source" { ("nosuch", B) } else { (B, "nosuch") };
        let output = compare(&source, &target).args(["--index", index, "--target-index", target_index]).run();
        output.exit(1).stderr_contains(format!("missing_on_{side}"));
        assert_eq!(verdict(&output), expected);
        drop((source, target));
    }
}

#[test]
fn csv_and_table_say_the_same_as_the_records() {
    let expected = [
        (
            "csv",
            format!(
                "index,target_index,source_count,target_count,verdict,reason\n{A},{A},5,5,equal,\n{B},{B},3,2,differs,\n"
            ),
        ),
        (
            "table",
            format!(
                "INDEX                TARGET INDEX         SOURCE  TARGET  VERDICT\n{A}  {A}       5       5  equal\n\
                 {B}  {B}       3       2  differs\n2 indices                                      8       7  1 of 2 equal\n"
            ),
        ),
    ];
    for (format, expected) in expected {
        let (source, target) = pair();
        looked_at_again(&source, &target);
        for stub in [&source, &target] {
            refresh(stub, &format!("{A}%2C{B}"));
            refresh(stub, B);
            count(stub, A, 5);
        }
        for _ in 0..2 {
            count(&source, B, 3);
            count(&target, B, 2);
        }
        compare(&source, &target)
            .args(["--index", A, "--index", B, "--format", format])
            .run()
            .exit(1)
            .stdout(&expected)
            .stderr(format!("es-compare-counts: {B}: differs (3 on the source, 2 on the target)\n"));
        drop((source, target));
    }
}

#[test]
fn records_of_different_clusters_are_refused() {
    let (source, target) = (Stub::start(), Stub::start());
    let first = restored(&source.url(), &target.url());
    let mut second = first.clone();
    second["cluster"]["cluster_uuid"] = json!("another");
    tool(NAME)
        .stdin(format!("{first}\n{second}\n"))
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("the records are of different clusters");
    assert_eq!((source.finish().len(), target.finish().len()), (0, 0));
}

#[test]
fn a_record_of_another_cluster_is_refused() {
    let (source, target) = (Stub::start(), Stub::start());
    source.root(SOURCE);
    let mut record = restored(&source.url(), &target.url());
    record["source"]["cluster_uuid"] = json!("another");
    tool(NAME).stdin(record.to_string()).run().exit(2).stdout("").stderr_contains("hint: point ES_SOURCE_URL at");
    assert_eq!((source.finish().len(), target.finish().len()), (1, 0));
}

#[test]
fn a_restore_that_did_not_succeed_is_not_compared() {
    let stub = Stub::start();
    let mut record = restored(&stub.url(), &stub.url());
    for (state, says) in [("FAILED", "lost a shard"), ("IN_PROGRESS", "lost a shard")] {
        record["state"] = json!(state);
        record["failures"] = json!(["lost a shard"]);
        let output = tool(NAME).stdin(record.to_string()).run();
        output
            .exit(1)
            .stdout("")
            .stderr(format!("es-compare-counts: the restore of move/day1 did not succeed: {says}\n"));
    }
    assert!(stub.finish().is_empty());
}

#[test]
fn a_restore_of_no_index_is_the_answer_no() {
    let record = json!({"type": "restore", "repository": "r", "snapshot": "s", "state": "SUCCESS"});
    let says = "es-compare-counts: the restore of r/s did not succeed: it names no index: nothing was restored\n";
    tool(NAME).stdin(record.to_string()).run().exit(1).stdout("").stderr(says);
}

#[test]
fn an_index_is_not_compared_with_itself() {
    let stub = Stub::start();
    for _ in 0..2 {
        stub.root(TARGET).indices("elasticsearch-6.1.2/indices-restored");
    }
    compare(&stub, &stub)
        .args(["--index", A])
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains(format!("source and target are the same cluster: \"{A}\" would be compared with itself\n"));
    assert_eq!(stub.finish().len(), 2 * LOOKS);
}

#[test]
fn a_shard_that_failed_makes_no_count() {
    let failed = json!({"count": 3, "_shards": {"total": 1, "successful": 1, "failed": 1, "failures": [{"shard": 0}]}});
    let (source, target) = pair();
    for stub in [&source, &target] {
        refresh(stub, B);
    }
    count(&source, B, 3);
    target.on("GET", &format!("/{B}/_count"), Answer::json(200, &failed));
    let output = compare(&source, &target).args(["--index", B]).run();
    output.exit(1).stderr_contains("1 of 1 shards answered, and one failed, on the target");
    assert_eq!(verdict(&output), json!(["not_countable", 3, null]));
    drop((source, target));
}

#[test]
fn an_alias_or_what_is_not_listed_is_no_index_to_count() {
    for (name, says) in [
        ("javacafe", format!("on the target \"javacafe\" is an alias (of \"{A}\")")),
        ("unlisted", "the target counts it and does not list it among its indices".to_string()),
    ] {
        let (source, target) = pair();
        refresh(&source, B);
        count(&source, B, 3);
        if name == "unlisted" {
            count(&target, name, 3);
        }
        let output = compare(&source, &target).args(["--index", B, "--target-index", name]).run();
        output.exit(1).stderr_contains(says);
        assert_eq!(verdict(&output), json!(["not_countable", 3, null]));
        drop((source, target));
    }
}

#[test]
fn a_service_that_allows_no_refresh_is_counted_without_one() {
    let (source, target) = pair();
    let forbidden = json!({"Message": "Your request: '/_refresh' is not allowed."});
    source.on("POST", &format!("/{B}/_refresh?ignore_unavailable=true"), Answer::json(401, &forbidden));
    refresh(&target, B);
    count(&source, B, 3);
    count(&target, B, 3);
    let output = compare(&source, &target).args(["--index", B]).run();
    output.exit(0).stderr_contains("is not allowed.; counting without a refresh");
    assert_eq!(verdict(&output), json!(["equal", 3, 3]));
    drop((source, target));
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict_and_a_full_disk_does() {
    for (full, found, code) in [(false, 3, 0), (false, 2, 1), (true, 3, 3)] {
        let (source, target) = pair();
        if found != 3 {
            looked_at_again(&source, &target);
        }
        for _ in 0..if found == 3 { 1 } else { 2 } {
            for stub in [&source, &target] {
                refresh(stub, B);
            }
            count(&source, B, 3);
            count(&target, B, found);
        }
        let tool = compare(&source, &target).args(["--index", B]);
        let output = if full { tool.stdout_full() } else { tool.stdout_closed() }.run();
        output.exit(code);
        assert_eq!(output.err().contains("No space left on device"), full, "{}", output.err());
        drop((source, target));
    }
}

#[test]
fn a_cluster_that_asks_to_be_left_alone_is_left_alone_as_long_and_the_record_counts_it() {
    let (source, target) = (Stub::start(), Stub::start());
    for (stub, server, indices) in
        [(&source, SOURCE, "elasticsearch-5.5.2/indices"), (&target, TARGET, "elasticsearch-6.1.2/indices-restored")]
    {
        stub.on("GET", "/", Answer::text(429, "Too Many Requests").header("retry-after", "1"))
            .root(server)
            .indices(indices);
        refresh(stub, A);
        count(stub, A, 5);
    }
    let began = std::time::Instant::now();
    let output = compare(&source, &target).args(["--index", A, "-v"]).run();
    output.exit(0).stderr_contains("HTTP 429: Too Many Requests; again in 1");
    assert!(began.elapsed() >= std::time::Duration::from_secs(2), "a second for each");
    assert_eq!(output.json_lines()[0]["steps"][0]["retries"], 2);
    drop((source.finish(), target.finish()));
}

#[test]
fn who_asks_to_be_left_alone_for_long_is_not_waited_for() {
    let (source, target) = (Stub::start(), Stub::start());
    source.on("GET", "/", Answer::text(503, "busy").header("retry-after", "3600"));
    compare(&source, &target).args(["--index", A]).run().exit(75).stderr_contains("HTTP 503: busy");
    drop((source.finish(), target.finish()));
}
