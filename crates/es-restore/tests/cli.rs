//! The tool as its users see it, on a stub that counts every request.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::contract;
use es_testkit::recorded::{answer, body};
use es_testkit::stub::{Answer, Request, Stub};
use es_testkit::tool::{Tool, tool};
use serde_json::{Value, json};

const NAME: &str = "es-restore";
const SOURCE: &str = "elasticsearch-5.5.2";
const TARGET: &str = "elasticsearch-6.1.2";
const DAY1: &str = "GET /_snapshot/move/day1";
const RESTORE: &str = "/_snapshot/move/day1/_restore";
const ROUTING: &str = "/_cluster/state/routing_table";
const A: &str = "javacafe_2018_01_01";
const B: &str = "javacafe_2018_01_02";

/// What es-wait prints when a snapshot of both indices has ended.
fn finished() -> Value {
    let settings = body("elasticsearch-5.5.2/indices-settings");
    let born = |index: &str| settings[index]["settings"]["index"]["creation_date"].clone();
    json!({
        "type": "snapshot",
        "repository": "move",
        "snapshot": "day1",
        "uuid": body("elasticsearch-5.5.2/snapshot-success")["snapshots"][0]["uuid"],
        "state": "SUCCESS",
        "cluster": contract::cluster_id(SOURCE, "source", "http://127.0.0.1:1"),
        "indices": [A, B],
        "index_settings": {
            A: {"number_of_shards": 2, "number_of_replicas": 1, "refresh_interval": "30s", "creation_date": born(A), "aliases": ["javacafe"]},
            B: {"number_of_shards": 1, "number_of_replicas": 0, "creation_date": born(B)},
        },
        "shards": {"total": 3, "failed": 0, "successful": 3},
    })
}

fn restore(stub: &Stub, record: &Value) -> Tool {
    tool(NAME).arg("--target-url").arg(stub.url()).stdin(format!("{record}\n"))
}

/// A target that knows the snapshot and has these indices.
fn target(indices: &str) -> Stub {
    let stub = Stub::start();
    stub.root(TARGET).replay(DAY1, "elasticsearch-6.1.2/snapshot-success").indices(&format!("{TARGET}/{indices}"));
    stub
}

fn posts(requests: &[Request]) -> Vec<&Request> {
    requests.iter().filter(|request| request.method == "POST").collect()
}

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn input_that_is_no_record_sends_nothing() {
    contract::input(NAME, "--target-url", &finished());
}

#[test]
fn closed_doors_have_codes_and_keep_the_password() {
    contract::doors(NAME, "TARGET", |tool, url| tool.arg("--target-url").arg(url).stdin(finished().to_string()));
}

#[test]
fn a_restore_is_started_once_and_remembers_each_indexs_own_settings() {
    let stub = target("indices-none");
    stub.indices("elasticsearch-6.1.2/indices-none").on(
        "POST",
        RESTORE,
        answer("elasticsearch-6.1.2/restore-accepted"),
    );
    let output = restore(&stub, &finished()).args(["--replicas", "0", "--refresh-interval", "-1"]).run();
    output.exit(0).stderr("");
    let [record] = output.json_lines().try_into().unwrap();
    assert_eq!((&record["type"], &record["state"]), (&json!("restore"), &json!("IN_PROGRESS")));
    assert_eq!(record["cluster"], contract::cluster_id(TARGET, "target", &stub.url()));
    let first = &record["indices"][0];
    assert_eq!((&first["index"], &first["target_index"], &first["adopted"]), (&json!(A), &json!(A), &json!(false)));
    assert_eq!(
        (&first["settings"]["number_of_replicas"], &first["settings"]["refresh_interval"]),
        (&json!(1), &json!("30s"))
    );
    assert_eq!(record["steps"][0]["requests"], 9);
    let requests = stub.finish();
    assert_eq!(requests.len(), 9);
    assert_eq!(
        requests[8].json(),
        json!({
            "indices": format!("{A},{B}"),
            "ignore_unavailable": false,
            "include_global_state": false,
            "include_aliases": true,
            "partial": false,
            "index_settings": {"index.number_of_replicas": 0, "index.refresh_interval": "-1"},
        })
    );
}

#[test]
fn its_own_earlier_restore_is_recognised_and_not_sent_again() {
    let stub = target("indices-restored");
    stub.replay(&format!("GET /{A}%2C{B}/_recovery"), "elasticsearch-6.1.2/recovery");
    let output = restore(&stub, &finished()).args(["--replicas", "0", "--refresh-interval", "-1"]).run();
    output.exit(0).stderr("");
    let record = &output.json_lines()[0];
    assert!(record["indices"].as_array().unwrap().iter().all(|index| index["adopted"] == true), "{record}");
    let requests = stub.finish();
    assert_eq!((requests.len(), posts(&requests).len()), (6, 0));
}

#[test]
fn what_was_restored_before_the_snapshot_had_ended_is_of_an_older_one_of_that_name() {
    let mut snapshot = body("elasticsearch-6.1.2/snapshot-success");
    let recovery = body("elasticsearch-6.1.2/recovery");
    let began = recovery[A]["shards"][0]["start_time_in_millis"].as_i64().unwrap();
    snapshot["snapshots"][0]["end_time_in_millis"] = json!(began + 10 * 60_000);
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", "/_snapshot/move/day1", Answer::json(200, &snapshot))
        .indices("elasticsearch-6.1.2/indices-restored")
        .replay(&format!("GET /{A}%2C{B}/_recovery"), "elasticsearch-6.1.2/recovery");
    restore(&stub, &finished()).run().exit(3).stdout("").stderr_contains(format!(
        "on the target an open index \"{A}\" was restored before the snapshot of that name had ended, so from an older one"
    ));
    assert!(posts(&stub.finish()).is_empty());
}

/// The recoveries of both, with this done to each.
fn recovery(change: impl Fn(&mut Value)) -> Value {
    let mut recovery = body("elasticsearch-6.1.2/recovery");
    for index in [A, B] {
        recovery[index]["shards"].as_array_mut().unwrap().iter_mut().for_each(&change);
    }
    recovery
}

#[test]
fn a_recovery_that_does_not_say_when_it_began_shows_nothing() {
    let stub = target("indices-restored");
    let untimed = recovery(|shard| drop(shard.as_object_mut().unwrap().remove("start_time_in_millis")));
    stub.on("GET", &format!("/{A}%2C{B}/_recovery"), Answer::json(200, &untimed).repeat()).on(
        "GET",
        &format!("{ROUTING}/{A}%2C{B}"),
        Answer::json(200, &json!({"routing_table": {"indices": {}}})),
    );
    restore(&stub, &finished())
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains("and nothing shows any more that it was restored from this snapshot");
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn an_index_with_one_shard_of_another_origin_is_not_the_restored_one() {
    let stub = target("indices-restored");
    let mixed = recovery(|shard| {
        if shard["id"] == 1 {
            shard["source"]["snapshot"] = json!("day0");
        }
    });
    stub.on("GET", &format!("/{A}%2C{B}/_recovery"), Answer::json(200, &mixed));
    restore(&stub, &finished())
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains(format!("an open index \"{A}\" exists that was not restored from this snapshot"));
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn a_snapshot_with_fewer_shards_than_its_indices_have_is_not_restored() {
    let mut record = finished();
    record["index_settings"][A]["number_of_shards"] = json!(5);
    let stub = Stub::start();
    stub.root(TARGET).replay(DAY1, "elasticsearch-6.1.2/snapshot-success");
    restore(&stub, &record)
        .run()
        .exit(1)
        .stderr_contains("on the target the snapshot has 3 shards, and its indices have 6\n");
}

/// That an index was not restored is looked for in all three places.
fn foreign(stub: &Stub) {
    stub.replay(&format!("GET /{A}/_recovery"), "elasticsearch-6.1.2/recovery-foreign")
        .replay(&format!("GET {ROUTING}/{A}"), "elasticsearch-6.1.2/routing-foreign")
        .replay(&format!("GET /{A}/_recovery"), "elasticsearch-6.1.2/recovery-foreign");
}

#[test]
fn an_open_index_of_another_origin_is_never_restored_over() {
    let stub = target("indices-foreign");
    foreign(&stub);
    restore(&stub, &finished())
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains(format!(
            "es-restore: restore of move/day1: on the target an open index \"{A}\" exists that was not restored from this snapshot\n"
        ))
        .stderr_contains("hint: delete it there if it is not needed, or restore under another name: --rename-pattern");
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn a_restore_that_waits_for_its_turn_is_recognised() {
    let stub = target("indices-restored");
    stub.replay(&format!("GET /{A}/_recovery"), "elasticsearch-6.1.2/recovery-waiting")
        .replay(&format!("GET {ROUTING}/{A}"), "elasticsearch-6.1.2/routing-waiting");
    let output = restore(&stub, &finished()).args(["--indices", A]).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["indices"][0]["adopted"], true);
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn an_index_as_old_as_the_sources_is_not_ours_without_proof() {
    let stub = target("indices-restored");
    stub.replay(&format!("GET /{A}/_recovery"), "elasticsearch-6.1.2/recovery-restarted")
        .replay(&format!("GET {ROUTING}/{A}"), "elasticsearch-6.1.2/routing-restarted")
        .replay(&format!("GET /{A}/_recovery"), "elasticsearch-6.1.2/recovery-restarted");
    restore(&stub, &finished()).args(["--indices", A]).run().exit(3).stdout("").stderr_contains(format!(
        "on the target an open index \"{A}\" with the creation_date of the source's exists, and nothing shows any more that it was \
         restored from this snapshot (servers forget it when a node restarts or a shard moves)\n"
    ));
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn a_source_is_no_target_of_its_own() {
    let stub = target("indices-foreign");
    foreign(&stub);
    let mut record = finished();
    record["cluster"] = contract::cluster_id(TARGET, "source", &stub.url());
    record["index_settings"][A]["creation_date"] =
        body("elasticsearch-6.1.2/indices-foreign-settings")[A]["settings"]["index"]["creation_date"].clone();
    restore(&stub, &record)
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains(format!("source and target are the same cluster, and \"{A}\" would keep its name\n"));
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn a_closed_index_of_that_name_is_not_overwritten_either() {
    let mut states = body("elasticsearch-6.1.2/indices-restored-states");
    states.as_array_mut().unwrap().iter_mut().for_each(|row| row["status"] = json!("close"));
    let stub = Stub::start();
    stub.root(TARGET)
        .replay(DAY1, "elasticsearch-6.1.2/snapshot-success")
        .on("GET", "/_cat/indices?format=json&h=index%2Cstatus%2Chealth", Answer::json(200, &states))
        .on_prefix("GET", "/_all/_settings/", answer("elasticsearch-6.1.2/indices-restored-settings"))
        .on_prefix("GET", "/_alias", answer("elasticsearch-6.1.2/indices-restored-alias-parameter"));
    restore(&stub, &finished())
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains("on the target a closed index")
        .stderr_contains(A);
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn an_alias_that_is_an_index_on_the_target_is_refused_before_anything_is_sent() {
    let stub = target("indices-alias-clash");
    stub.indices("elasticsearch-6.1.2/indices-alias-clash");
    restore(&stub, &finished())
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains(format!("alias \"javacafe\" of \"{A}\" is the name of an index on the target"))
        .stderr_contains("hint: restore without aliases: --no-aliases\n");
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn without_aliases_nothing_can_clash() {
    let stub = target("indices-alias-clash");
    stub.on("POST", RESTORE, answer("elasticsearch-6.1.2/restore-accepted"));
    let output = restore(&stub, &finished()).arg("--no-aliases").run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines().len(), 1);
    let requests = stub.finish();
    assert_eq!(requests.len(), 6);
    assert_eq!(requests[5].json()["include_aliases"], false);
}

#[test]
fn an_index_cannot_take_the_name_of_an_alias() {
    let stub = target("indices-restored");
    restore(&stub, &finished())
        .args(["--indices", B, "--rename-pattern", ".+", "--rename-replacement", "javacafe"])
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains(format!("on the target \"javacafe\" is an alias (of \"{A}\"); an index cannot take its name"));
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn renames_that_lose_an_index_are_refused_before_anything_is_sent() {
    let stub = Stub::start();
    stub.root(TARGET).replay(DAY1, "elasticsearch-6.1.2/snapshot-success");
    restore(&stub, &finished())
        .args(["--rename-pattern", ".+", "--rename-replacement", "same"])
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("\"same\"");
    assert!(posts(&stub.finish()).is_empty());
}

#[test]
fn a_rename_goes_to_the_server_as_java_wants_it() {
    let stub = target("indices-none");
    stub.indices("elasticsearch-6.1.2/indices-none").on(
        "POST",
        RESTORE,
        answer("elasticsearch-6.1.2/restore-accepted"),
    );
    let output = restore(&stub, &finished())
        .args(["--rename-pattern", "javacafe_(.+)", "--rename-replacement", "moved-$1"])
        .run();
    output.exit(0).stderr("");
    let names: Vec<Value> =
        output.json_lines()[0]["indices"].as_array().unwrap().iter().map(|i| i["target_index"].clone()).collect();
    assert_eq!(names, ["moved-2018_01_01", "moved-2018_01_02"]);
    let requests = stub.finish();
    let sent = posts(&requests)[0].json();
    assert_eq!((&sent["rename_pattern"], &sent["rename_replacement"]), (&json!("javacafe_(.+)"), &json!("moved-$1")));
}

#[test]
fn a_snapshot_that_is_not_whole_is_not_built_on() {
    let stub = Stub::start();
    for (state, code, says) in [
        ("FAILED", 1, "the snapshot is FAILED with 0 failed shards and 0 missing indices"),
        ("PARTIAL", 1, "the snapshot is PARTIAL"),
        ("MISSING", 1, "the snapshot is MISSING"),
        ("IN_PROGRESS", 2, "the snapshot is not final yet"),
        ("NOVEL", 1, "the snapshot is NOVEL"),
    ] {
        let mut record = finished();
        record["state"] = json!(state);
        let output = restore(&stub, &record).run();
        output.exit(code).stderr_contains(format!("restore of move/day1: {says}"));
        // The later stages of a plain pipe then end with the answer no as well, and not with "no record".
        assert_eq!(output.json_lines().iter().filter(|r| failed(r, says)).count(), usize::from(code == 1), "{state}");
    }
    let mut record = finished();
    record["missing_indices"] = json!(["typo"]);
    restore(&stub, &record).run().exit(1).stdout_contains("not started").stderr_contains("1 missing indices");
    assert!(stub.finish().is_empty());
}

/// Whether it is the record of a restore that was not started.
fn failed(record: &Value, why: &str) -> bool {
    record["type"] == "restore"
        && record["state"] == "FAILED"
        && record["failures"][0].as_str().is_some_and(|text| text.contains("not started") && text.contains(why))
}

#[test]
fn a_repository_without_the_snapshot_points_at_its_registration() {
    let stub = Stub::start();
    stub.root(TARGET).replay(DAY1, "elasticsearch-6.1.2/snapshot-missing");
    restore(&stub, &finished())
        .run()
        .exit(1)
        .stdout_contains("\"failures\":[\"not started: ")
        .stderr_contains("reading it on the target: HTTP 404 snapshot_missing_exception")
        .stderr_contains(
            "hint: is the target's repository registered on the same bucket and base_path as the source's?",
        );
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn another_snapshot_of_the_same_name_is_refused() {
    let stub = Stub::start();
    stub.root(TARGET).replay(DAY1, "elasticsearch-6.1.2/snapshot-success");
    let mut record = finished();
    record["uuid"] = json!("mine");
    restore(&stub, &record)
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("the target's repository holds another snapshot of that name (uuid ");
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn an_index_the_snapshot_does_not_hold_is_the_answer_no() {
    let stub = Stub::start();
    stub.root(TARGET).replay(DAY1, "elasticsearch-6.1.2/snapshot-success");
    restore(&stub, &finished())
        .args(["--indices", "javacafe_2018_01_1"])
        .run()
        .exit(1)
        .stdout_contains("\"failures\":[\"not started: ")
        .stderr("es-restore: restore of move/day1: the snapshot does not hold index \"javacafe_2018_01_1\"\n");
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn a_lost_answer_to_the_restore_is_settled_by_looking() {
    let stub = target("indices-none");
    stub.indices("elasticsearch-6.1.2/indices-none")
        .on("POST", RESTORE, Answer::raw(""))
        .indices("elasticsearch-6.1.2/indices-restored")
        .replay(&format!("GET /{A}%2C{B}/_recovery"), "elasticsearch-6.1.2/recovery");
    let output = restore(&stub, &finished()).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["state"], "IN_PROGRESS");
    assert_eq!(posts(&stub.finish()).len(), 1, "a write is never sent again blindly");
}

fn busy() -> Answer {
    let reason = "[move:day1/x] Restore process is already running in this cluster";
    Answer::json(
        503,
        &json!({"error": {"type": "concurrent_snapshot_execution_exception", "reason": reason}, "status": 503}),
    )
}

#[test]
fn another_running_restore_is_to_be_tried_again() {
    let stub = target("indices-none");
    stub.on("POST", RESTORE, busy());
    restore(&stub, &finished())
        .arg("--no-aliases")
        .run()
        .exit(75)
        .stdout("")
        .stderr_contains("hint: another restore is running: --wait-for-running 2h queues behind it\n");
    assert_eq!(stub.finish().len(), 6);
}

#[test]
fn it_queues_behind_another_restore_as_long_as_allowed() {
    let stub = target("indices-none");
    stub.on("POST", RESTORE, busy()).on("POST", RESTORE, answer("elasticsearch-6.1.2/restore-accepted"));
    let output = restore(&stub, &finished()).args(["--no-aliases", "--wait-for-running", "1m"]).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["state"], "IN_PROGRESS");
    assert_eq!(posts(&stub.finish()).len(), 2);
}

#[test]
fn an_answer_to_the_restore_that_is_about_nothing_or_something_else_is_a_failure() {
    for (snapshot, indices) in [("day1", &[] as &[&str]), ("zzz", &[A, B]), ("day1", &[A, "other"])] {
        let shards = json!({"total": indices.len(), "failed": 0, "successful": indices.len()});
        let stub = target("indices-none");
        let other = json!({"snapshot": {"snapshot": snapshot, "indices": indices, "shards": shards}});
        stub.on("POST", RESTORE, Answer::json(200, &other));
        restore(&stub, &finished())
            .arg("--no-aliases")
            .run()
            .exit(3)
            .stdout("")
            .stderr_contains("neither accepted nor refused: ");
        assert_eq!(stub.finish().len(), 6);
    }
}

#[test]
fn an_answer_that_does_not_show_the_whole_snapshot_starts_nothing() {
    for (key, strange, code, says) in [
        ("snapshot", json!("zzz"), 3, "an answer about another snapshot"),
        ("shards", Value::Null, 3, "does not say how the shards fared"),
        ("end_time_in_millis", json!(0), 3, "the target does not say when the snapshot ended"),
        ("shards", json!({"total": 3, "failed": 1, "successful": 2}), 1, "is SUCCESS, and 2 of 3 shards are in it"),
    ] {
        let mut answer = body("elasticsearch-6.1.2/snapshot-success");
        answer["snapshots"][0][key] = strange;
        let stub = Stub::start();
        stub.root(TARGET).on("GET", "/_snapshot/move/day1", Answer::json(200, &answer));
        restore(&stub, &finished()).run().exit(code).stderr_contains(says);
        assert_eq!(stub.finish().len(), 2);
    }
}

#[test]
fn a_dry_run_prints_the_request_and_sends_nothing() {
    let stub = Stub::start();
    let output = restore(&stub, &finished()).args(["--dry-run", "--replicas", "0"]).run();
    output.exit(0).stderr("");
    let [request] = output.json_lines().try_into().unwrap();
    assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!(format!("{}{RESTORE}", stub.url()))));
    assert!(stub.finish().is_empty());
}

#[test]
fn settings_that_no_restore_can_change_are_wrong_usage() {
    let stub = Stub::start();
    restore(&stub, &finished())
        .args(["--index-setting", "number_of_shards=3"])
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("--index-setting index.number_of_shards: it cannot be changed on restore");
    assert!(stub.finish().is_empty());
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict_and_a_full_disk_does() {
    for (full, code) in [(false, 0), (true, 3)] {
        let stub = target("indices-restored");
        stub.replay(&format!("GET /{A}%2C{B}/_recovery"), "elasticsearch-6.1.2/recovery");
        let tool = restore(&stub, &finished());
        let output = if full { tool.stdout_full() } else { tool.stdout_closed() }.run();
        output.exit(code);
        assert_eq!(output.err().contains("No space left on device"), full, "{}", output.err());
        assert_eq!(stub.finish().len(), 6);
    }
}
