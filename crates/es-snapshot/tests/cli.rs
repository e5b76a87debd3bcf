//! The tool as its users see it, on a stub that counts every request.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use std::time::Duration;

use es_testkit::contract;
use es_testkit::recorded::{SETTINGS, STATES, answer, body};
use es_testkit::stub::{Answer, Stub};
use es_testkit::tool::{Tool, tool};
use serde_json::{Value, json};

const NAME: &str = "es-snapshot";
const SOURCE: &str = "elasticsearch-5.5.2";
const DAY1: &str = "GET /_snapshot/move/day1";
/// Who it is, three lists of indices, whether the name is taken.
const LOOKS: usize = 5;

/// A source with its indices and no snapshot `day1`.
fn source() -> Stub {
    let stub = Stub::start();
    stub.root(SOURCE).indices("elasticsearch-5.5.2/indices").replay(DAY1, "elasticsearch-5.5.2/snapshot-missing");
    stub
}

/// A source with its indices, and this answer to the look for the name.
fn source_with(snapshot: &Value) -> Stub {
    let stub = Stub::start();
    stub.root(SOURCE).indices("elasticsearch-5.5.2/indices").on(
        "GET",
        "/_snapshot/move/day1",
        Answer::json(200, snapshot),
    );
    stub
}

fn snapshot(stub: &Stub) -> Tool {
    tool(NAME).url(stub.url()).args(["--repository", "move", "--snapshot", "day1"])
}

fn day(stub: &Stub) -> Tool {
    snapshot(stub).args(["--indices", "javacafe_2018_01_*"])
}

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn closed_doors_have_codes_and_keep_the_password() {
    contract::doors(NAME, "SOURCE", |tool, url| tool.url(url).args(["--repository", "move", "--snapshot", "day1"]));
}

#[test]
fn a_snapshot_is_started_with_concrete_names_and_never_waited_for() {
    let stub = source();
    stub.replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-accepted");
    let output = day(&stub).run();
    output.exit(0).stderr("");
    let [record] = output.json_lines().try_into().unwrap();
    assert_eq!((&record["type"], &record["state"]), (&json!("snapshot"), &json!("IN_PROGRESS")));
    assert_eq!(record["indices"], json!(["javacafe_2018_01_01", "javacafe_2018_01_02"]));
    assert_eq!((&record["adopted"], &record["steps"][0]["requests"]), (&json!(false), &json!(LOOKS + 1)));
    let first = &record["index_settings"]["javacafe_2018_01_01"];
    assert_eq!(
        (&first["number_of_replicas"], &first["refresh_interval"], &first["aliases"]),
        (&json!(1), &json!("30s"), &json!(["javacafe"]))
    );
    let requests = stub.finish();
    assert_eq!(
        requests.last().unwrap().json(),
        json!({
            "indices": "javacafe_2018_01_01,javacafe_2018_01_02",
            "ignore_unavailable": false,
            "include_global_state": false,
            "partial": false,
        })
    );
    assert_eq!(requests.last().unwrap().path, "/_snapshot/move/day1");
}

#[test]
fn an_index_that_was_born_between_the_lists_is_taken_with_its_own_settings() {
    let mut settings = body("elasticsearch-5.5.2/indices-settings");
    settings.as_object_mut().unwrap().remove("javacafe_2018_01_01").unwrap();
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", SETTINGS, Answer::json(200, &settings))
        .indices("elasticsearch-5.5.2/indices")
        .replay("GET /_alias?expand_wildcards=all", "elasticsearch-5.5.2/indices-alias-parameter")
        .replay(&format!("GET {STATES}"), "elasticsearch-5.5.2/indices-states")
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-missing")
        .replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-accepted");
    let output = day(&stub).run();
    output.exit(0).stderr("");
    let own = &output.json_lines()[0]["index_settings"]["javacafe_2018_01_01"];
    assert_eq!((&own["number_of_replicas"], &own["refresh_interval"]), (&json!(1), &json!("30s")));
    drop(stub.finish());
}

#[test]
fn a_misspelt_index_is_the_answer_no_and_starts_nothing() {
    let stub = source();
    let output = snapshot(&stub).args(["--indices", "javacafe_2018_01_01,javacafe_2018_01_1"]).run();
    output.exit(1).stderr(
        "es-snapshot: snapshot move/day1: no such index: javacafe_2018_01_1\nes-snapshot: hint: nothing was started; \
         look at the names with: curl \"$ES_SOURCE_URL/_cat/indices\"\n",
    );
    let record = &output.json_lines()[0];
    assert_eq!((&record["state"], &record["missing_indices"]), (&json!("FAILED"), &json!(["javacafe_2018_01_1"])));
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn a_wildcard_that_fits_nothing_is_the_answer_no() {
    let stub = source();
    let output = snapshot(&stub).args(["--indices", "logs-*"]).run();
    output.exit(1).stderr_contains("no index fits what is asked for");
    assert_eq!(output.json_lines()[0]["state"], "FAILED");
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn closed_indices_that_the_server_cannot_take_are_named_before_it_is_asked() {
    let stub = source();
    let output = snapshot(&stub).args(["--indices", "javacafe_closed"]).run();
    output.exit(3).stderr_contains("closed indices, which this server cannot take: javacafe_closed");
    assert_eq!(output.json_lines()[0]["state"], "FAILED");
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn unassigned_primaries_are_the_answer_no_with_their_indices() {
    let stub = Stub::start();
    stub.root(SOURCE).indices("elasticsearch-5.5.2/indices-red").replay(DAY1, "elasticsearch-5.5.2/snapshot-missing");
    let output = snapshot(&stub).args(["--indices", "javacafe_red,javacafe_2018_01_02"]).run();
    output.exit(1).stderr_contains("primary shards are not all started: javacafe_red");
    let record = &output.json_lines()[0];
    assert_eq!((&record["state"], &record["failures"][0]["index"]), (&json!("FAILED"), &json!("javacafe_red")));
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn a_repository_that_is_not_registered_is_named_with_the_command_for_it() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .indices("elasticsearch-5.5.2/indices")
        .replay("GET /_snapshot/nope/day1", "elasticsearch-5.5.2/snapshot-in-no-repository");
    tool(NAME)
        .url(stub.url())
        .args(["--repository", "nope", "--snapshot", "day1"])
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains("HTTP 404 repository_missing_exception: [nope] missing")
        .stderr_contains("hint: register it first: es-register-repository");
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn names_that_servers_refuse_are_wrong_usage_before_anything_is_sent() {
    let stub = Stub::start();
    let named = |name: &str| tool(NAME).url(stub.url()).args(["--repository", "move", "--snapshot", name]).run();
    named("Day1").exit(2).stdout("").stderr(
        "es-snapshot: snapshot name \"Day1\" has upper-case letters\nes-snapshot: hint: servers take lower-case \
         letters, digits, - _ and .\n",
    );
    named("a b").exit(2).stdout("").stderr_contains("has white space");
    named("_a").exit(2).stdout("").stderr_contains("begins with _");
    named("a/b").exit(2).stdout("").stderr_contains("has '/'");
    named("").exit(2).stdout("").stderr_contains("is empty");
    assert!(stub.finish().is_empty());
}

#[test]
fn a_dry_run_prints_the_request_and_sends_nothing() {
    let stub = Stub::start();
    let output = day(&stub).arg("--dry-run").run();
    output.exit(0).stderr("");
    let [request] = output.json_lines().try_into().unwrap();
    assert_eq!(request["url"], format!("{}/_snapshot/move/day1", stub.url()));
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["indices"], "javacafe_2018_01_*");
    assert!(stub.finish().is_empty());
}

#[test]
fn a_finished_snapshot_that_covers_what_is_asked_is_adopted() {
    let stub = source_with(&body("elasticsearch-5.5.2/snapshot-success"));
    let output = day(&stub).run();
    output
        .exit(0)
        .stderr_contains("es-snapshot: warning: snapshot move/day1 ended ")
        .stderr_contains(" ago and is adopted: what was written since is not in it\n");
    let record = &output.json_lines()[0];
    assert_eq!((&record["state"], &record["adopted"]), (&json!("SUCCESS"), &json!(true)));
    assert_eq!(record["uuid"], body("elasticsearch-5.5.2/snapshot-success")["snapshots"][0]["uuid"]);
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn a_snapshot_that_does_not_cover_what_is_asked_is_refused() {
    let mut smaller = body("elasticsearch-5.5.2/snapshot-success");
    smaller["snapshots"][0]["indices"] = json!(["javacafe_2018_01_02"]);
    let stub = source_with(&smaller);
    day(&stub).run().exit(3).stdout("").stderr(
        "es-snapshot: snapshot move/day1 exists and does not cover what is asked for: javacafe_2018_01_01 not in it\n\
         es-snapshot: hint: choose another --snapshot name\n",
    );
    assert_eq!(stub.finish().len(), LOOKS);
}

/// A source whose snapshot `day1` in this state began so many milliseconds before its second index was born.
fn source_with_a_young_index(state: &str, held: &Value, millis: i64) -> Stub {
    let mut early = body(&format!("elasticsearch-5.5.2/snapshot-{state}"));
    let settings = body("elasticsearch-5.5.2/indices-settings");
    let born: i64 =
        settings["javacafe_2018_01_02"]["settings"]["index"]["creation_date"].as_str().unwrap().parse().unwrap();
    early["snapshots"][0]["start_time_in_millis"] = json!(born - millis);
    early["snapshots"][0]["indices"] = held.clone();
    source_with(&early)
}

#[test]
fn a_snapshot_that_is_older_than_an_index_is_the_answer_no() {
    let both = json!(["javacafe_2018_01_01", "javacafe_2018_01_02"]);
    let older = "es-snapshot: snapshot move/day1 is older than index javacafe_2018_01_02\nes-snapshot: hint: choose \
                 another --snapshot name\n";
    for (state, held, asked) in [
        // Deleted and made again since: the one in the snapshot is another.
        ("success", &both, "javacafe_2018_01_02"),
        ("success", &both, "javacafe_2018_01_*"),
        ("in-progress", &both, "javacafe_2018_01_*"),
        // Born since, and what is written today would be left out without a word.
        ("success", &json!(["javacafe_2018_01_01"]), "javacafe_2018_01_*"),
        ("success", &json!(["javacafe_2018_01_01"]), "javacafe_2018_01_01,javacafe_2018_01_02"),
    ] {
        let stub = source_with_a_young_index(state, held, 1001);
        snapshot(&stub).args(["--indices", asked]).run().exit(1).stdout("").stderr(older);
        assert_eq!(stub.finish().len(), LOOKS);
    }
}

/// Seen on 7.10.2: the clock of snapshots is some 200 ms behind.
#[test]
fn a_snapshot_that_began_when_its_index_was_just_born_holds_it() {
    let stub = source_with_a_young_index("success", &json!(["javacafe_2018_01_02"]), 200);
    snapshot(&stub).args(["--indices", "javacafe_2018_01_02"]).run().exit(0);
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn a_running_snapshot_is_adopted_without_what_was_born_since_and_says_so() {
    let stub = source_with_a_young_index("in-progress", &json!(["javacafe_2018_01_01"]), 1);
    let output = day(&stub).run();
    output.exit(0).stderr(
        "es-snapshot: warning: snapshot move/day1 is running and is adopted: not in it, since born after it began: \
         javacafe_2018_01_02\n",
    );
    assert_eq!(output.json_lines()[0]["indices"], json!(["javacafe_2018_01_01"]));
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn a_snapshot_that_failed_before_is_printed_and_the_answer_no() {
    let mut failed = body("elasticsearch-5.5.2/snapshot-failed");
    failed["snapshots"][0]["snapshot"] = json!("day1");
    let stub = Stub::start();
    stub.root(SOURCE).indices("elasticsearch-5.5.2/indices-red").on(
        "GET",
        "/_snapshot/move/day1",
        Answer::json(200, &failed),
    );
    let output = snapshot(&stub).args(["--indices", "javacafe_red,javacafe_2018_01_02"]).run();
    output.exit(1).stderr_contains("snapshot move/day1 exists and is FAILED (");
    assert_eq!(output.json_lines()[0]["state"], "FAILED");
    assert_eq!(stub.finish().len(), LOOKS);
}

#[test]
fn another_running_snapshot_is_to_be_tried_again() {
    let stub = source();
    stub.replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-busy");
    day(&stub)
        .run()
        .exit(75)
        .stdout("")
        .stderr_contains("concurrent_snapshot_execution_exception")
        .stderr_contains("hint: another snapshot is running: --wait-for-running 2h queues behind it\n");
    assert_eq!(stub.finish().len(), LOOKS + 1);
}

#[test]
fn it_queues_behind_another_snapshot_as_long_as_allowed() {
    let stub = source();
    stub.replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-busy")
        .replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-busy")
        .replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-accepted");
    let output = day(&stub).args(["--wait-for-running", "1m"]).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["state"], "IN_PROGRESS");
    assert_eq!(stub.finish().len(), LOOKS + 3);
}

#[test]
fn a_lost_answer_to_the_start_is_settled_by_looking() {
    let stub = source();
    stub.on("PUT", "/_snapshot/move/day1", Answer::raw(""))
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-missing")
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let output = day(&stub).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["state"], "SUCCESS");
    let puts = stub.finish().iter().filter(|request| request.method == "PUT").count();
    assert_eq!(puts, 1, "a write is never sent again blindly");
}

#[test]
fn a_lost_start_that_never_shows_is_to_be_tried_again() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .indices("elasticsearch-5.5.2/indices")
        .on("GET", "/_snapshot/move/day1", answer("elasticsearch-5.5.2/snapshot-missing").repeat())
        .on("PUT", "/_snapshot/move/day1", Answer::raw(""));
    day(&stub).run().exit(75).stdout("").stderr_contains("hint: it was not started: run the same command again\n");
    assert_eq!(stub.finish().len(), LOOKS + 1 + 5);
}

#[test]
fn a_name_that_was_taken_in_between_is_joined() {
    let stub = source();
    stub.replay("PUT /_snapshot/move/day1", "elasticsearch-5.5.2/snapshot-exists")
        .replay(DAY1, "elasticsearch-5.5.2/snapshot-success");
    let output = day(&stub).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["adopted"], true);
    assert_eq!(stub.finish().len(), LOOKS + 2);
}

#[test]
fn what_the_server_would_silently_ignore_is_refused() {
    let stub = Stub::start();
    stub.root(SOURCE);
    day(&stub)
        .args(["--metadata", "why=move"])
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("--metadata: elasticsearch 5.5.2 would ignore it");
    assert_eq!(stub.finish().len(), 1);
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict_and_a_full_disk_does() {
    for (full, code) in [(false, 0), (true, 3)] {
        let stub = source_with(&body("elasticsearch-5.5.2/snapshot-success"));
        let tool = day(&stub);
        let output = if full { tool.stdout_full() } else { tool.stdout_closed() }.run();
        output.exit(code);
        assert_eq!(output.err().contains("No space left on device"), full, "{}", output.err());
        assert_eq!(stub.finish().len(), LOOKS);
    }
}

#[test]
fn a_slow_answer_is_waited_for_no_longer_than_told() {
    let stub = Stub::start();
    stub.on("GET", "/", answer("elasticsearch-5.5.2/root").after(Duration::from_secs(3)).repeat());
    day(&stub).env("ES_SOURCE_TIMEOUT", "1s").run().exit(75).stdout("").stderr_contains("no answer in time");
    assert_eq!(stub.finish().len(), 5, "a read is sent again four times");
}
