//! The tool as its users see it, on a stub that counts every request.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::contract;
use es_testkit::recorded::{answer, body};
use es_testkit::stub::{Answer, Stub};
use es_testkit::tool::{Tool, tool};
use serde_json::{Value, json};

const NAME: &str = "es-wait";
const SOURCE: &str = "elasticsearch-5.5.2";
const TARGET: &str = "elasticsearch-6.1.2";
const DAY1: &str = "GET /_snapshot/move/day1";
const HEALTH: &str = "/_cluster/health/javacafe_2018_01_01%2Cjavacafe_2018_01_02?level=indices&timeout=1s";
const STUCK: &str = "/_cluster/health/stuck?level=indices&timeout=1s";

/// What es-snapshot prints when a snapshot was accepted.
fn accepted(stub: &Stub) -> Value {
    json!({
        "type": "snapshot",
        "repository": "move",
        "snapshot": "day1",
        "state": "IN_PROGRESS",
        "cluster": contract::cluster_id(SOURCE, "source", &stub.url()),
        "indices": ["javacafe_2018_01_01", "javacafe_2018_01_02"],
        "novel": {"of a": ["later version"]},
    })
}

/// What es-restore prints when a restore of these target indices was accepted.
fn restoring(stub: &Stub, targets: &[&str]) -> Value {
    let indices: Vec<Value> = targets.iter().map(|target| json!({"index": target, "target_index": target})).collect();
    json!({
        "type": "restore",
        "repository": "move",
        "snapshot": "day1",
        "state": "IN_PROGRESS",
        "cluster": contract::cluster_id(TARGET, "target", &stub.url()),
        "indices": indices,
    })
}

const BOTH: [&str; 2] = ["javacafe_2018_01_01", "javacafe_2018_01_02"];

fn wait(record: &Value) -> Tool {
    tool(NAME).args(["--interval", "0"]).stdin(format!("{record}\n"))
}

/// The health of the restored indices, before a shard was started.
fn nothing_started() -> Answer {
    let mut health = body("elasticsearch-6.1.2/health-green");
    for index in BOTH {
        let index = &mut health["indices"][index];
        index["initializing_shards"] = index["number_of_shards"].clone();
        index["status"] = json!("red");
        index["active_primary_shards"] = json!(0);
        index["active_shards"] = json!(0);
    }
    Answer::json(408, &health)
}

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn input_that_is_no_record_sends_nothing() {
    contract::input(NAME, "--url", &json!({"type": "snapshot", "repository": "move", "snapshot": "day1"}));
}

#[test]
fn closed_doors_have_codes_and_keep_the_password() {
    contract::doors(NAME, "SOURCE", |tool, url| {
        tool.url(url).args(["--repository", "move", "--snapshot", "day1", "--patience", "100ms"])
    });
}

/// The recorded snapshot of this state, under this name.
fn named(name: &str, state: &str) -> Answer {
    let mut answer = body(&format!("elasticsearch-5.5.2/snapshot-{state}"));
    answer["snapshots"][0]["snapshot"] = json!(name);
    Answer::json(200, &answer)
}

/// A snapshot that still runs, as servers show it: end 1970, a negative duration, no shards.
fn running() -> Answer {
    let mut running = body("elasticsearch-5.5.2/snapshot-in-progress");
    let one = &mut running["snapshots"][0];
    assert_eq!((&one["state"], &one["end_time_in_millis"]), (&json!("IN_PROGRESS"), &json!(0)));
    one["uuid"] = body("elasticsearch-5.5.2/snapshot-success")["snapshots"][0]["uuid"].clone();
    Answer::json(200, &running)
}

#[test]
fn a_snapshot_is_looked_at_until_it_is_final() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", "/_snapshot/move/day1", running())
        .on("GET", "/_snapshot/move/day1", running())
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let output = wait(&accepted(&stub)).run();
    output.exit(0).stderr("");
    let [record] = output.json_lines().try_into().unwrap();
    assert_eq!((&record["state"], &record["shards"]["successful"]), (&json!("SUCCESS"), &json!(3)));
    assert_eq!(record["novel"], json!({"of a": ["later version"]}));
    assert!(record["duration_in_millis"].as_i64().unwrap() >= 0);
    assert_eq!(record["steps"][0]["requests"], 4);
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn a_failed_snapshot_is_the_answer_no_with_the_servers_reasons() {
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", named("day1", "failed"));
    let mut record = accepted(&stub);
    record["indices"] = json!(["javacafe_2018_01_02", "javacafe_red"]);
    let output = wait(&record).run();
    output
        .exit(1)
        .stderr_contains("es-wait: snapshot move/day1 is FAILED: ")
        .stderr_contains("Indices don't have primary shards [javacafe_red]");
    assert_eq!(output.json_lines()[0]["state"], "FAILED");
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn a_partial_snapshot_is_the_answer_no_with_each_failure() {
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", named("day1", "partial"));
    let mut record = accepted(&stub);
    record["indices"] = json!(["javacafe_2018_01_02", "javacafe_red"]);
    let output = wait(&record).run();
    output
        .exit(1)
        .stderr_contains("es-wait: snapshot move/day1 is PARTIAL: 2 of 3 shards failed; [javacafe_red][")
        .stderr_contains("primary shard is not allocated");
    let record = &output.json_lines()[0];
    assert_eq!((&record["state"], &record["failures"].as_array().unwrap().len()), (&json!("PARTIAL"), &2));
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn success_without_an_index_that_was_asked_for_is_the_answer_no() {
    let stub = Stub::start();
    stub.root(SOURCE).replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let mut record = accepted(&stub);
    record["indices"] = json!(["javacafe_2018_01_01", "javacafe_2018_01_1"]);
    let output = wait(&record).run();
    output.exit(1).stderr_contains("snapshot move/day1 is SUCCESS: not in it: javacafe_2018_01_1\n");
    assert_eq!(output.json_lines()[0]["missing_indices"], json!(["javacafe_2018_01_1"]));
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn success_with_no_shards_at_all_is_the_answer_no() {
    let mut nothing = body("elasticsearch-5.5.2/snapshot-success");
    nothing["snapshots"][0]["indices"] = json!([]);
    nothing["snapshots"][0]["shards"] = json!({"total": 0, "failed": 0, "successful": 0});
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", Answer::json(200, &nothing));
    let output = tool(NAME).url(stub.url()).args(["--repository", "move", "--snapshot", "day1"]).run();
    output.exit(1).stderr_contains("it holds no index at all");
    assert_eq!(output.json_lines()[0]["state"], "SUCCESS");
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn success_with_fewer_shards_than_its_indices_have_is_the_answer_no() {
    let stub = Stub::start();
    stub.root(SOURCE).replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let mut record = accepted(&stub);
    record["index_settings"] = json!({"javacafe_2018_01_01": {"number_of_shards": 5}});
    wait(&record).run().exit(1).stderr_contains("move/day1 is SUCCESS: 3 shards are in it, and its indices have 6\n");
}

#[test]
fn a_state_of_a_later_version_is_never_success() {
    let mut novel = body("elasticsearch-5.5.2/snapshot-success");
    novel["snapshots"][0]["state"] = json!("HALF_DONE");
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", Answer::json(200, &novel));
    let output = wait(&accepted(&stub)).run();
    output.exit(1).stderr_contains("snapshot move/day1 is HALF_DONE");
    assert_eq!(output.json_lines()[0]["state"], "HALF_DONE");
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn a_snapshot_that_was_accepted_and_is_gone_is_missing() {
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", answer("elasticsearch-5.5.2/snapshot-missing").repeat());
    let output = wait(&accepted(&stub)).run();
    output.exit(1).stderr(
        "es-wait: snapshot move/day1 is gone: it was accepted, and the cluster has no such snapshot\nes-wait: hint: its \
         name is free: take it again\n",
    );
    assert_eq!(output.json_lines()[0]["state"], "MISSING");
    assert_eq!(stub.finish().len(), 4, "three looks must agree");
}

#[test]
fn a_snapshot_that_is_not_shown_for_a_moment_is_not_gone() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-missing")
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-missing")
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let output = wait(&accepted(&stub)).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["state"], "SUCCESS");
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn another_snapshot_under_the_same_name_is_a_failure() {
    let stub = Stub::start();
    stub.root(SOURCE).replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let mut record = accepted(&stub);
    record["uuid"] = json!("mine");
    wait(&record).run().exit(3).stdout("").stderr_contains("another snapshot has taken this name (uuid ");
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn a_record_that_failed_before_is_passed_on_as_a_failure() {
    let stub = Stub::start();
    stub.root(SOURCE);
    let mut record = accepted(&stub);
    record["state"] = json!("FAILED");
    record["missing_indices"] = json!(["typo"]);
    let output = wait(&record).run();
    output.exit(1).stderr_contains("snapshot move/day1 is FAILED already: not in it: typo");
    assert_eq!(output.json_lines()[0]["state"], "FAILED");
    assert_eq!(stub.finish().len(), 1);
}

#[test]
fn a_restore_in_a_state_of_a_later_version_is_never_success_and_says_so() {
    let record = json!({"type": "restore", "repository": "move", "snapshot": "day1", "state": "SETTLED",
        "indices": [{"index": "a", "target_index": "a"}]});
    wait(&record).run().exit(1).stderr_contains(
        "restore of move/day1 has failed already: its state is \"SETTLED\", which this version does not know\n",
    );
}

#[test]
fn lost_looks_are_only_that() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", "/_snapshot/move/day1", Answer::raw(""))
        .on("GET", "/_snapshot/move/day1", Answer::text(503, "<html>gateway</html>"))
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let output = wait(&accepted(&stub)).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["state"], "SUCCESS");
    assert_eq!(output.json_lines()[0]["steps"][0]["retries"], 2);
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn the_timeout_ends_the_wait_and_not_the_work() {
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", running().repeat());
    tool(NAME)
        .args(["--interval", "100ms", "--timeout", "350ms"])
        .stdin(accepted(&stub).to_string())
        .run()
        .exit(124)
        .stdout("")
        .stderr_contains("es-wait: snapshot move/day1: not final after ")
        .stderr_contains("hint: the work goes on: run es-wait again with the same input\n");
    assert!((3..=6).contains(&stub.finish().len()), "one look each 100 ms");
}

#[test]
fn a_restore_is_done_when_every_primary_is_started() {
    let stub = Stub::start();
    stub.root(TARGET).on("GET", HEALTH, nothing_started()).on("GET", HEALTH, nothing_started()).on(
        "GET",
        HEALTH,
        answer("elasticsearch-6.1.2/health-green"),
    );
    let output = wait(&restoring(&stub, &BOTH)).run();
    output.exit(0).stderr("");
    let record = &output.json_lines()[0];
    assert_eq!((&record["state"], &record["health"]), (&json!("SUCCESS"), &json!("green")));
    assert_eq!(record["shards"], json!({"total": 3, "failed": 0, "successful": 3}));
    assert_eq!(stub.finish().len(), 4, "one request a look, whatever the number of indices");
}

#[test]
fn a_restore_that_cannot_be_allocated_ends_with_the_explanation() {
    let shards = "/_cluster/health/stuck?level=shards&timeout=1s";
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", STUCK, answer("elasticsearch-6.1.2/stuck-health").repeat())
        .on("GET", shards, answer("elasticsearch-6.1.2/stuck-health-shards").repeat())
        .on("POST", "/_cluster/allocation/explain", answer("elasticsearch-6.1.2/stuck-explain").repeat());
    let output = wait(&restoring(&stub, &["stuck"])).run();
    output
        .exit(1)
        .stderr_contains("es-wait: restore of move/day1 will not come to its end: [stuck][0] cannot allocate because")
        .stderr_contains("node does not match index setting [index.routing.allocation.require] filters [box:\"nope\"]")
        .stderr_contains("hint: mend the cause; then delete that index on the target and run es-restore again\n");
    let record = &output.json_lines()[0];
    assert_eq!((&record["state"], record["failures"].as_array().unwrap().len()), (&json!("FAILED"), 1));
    assert_eq!(stub.finish().len(), 1 + 4 * 3, "four looks must agree");
}

#[test]
fn shards_that_do_not_add_up_are_no_success_and_no_crash() {
    let stub = Stub::start();
    let mut health = body("elasticsearch-6.1.2/health-green");
    for (index, active) in BOTH.into_iter().zip([u64::MAX, 7]) {
        health["indices"][index]["active_primary_shards"] = json!(active);
        health["indices"][index]["unassigned_shards"] = json!(1);
    }
    stub.root(TARGET).on("GET", HEALTH, Answer::json(200, &health).repeat());
    stub.on_prefix("GET", &format!("/_cluster/health/{}?", BOTH[0]), Answer::json(200, &health).repeat());
    wait(&restoring(&stub, &BOTH))
        .args(["--patience", "0"])
        .run()
        .exit(3)
        .stderr_contains("nothing moved for 0ms: index \"javacafe_2018_01_01\" is not as wanted");
}

#[test]
fn a_restored_index_that_vanished_is_the_answer_no() {
    let stub = Stub::start();
    stub.root(TARGET).on(
        "GET",
        "/_cluster/health/absent?level=indices&timeout=1s",
        answer("elasticsearch-6.1.2/absent-health").repeat(),
    );
    let output = wait(&restoring(&stub, &["absent"])).run();
    output.exit(1).stderr_contains("not on the target: absent").stderr_contains("run es-restore again");
    assert_eq!(output.json_lines()[0]["state"], "FAILED");
    assert_eq!(stub.finish().len(), 5);
}

#[test]
fn many_indices_are_one_request_a_look() {
    let names: Vec<String> = (0..1000).map(|n| format!("an-index-with-a-long-name-{n:04}")).collect();
    let health: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), body("elasticsearch-6.1.2/health-green")["indices"][BOTH[1]].clone()))
        .collect();
    let stub = Stub::start();
    stub.root(TARGET).on(
        "GET",
        "/_cluster/health?level=indices&timeout=1s",
        Answer::json(200, &json!({"status": "green", "indices": health})),
    );
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = wait(&restoring(&stub, &names)).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["shards"]["successful"], 1000);
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn several_records_are_all_printed_and_the_worst_decides() {
    let stub = Stub::start();
    stub.root(SOURCE).replay(DAY1, "elasticsearch-5.5.2/snapshot-success").on(
        "GET",
        "/_snapshot/move/bad",
        named("bad", "failed"),
    );
    let (mut bad, good) = (accepted(&stub), accepted(&stub));
    bad["snapshot"] = json!("bad");
    let output = tool(NAME).args(["--interval", "0"]).stdin(format!("{bad}\n{good}\n")).run();
    output.exit(1).stderr_contains("snapshot move/bad is FAILED");
    let states: Vec<Value> = output.json_lines().iter().map(|record| record["state"].clone()).collect();
    assert_eq!(states, ["FAILED", "SUCCESS"]);
    assert_eq!(stub.finish().len(), 3);
}

#[test]
fn plain_progress_is_words_on_stderr_and_records_on_stdout() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", "/_snapshot/move/day1", running())
        .replay("GET /_snapshot/move/day1/_status", "elasticsearch-5.5.2/snapshot-status-in-progress")
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let output = wait(&accepted(&stub)).args(["--progress", "plain"]).run();
    output.exit(0).stderr_contains("es-wait: move/day1").stderr_contains("0/1 shards");
    assert_eq!(output.json_lines().len(), 1);
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict_and_a_full_disk_does() {
    for (full, state, code) in [(false, "success", 0), (false, "partial", 1), (true, "success", 3)] {
        let stub = Stub::start();
        stub.root(SOURCE).on("GET", "/_snapshot/move/day1", named("day1", state));
        let mut record = accepted(&stub);
        record["indices"] = json!(["javacafe_2018_01_02"]);
        let tool = wait(&record);
        let output = if full { tool.stdout_full() } else { tool.stdout_closed() }.run();
        output.exit(code);
        assert_eq!(output.err().contains("No space left on device"), full, "{}", output.err());
        assert_eq!(stub.finish().len(), 2);
    }
}

#[test]
fn a_record_of_another_cluster_is_refused() {
    let stub = Stub::start();
    stub.root(SOURCE);
    let mut record = accepted(&stub);
    record["cluster"]["cluster_uuid"] = json!("another");
    wait(&record)
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("es-wait: the record is of cluster \"testbed-elasticsearch-5.5.2\" (another), and ")
        .stderr_contains("hint: point ES_SOURCE_URL at the record's cluster, or make the record anew\n");
    assert_eq!(stub.finish().len(), 1);
}

#[test]
fn an_answer_that_lists_no_snapshots_is_no_proof_that_one_is_gone() {
    for strange in [json!({}), json!([]), json!({"snapshots": 7})] {
        let stub = Stub::start();
        stub.root(SOURCE).on("GET", "/_snapshot/move/day1", Answer::json(200, &strange));
        wait(&accepted(&stub)).run().exit(3).stderr_contains("an answer without a list of snapshots");
        drop(stub.finish());
    }
}

#[test]
fn an_answer_that_is_not_about_the_snapshot_or_hides_its_shards_is_no_success() {
    let success = body("elasticsearch-5.5.2/snapshot-success");
    let failure = body("elasticsearch-5.5.2/snapshot-partial")["snapshots"][0]["failures"].clone();
    for (key, strange, code, says) in [
        ("snapshot", json!("zzz"), 3, "an answer about another snapshot"),
        ("shards", Value::Null, 3, "does not say how the shards fared"),
        ("shards", json!({"total": "3", "failed": "0", "successful": "3"}), 3, "does not say how the shards fared"),
        ("shards", json!({"total": -3, "failed": 0, "successful": -3}), 3, "does not say how the shards fared"),
        ("shards", json!({"total": 0, "failed": 0, "successful": 0}), 1, "is SUCCESS: 0 of 0 shards are in it"),
        ("failures", failure, 1, "is SUCCESS: [javacafe_red][0] primary shard is not allocated"),
    ] {
        let mut answer = success.clone();
        answer["snapshots"][0][key] = strange;
        let stub = Stub::start();
        stub.root(SOURCE).on("GET", "/_snapshot/move/day1", Answer::json(200, &answer));
        wait(&accepted(&stub)).run().exit(code).stderr_contains(says);
        assert_eq!(stub.finish().len(), 2);
    }
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", Answer::json(200, &json!({"snapshots": ["x"]})));
    wait(&accepted(&stub)).run().exit(3).stderr_contains("an answer without a snapshot's state");
    drop(stub.finish());
}

#[test]
fn the_health_of_another_cluster_behind_the_same_url_is_not_taken_for_the_records() {
    let stub = Stub::start();
    let mut health = body("elasticsearch-6.1.2/health-green");
    health["cluster_name"] = json!("another");
    stub.root(TARGET).on("GET", HEALTH, Answer::json(200, &health));
    let says = "the health is that of cluster \"another\", and ";
    wait(&restoring(&stub, &BOTH)).run().exit(2).stdout("").stderr_contains(says);
    assert_eq!(stub.finish().len(), 2);
}

/// A wait for the health of what a list means, on a target that gives this answer.
fn health_of(list: &str, health: &Value) -> es_testkit::tool::Output {
    let stub = Stub::start();
    let path = format!("/_cluster/health/{}?level=indices&timeout=1s", list.replace('*', "%2A"));
    stub.root(TARGET).on("GET", &path, Answer::json(200, health).repeat());
    let waiting = ["--cluster", "target", "--interval", "50ms", "--timeout", "300ms", "--indices", list];
    let output = tool(NAME).url(stub.url()).args(waiting).run();
    drop(stub.finish());
    output
}

#[test]
fn an_answer_that_is_no_health_is_never_green() {
    for strange in [json!({}), json!([]), Value::Null, json!({"error": "x"}), json!({"status": "green"})] {
        health_of("*", &strange).exit(3).stdout("").stderr_contains("an answer without a health: ");
    }
}

#[test]
fn a_cluster_that_is_red_without_an_index_is_waited_for() {
    let mut red = body("elasticsearch-6.1.2/absent-health");
    health_of("*", &red).exit(124).stderr_contains("not final after ");
    red["status"] = json!("green");
    let output = health_of("*", &red);
    output.exit(0);
    assert_eq!(output.json_lines()[0]["status"], "green");
}

#[test]
fn a_wildcard_that_fits_no_index_is_the_answer_no() {
    // Servers call what nothing fits green.
    let mut nothing = body("elasticsearch-6.1.2/absent-health");
    nothing["status"] = json!("green");
    let output = health_of("typo*", &nothing);
    output.exit(1).stderr_contains("es-wait: no such index: typo*\n");
    assert_eq!(output.json_lines()[0]["status"], "red");
}

#[test]
fn a_snapshot_whose_file_is_gone_is_damage_and_its_name_is_not_free() {
    let stub = Stub::start();
    let gone = json!({"error": {"type": "snapshot_missing_exception", "reason": "[move:day1/x] is missing",
        "caused_by": {"type": "no_such_file_exception", "reason": "/repositories/r/snap-x.dat"}}, "status": 404});
    stub.root(SOURCE).on("GET", "/_snapshot/move/day1", Answer::json(404, &gone));
    wait(&accepted(&stub)).run().exit(3).stderr_contains("snap-x.dat").stderr_contains("clean-up or lifecycle rule");
    drop(stub.finish());
}

/// A restore of `stuck`, whose shard does not move and of which the cluster answers this when it is asked why.
fn stuck(answered: Answer) -> es_testkit::tool::Output {
    let shards = "/_cluster/health/stuck?level=shards&timeout=1s";
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", STUCK, answer("elasticsearch-6.1.2/stuck-health").repeat())
        .on("GET", shards, answer("elasticsearch-6.1.2/stuck-health-shards").repeat())
        .on("POST", "/_cluster/allocation/explain", answered.repeat());
    let record = restoring(&stub, &["stuck"]).to_string();
    let output = tool(NAME).args(["--interval", "20ms", "--patience", "300ms"]).stdin(record).run();
    assert!(stub.finish().len() > 1 + 3 * 3, "more than a few looks");
    output
}

#[test]
fn a_shard_that_does_not_move_and_of_which_nobody_may_ask_why_ends_the_wait() {
    let body = json!({"error": {"type": "security_exception", "reason": "action [cluster:monitor/allocation/explain] \
        is unauthorized for user [mover]"}, "status": 403});
    let output = stuck(Answer::json(403, &body));
    output
        .exit(4)
        .stdout("")
        .stderr_contains(
            "es-wait: warning: what keeps a shard of \"stuck\" may not be read: HTTP 403 security_exception",
        )
        .stderr_contains("es-wait: restore of move/day1: nothing moved for 300ms: what keeps a shard of \"stuck\"")
        .stderr_contains("hint: _cluster/allocation/explain needs the cluster privilege monitor");
    assert_eq!(output.err().matches("warning: ").count(), 1, "{}", output.err());
}

#[test]
fn a_shard_that_does_not_move_without_a_reason_ends_the_wait() {
    stuck(Answer::json(200, &json!({}))).exit(3).stdout("").stderr_contains(
        "nothing moved for 300ms: index \"stuck\" is not as wanted, and the cluster does not say what keeps it",
    );
}

#[test]
fn an_index_without_any_shard_ends_the_wait() {
    let mut health = body("elasticsearch-6.1.2/stuck-health");
    for key in ["number_of_shards", "unassigned_shards", "active_shards", "initializing_shards"] {
        health["indices"]["stuck"][key] = json!(0);
    }
    let stub = Stub::start();
    stub.root(TARGET).on("GET", STUCK, Answer::json(200, &health).repeat());
    let record = restoring(&stub, &["stuck"]).to_string();
    tool(NAME)
        .args(["--interval", "20ms", "--patience", "300ms"])
        .stdin(record)
        .run()
        .exit(3)
        .stderr_contains("index \"stuck\" is not as wanted");
    drop(stub.finish());
}

#[test]
fn records_without_end_are_refused_before_they_fill_the_memory() {
    let many = "{\"type\":\"health\"}\n".repeat(150_000);
    let large = format!("{{\"type\":\"health\",\"later\":[{}0]}}", "0,".repeat(20 << 20));
    for (line, stdin) in [(100_001, many), (1, large)] {
        let output = tool(NAME).stdin(stdin).run();
        output
            .exit(2)
            .stdout("")
            .stderr_contains(format!("line {line}: more than 100000 records, 134217728 bytes or 2000000 values"))
            .stderr_contains("hint: give the tool a part of them at a time; nothing was done");
        assert!(output.peak_bytes() < 320 << 20, "{} bytes", output.peak_bytes());
    }
}
